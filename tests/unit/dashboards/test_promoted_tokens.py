"""promoted_tokens against explicit matrices and against autograd, on every family."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from toys import EVERY_FAMILY, linear_model, toy_dictionaries

from circuitscope.dashboards import promoted_tokens
from circuitscope.dashboards.promoted import direct_logits, linear_part
from circuitscope.dictionaries import neuron_dictionaries
from circuitscope.terms import Site

HEADS = "input of attention's output projection"


def explicit(model, u):
    """U (g ⊙ c(u)), from the modules' own weights."""
    norm = model.final_norm
    if isinstance(norm, nn.LayerNorm):
        u, scale = u - u.mean(dim=-1, keepdim=True), norm.weight
    else:
        scale = norm.scale
    return (scale * u) @ model.hf.get_output_embeddings().weight.T


def centred(model, weights):
    """Less their mean; special tokens are no words, and are not shown."""
    weights = weights - weights.mean()
    weights[model.tokenizer.all_special_ids] = 0
    return weights


def drawn(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(5), dtype=torch.float64)


@pytest.mark.parametrize("family", EVERY_FAMILY)
def test_direct_logits_are_the_explicit_product(reader, family):
    model = reader(family)
    u = drawn(3, model.width)
    torch.testing.assert_close(direct_logits(model, u), explicit(model, u), rtol=1e-6, atol=1e-8)
    assert not direct_logits(model, 0 * u).any(), "a dead write vector promotes nothing"


@pytest.mark.parametrize("family", EVERY_FAMILY)
def test_direct_logits_are_the_gradient_without_the_denominator(reader, family):
    """Where u does not change the last norm's denominator, autograd's answer is ours over that denominator."""
    model = reader(family)
    stream, u = drawn(2, model.width)
    centred = isinstance(model.final_norm, nn.LayerNorm)
    c, v = (x - x.mean() if centred else x for x in (stream, u))
    u = u - c * (c @ v) / (c @ c)
    head = model.hf.get_output_embeddings()
    _, change = torch.func.jvp(lambda x: head(model.final_norm(x)), (stream,), (u,))
    eps = getattr(model.final_norm, "eps", 0.0)
    denominator = (c.pow(2).mean() + eps).sqrt()
    torch.testing.assert_close(direct_logits(model, u[None])[0], change * denominator, rtol=1e-6, atol=1e-8)


def test_no_norm_is_linear_already():
    model = linear_model()
    u = drawn(2, model.width)
    torch.testing.assert_close(linear_part(nn.Identity(), u), u)
    torch.testing.assert_close(direct_logits(model, u), u @ model.unembedding.T)


@pytest.mark.parametrize("family", EVERY_FAMILY)
def test_the_tokens_are_the_extremes_of_the_centred_weights(reader, family):
    model = reader(family)
    dictionaries = toy_dictionaries(model, "relu", [Site("mlp", 0), Site("resid", 1)])
    features = [(site, feature) for site in dictionaries for feature in (7, 0)]
    found = promoted_tokens(model, dictionaries, features, count=3)
    for item, (site, feature) in zip(found, features, strict=True):
        assert (item.site, item.feature, item.exact) == (site.name, feature, True)
        weights = explicit(model, dictionaries[site].write_vectors(torch.tensor([feature])))[0]
        weights = centred(model, weights)
        for words, order in (
            (item.raised, weights.argsort(descending=True)),
            (item.lowered, weights.argsort()),
        ):
            assert [int(word.token.strip("ws<>/ ") or 0) for word in words if "w" in word.token] == [
                token for token in order[:3].tolist() if token > 1
            ]
            expected = weights[order[:3]]
            torch.testing.assert_close(
                torch.tensor([word.weight for word in words], dtype=torch.float64),
                expected,
                rtol=1e-5,
                atol=1e-5,
            )


@pytest.mark.parametrize("family", ["llama", "gpt2", "neox-parallel", "gemma2", "gemma3"])
def test_a_tap_before_a_projection_goes_through_it(reader, family):
    """Exactly where the projection's output is the contribution, up to one factor where a norm follows it."""
    model = reader(family)
    site = Site("attn", 1)
    dictionaries = neuron_dictionaries(model, [site], tensor=HEADS)
    (found,) = promoted_tokens(model, dictionaries, [(site, 4)], count=40)
    block = model.blocks[1]
    path = {"llama": "self_attn.o_proj", "gpt2": "attn.c_proj", "neox-parallel": "attention.dense"}
    weight = block.get_submodule(path.get(family, "self_attn.o_proj")).weight
    u = weight[4] if family == "gpt2" else weight[:, 4]
    has_norm = family.startswith("gemma")
    assert found.exact == (not has_norm)
    if has_norm:
        u = u * block.post_attention_layernorm.scale
    weights = explicit(model, u[None])[0]
    weights = centred(model, weights)
    ours = torch.zeros(40, dtype=torch.float64)
    for word in (*found.raised, *found.lowered):
        token = model.tokenizer.convert_tokens_to_ids(word.token.strip())
        ours[token] = word.weight
    factor = float((ours @ weights) / (weights @ weights))
    assert factor > 0
    assert has_norm or factor == pytest.approx(1, abs=1e-5)
    torch.testing.assert_close(ours, factor * weights, rtol=1e-4, atol=1e-5 * factor)


def test_rows_that_the_tokenizer_does_not_have_mean_nothing(reader):
    model = reader("llama", words=12)
    dictionaries = toy_dictionaries(model, "relu", [Site("resid", 1)])
    (found,) = promoted_tokens(model, dictionaries, [(Site("resid", 1), 0)], count=40)
    assert len(found.raised) + len(found.lowered) == 12 - len(model.tokenizer.all_special_ids)
    weights = explicit(model, dictionaries[Site("resid", 1)].write_vectors(torch.tensor([0])))[0, :12]
    assert found.raised[0].weight == pytest.approx(float(centred(model, weights).max()), rel=1e-5)
