"""Replaying part of a model gives what the whole model gives, and leaves no trace."""

from __future__ import annotations

import pytest
import torch
from toys import EVERY_FAMILY, every_token, toy_hf, toy_inputs, toy_model

from circuitscope.errors import UnsupportedModel
from circuitscope.model import load_model
from circuitscope.terms import Site


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("family", EVERY_FAMILY)
def test_replaying_from_any_site_equals_editing_the_whole_model(family, side):
    model = toy_model(family, layers=3)
    inputs = toy_inputs([4, 6], side=side, bos=True)
    tokens, positions = inputs.clean, inputs.clean.last[:, None]
    variants = max(len(taps) for taps in model.family.taps.values())
    everyone = torch.arange(2)
    for variant in range(variants):
        taps = {
            site: model.family.taps[site.kind][min(variant, len(model.family.taps[site.kind]) - 1)]
            if site.kind in ("attn", "mlp")
            else model.tap(site)
            for site in model.sites
        }
        cache = model.capture(tokens, taps, positions)
        for site, tap in taps.items():
            torch.manual_seed(0)
            x = cache.x[site] + torch.randn_like(cache.x[site])
            whole = model.logits(tokens, positions, {site: (tap, lambda _, x=x: x)})
            entry, stream = model.enter(site, tap, x, cache, everyone)
            part = model.replay(entry, stream, tokens, positions)
            torch.testing.assert_close(part, whole, atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize("family", EVERY_FAMILY)
def test_nothing_is_left_behind(family):
    """Hooks and stubs go away, also when something is raised in the middle."""
    model = toy_model(family)
    inputs = toy_inputs([5, 5])
    positions = every_token(inputs.clean)
    before = model.logits(inputs.clean, positions)
    cache = model.capture(inputs.clean, model.taps(model.sites), positions)

    def fail(_):
        raise RuntimeError("in the middle")

    with pytest.raises(RuntimeError, match="in the middle"):
        model.replay(
            0, cache.streams[1], inputs.clean, positions, {Site("mlp", 1): (model.tap(Site("mlp", 1)), fail)}
        )
    after = model.logits(inputs.clean, positions)
    assert torch.equal(before, after)
    hooks = sum(
        len(module._forward_hooks) + len(module._forward_pre_hooks)
        for block in model.blocks
        for module in block.modules()
    )
    assert hooks == len(model.blocks)  # the ones that keep float64 masks finite


@pytest.mark.parametrize("family", EVERY_FAMILY)
def test_logits_are_the_models_own(family):
    model = toy_model(family)
    tokens = toy_inputs([5, 5]).clean
    ours = model.logits(tokens, every_token(tokens))
    theirs = model.hf(input_ids=tokens.ids, attention_mask=tokens.mask.long()).logits
    torch.testing.assert_close(ours, theirs, atol=1e-9, rtol=1e-9)


def test_a_wrong_record_is_refused_and_the_site_is_named():
    """A block that adds something the record does not know breaks the identity of its residual site."""
    hf = toy_hf("llama")
    block = hf.model.layers[1]
    block.register_forward_hook(lambda module, arguments, output: output + 0.5)
    with pytest.raises(UnsupportedModel, match="resid_1"):
        load_model(hf, dtype="float64", device="cpu")
