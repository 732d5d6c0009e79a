"""GradDrop against the same thing by hand: a model whose block adds a constant, and atp on it."""

from __future__ import annotations

import pytest
import torch
from toys import FAMILIES, linear_model, toy_dictionaries, toy_inputs, toy_model

from circuitscope.effects import node_effects
from circuitscope.effects.at_clean import gradients_at_clean
from circuitscope.effects.graddrop import gradients_with_drops, signed_mean
from circuitscope.model.family import RESID
from circuitscope.tasks.metrics import LOGIT_DIFFERENCE
from circuitscope.terms import Site

SOME = [Site("embed", -1), Site("mlp", 0), Site("attn", 1), Site("resid", 1)]


def by_hand(model, inputs, clean, site, dropped):
    """The gradient at one site when one block's contribution is a constant, from a run of its own."""
    leaf = clean.x[site].clone().requires_grad_()
    added = clean.streams[dropped + 1] - clean.streams[dropped]
    entered = {}

    def enter(_module, arguments):
        entered["stream"] = leaf if (site.kind, dropped) == ("embed", 0) else arguments[0]

    handle = model.blocks[dropped].register_forward_pre_hook(enter)
    edits = {Site("resid", dropped): (RESID, lambda _: entered["stream"] + added)}
    edits[site] = (model.tap(site), lambda _: leaf)
    try:
        with torch.enable_grad():
            logits = model.logits(inputs.clean, inputs.clean.last[:, None], edits)
            value = LOGIT_DIFFERENCE(logits, inputs).sum()
    finally:
        handle.remove()
    if not value.requires_grad:  # the site is inside the block that is dropped, and nothing else leads on
        return torch.zeros_like(leaf)
    return torch.autograd.grad(value, leaf)[0]


@pytest.mark.parametrize("family", [*FAMILIES, "gpt2", "gemma3-vision"])
def test_dropping_a_block_is_making_its_contribution_a_constant(family):
    model, inputs = toy_model(family), toy_inputs([5, 5])
    taps = model.taps(model.sites)
    clean = model.capture(inputs.clean, taps, inputs.clean.last[:, None])
    plain, dropped = gradients_with_drops(model, inputs, LOGIT_DIFFERENCE, taps)
    usual = gradients_at_clean(model, inputs, LOGIT_DIFFERENCE, taps)
    for site in model.sites:
        assert torch.equal(plain[site], usual[site])
        inside = site.kind in ("attn", "mlp")
        layers = [layer for layer in range(2) if not (inside and layer == site.layer)]
        assert len(dropped[site]) == len(layers)
        for layer, gradient in zip(layers, dropped[site], strict=True):
            torch.testing.assert_close(
                gradient, by_hand(model, inputs, clean, site, layer), atol=1e-9, rtol=1e-7
            )
        if inside:
            assert by_hand(model, inputs, clean, site, site.layer).abs().max() == 0
    assert not torch.allclose(dropped[Site("embed", -1)][1], plain[Site("embed", -1)])


def test_effects_are_the_mean_size_with_the_sign_of_atp():
    model = toy_model("neox-parallel", layers=3)
    dictionaries, inputs = toy_dictionaries(model, "relu", SOME), toy_inputs([5, 5])
    found = node_effects(model, dictionaries, inputs, LOGIT_DIFFERENCE, method="atp-graddrop")
    atp = node_effects(model, dictionaries, inputs, LOGIT_DIFFERENCE, method="atp")
    clean = found.clean_cache
    for site, side in found.sites.items():
        usual, features = atp.sites[site], side.features
        assert torch.equal(side.feature_effect.sign(), usual.feature_effect.sign())
        layers = [layer for layer in range(3) if site.kind in ("embed", "resid") or layer != site.layer]
        sizes, errors = [], []
        for layer in layers:
            gradient = by_hand(model, inputs, clean, site, layer)
            flat = gradient.reshape(-1, gradient.shape[-1])[features.token]
            slope = (flat * side.dictionary.write_vectors(features.feature)).sum(dim=1)
            sizes.append((slope * features.delta).abs())
            errors.append((gradient * side.error_delta).sum(dim=-1).abs())
        torch.testing.assert_close(
            side.feature_effect.abs(), torch.stack(sizes).mean(dim=0), atol=1e-8, rtol=1e-6
        )
        torch.testing.assert_close(
            side.error_effect.abs(), torch.stack(errors).mean(dim=0), atol=1e-8, rtol=1e-6
        )
        assert torch.equal(side.gradient, usual.gradient), "edges go on with the plain gradient"


def test_cancelling_effects_are_seen():
    """Two later blocks that undo each other leave atp nothing; with either of them dropped the node is back."""
    effects = [torch.tensor([1.0, -0.5]), torch.tensor([-0.98, -0.5])]
    plain = torch.tensor([0.02, -0.5])
    assert signed_mean(plain, effects).tolist() == pytest.approx([0.99, -0.5])


def test_the_last_residual_site_is_atp_itself():
    """Nothing comes after it, so whatever is dropped its gradient is the same."""
    model = toy_model("llama")
    dictionaries, inputs = toy_dictionaries(model, "topk", [Site("resid", 1)]), toy_inputs([5, 5])
    pair = [
        node_effects(model, dictionaries, inputs, LOGIT_DIFFERENCE, method=method).sites[Site("resid", 1)]
        for method in ("atp", "atp-graddrop")
    ]
    torch.testing.assert_close(pair[1].feature_effect, pair[0].feature_effect)


@pytest.mark.parametrize("layers", [1, 2])
def test_a_model_of_one_block_has_nothing_to_drop_but_its_own(layers):
    model = linear_model(layers=layers)
    dictionaries, inputs = toy_dictionaries(model, "relu", [Site("mlp", 0)]), toy_inputs([5])
    pair = [
        node_effects(model, dictionaries, inputs, LOGIT_DIFFERENCE, method=method).sites[Site("mlp", 0)]
        for method in ("atp", "atp-graddrop")
    ]
    same = torch.allclose(pair[0].feature_effect, pair[1].feature_effect)
    assert same == (layers == 1)


def test_hooks_are_gone_when_something_goes_wrong():
    model, inputs = toy_model("llama"), toy_inputs([5])

    class Broken(type(LOGIT_DIFFERENCE)):
        def __call__(self, logits, inputs):
            raise RuntimeError("on purpose")

    before = sum(len(module._forward_hooks) for module in model.hf.modules())
    broken = Broken(**vars(LOGIT_DIFFERENCE))
    with pytest.raises(RuntimeError, match="on purpose"):
        gradients_with_drops(model, inputs, broken, model.taps(model.sites))
    assert sum(len(module._forward_hooks) for module in model.hf.modules()) == before
