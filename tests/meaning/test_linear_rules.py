"""Linear rules: the forward pass stays as it is, and the backward pass is that of the model held at its input.

The reference is the model's own algebra: under the rules, with biases at 0, the stream at any full cut times its
coefficient is the metric itself. Rules that forget a norm, an activation or an attention weight break that.
"""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import nn
from toys import EVERY_FAMILY, FAMILIES, linear_model, toy_dictionaries, toy_hf, toy_inputs, toy_model

from circuitscope.effects import Rows, edge_effects, node_effects
from circuitscope.effects.at_clean import gradients_at_clean
from circuitscope.effects.relp import coefficients_at_clean
from circuitscope.errors import UnsupportedModel
from circuitscope.model import linear_rules, load_model
from circuitscope.tasks.metrics import LOGIT_DIFFERENCE
from circuitscope.terms import Site


def hooks_of(model) -> int:
    return sum(len(module._forward_hooks) for module in model.hf.modules())


def without_biases(family):
    """A model whose every part is homogeneous in its input once norms, activations and attention are held."""
    hf = toy_hf(family, layers=3)
    with torch.no_grad():
        for name, weight in hf.named_parameters():
            if name.endswith("bias"):
                weight.zero_()
    if hasattr(hf.config.get_text_config(), "final_logit_softcapping"):
        hf.config.get_text_config().final_logit_softcapping = None
    return load_model(hf, dtype="float64", device="cpu")


def test_relp_is_exact_on_a_linear_model():
    model = linear_model()
    dictionaries, inputs = toy_dictionaries(model, "relu"), toy_inputs([5, 5])
    exact, relp, atp = (
        node_effects(model, dictionaries, inputs, LOGIT_DIFFERENCE, method=method)
        for method in ("exact", "relp", "atp")
    )
    for site, truth in exact.sites.items():
        assert truth.feature_effect.abs().max() > 1e-3
        for found in (relp.sites[site], atp.sites[site]):
            torch.testing.assert_close(found.feature_effect, truth.feature_effect, atol=1e-6, rtol=1e-6)
            torch.testing.assert_close(found.error_effect, truth.error_effect, atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize("family", EVERY_FAMILY)
def test_without_biases_every_full_cut_carries_the_metric(family):
    """Conservation: Σ coefficient · x over the stream is m, wherever it is cut; the gradient's is something else."""
    model, inputs = without_biases(family), toy_inputs([5, 5])
    cuts = [site for site in model.sites if site.kind in ("embed", "resid")]
    taps = model.taps(cuts)
    cache = model.capture(inputs.clean, taps, LOGIT_DIFFERENCE.positions(inputs))
    metric = LOGIT_DIFFERENCE(cache.logits, inputs).sum()
    coefficient = coefficients_at_clean(model, inputs, LOGIT_DIFFERENCE, taps)
    gradient = gradients_at_clean(model, inputs, LOGIT_DIFFERENCE, taps)
    assert metric.abs() > 0.1
    for site in cuts:
        # GPT-2 and the like compute softmax in float32 at places, so not to float64's last digits.
        torch.testing.assert_close((coefficient[site] * cache.x[site]).sum(), metric, atol=1e-4, rtol=1e-4)
        assert ((gradient[site] * cache.x[site]).sum() - metric).abs() > 1e-2


@pytest.mark.parametrize("family", EVERY_FAMILY)
def test_attention_and_mlp_share_what_their_block_adds(family):
    """In a block x' = x + attn + mlp, so the coefficients at x' count each part's contribution."""
    model, inputs = without_biases(family), toy_inputs([5, 5])
    sites = [Site("attn", 2), Site("mlp", 2), Site("resid", 1), Site("resid", 2)]
    taps = model.taps(sites)
    cache = model.capture(inputs.clean, taps, LOGIT_DIFFERENCE.positions(inputs))
    found = coefficients_at_clean(model, inputs, LOGIT_DIFFERENCE, taps)
    block = model.blocks[2]
    attn, mlp = (taps[site].contributes(block, cache.x[site]) for site in sites[:2])
    at_end = found[Site("resid", 2)]
    whole = (found[Site("resid", 1)] * cache.x[Site("resid", 1)]).sum()
    parts = (at_end * (cache.x[Site("resid", 1)] + attn + mlp)).sum()
    torch.testing.assert_close(whole, parts, atol=1e-4, rtol=1e-4)
    mlp_itself = (found[Site("mlp", 2)] * cache.x[Site("mlp", 2)]).sum()
    torch.testing.assert_close(mlp_itself, (at_end * mlp).sum(), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("family", EVERY_FAMILY)
def test_the_forward_pass_stays_as_it_is_to_the_last_bit(family):
    model, inputs = toy_model(family), toy_inputs([6, 4], side="left")
    taps, asked = model.taps(model.sites), LOGIT_DIFFERENCE.positions(inputs)
    before = hooks_of(model)
    plain = model.capture(inputs.clean, taps, asked, grad=True)
    with linear_rules(model):
        assert hooks_of(model) > before
        ruled = model.capture(inputs.clean, taps, asked, grad=True)
    assert hooks_of(model) == before
    assert torch.equal(plain.logits, ruled.logits)
    for site in taps:
        assert torch.equal(plain.x[site], ruled.x[site]), site


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("family", ["neox-parallel", "gemma2"])
def test_other_number_formats(family, dtype):
    """In float32 coefficients are those of float64; in bfloat16 nothing is refused and nothing is NaN."""
    inputs = toy_inputs([5, 5])
    found = {}
    for name in ("float64", dtype):
        model = load_model(toy_hf(family), dtype=name, device="cpu")
        taps = model.taps([Site("embed", -1)])
        found[name] = coefficients_at_clean(model, inputs, LOGIT_DIFFERENCE, taps)[Site("embed", -1)].double()
    scale = float(found["float64"].abs().max())
    assert (found[dtype] - found["float64"]).abs().max() <= (1e-4 if dtype == "float32" else 0.2) * scale


@pytest.mark.parametrize("family", FAMILIES)
def test_attention_weights_can_be_differentiated_all_the_same(family):
    """Without the AH-rule something flows back through queries and keys; at the last site nothing differs."""
    model, inputs = toy_model(family), toy_inputs([5, 5])
    taps = model.taps(model.sites)
    held = coefficients_at_clean(model, inputs, LOGIT_DIFFERENCE, taps)
    with linear_rules(model, attention=False):
        free = gradients_at_clean(model, inputs, LOGIT_DIFFERENCE, taps)
    assert (held[Site("embed", -1)] - free[Site("embed", -1)]).abs().max() > 1e-3
    assert torch.equal(held[Site("resid", 1)], free[Site("resid", 1)])


def test_the_model_is_restored_when_something_goes_wrong():
    model, inputs = toy_model("llama"), toy_inputs([5])
    before = hooks_of(model)
    with pytest.raises(RuntimeError, match="on purpose"), linear_rules(model):
        raise RuntimeError("on purpose")
    assert hooks_of(model) == before
    sites = [Site("embed", -1)]
    with linear_rules(model):
        pass
    plain = gradients_at_clean(toy_model("llama"), inputs, LOGIT_DIFFERENCE, model.taps(sites))
    again = gradients_at_clean(model, inputs, LOGIT_DIFFERENCE, model.taps(sites))
    assert torch.equal(plain[sites[0]], again[sites[0]])


def test_a_family_without_rules_is_refused():
    model = toy_model("llama")
    model.family = replace(model.family, name="Camel")
    with pytest.raises(UnsupportedModel, match="no linear rules for Camel") as error, linear_rules(model):
        pass
    assert "GPT-NeoX" in error.value.expected
    assert "register_linear_rules" in error.value.mend


def test_a_block_without_the_parts_is_refused():
    model = toy_model("llama")
    model.family = replace(model.family, name="GPT-2")
    before = hooks_of(model)
    with pytest.raises(UnsupportedModel, match="its blocks have no ln_1"), linear_rules(model):
        pass
    assert hooks_of(model) == before


class Squashed(nn.Module):
    """A norm of no kind that the rules know."""

    def forward(self, x):
        return torch.tanh(x)


def test_a_norm_that_is_none_is_refused():
    model, inputs = toy_model("llama"), toy_inputs([5])
    model.blocks[1].input_layernorm = Squashed()
    with pytest.raises(UnsupportedModel, match="Squashed is neither a LayerNorm nor an RMS norm"):
        coefficients_at_clean(model, inputs, LOGIT_DIFFERENCE, model.taps(model.sites))


@pytest.mark.parametrize("kind", ["topk", "identity"])
@pytest.mark.parametrize("method", ["relp", "atp-graddrop"])
def test_edges_go_with_the_new_methods(method, kind):
    """An edge is the row's activation × its gradient along the direct path, so it scales with that gradient."""
    model = toy_model("neox-sequential")
    dictionaries, inputs = toy_dictionaries(model, kind), toy_inputs([5, 5])
    effects = node_effects(model, dictionaries, inputs, LOGIT_DIFFERENCE, method=method)
    site = Site("resid", 1)
    side = effects.sites[site]
    here = (side.feature_effect.abs() * (side.features.clean != 0)).topk(4).indices
    token = side.features.token[here]
    rows = {site: Rows(token // 5, token % 5, side.features.feature[here])}
    found = edge_effects(model, dictionaries, effects, rows)
    doubled = replace(
        effects,
        sites={name: replace(other, gradient=2 * other.gradient) for name, other in effects.sites.items()},
    )
    twice = edge_effects(model, dictionaries, doubled, rows)
    assert max(float(entries.effect.abs().max()) for entries in found.values() if len(entries.effect)) > 1e-3
    for pair, entries in found.items():
        torch.testing.assert_close(twice[pair].effect, 2 * entries.effect)
