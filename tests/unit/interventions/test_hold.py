"""ablate: nodes held at a value in runs of one's own, also in generation."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from toys import EVERY_FAMILY, KINDS, every_token, toy_dictionaries, toy_inputs, toy_model

import circuitscope as cs
from circuitscope.errors import BadInput
from circuitscope.results import Edges, Nodes
from circuitscope.terms import ERROR, SUMMED, NodeId, Site

RESID, MLP = Site("resid", 0), Site("mlp", 1)


def setting(family="neox-parallel", kind="relu"):
    model = toy_model(family)
    return (
        model,
        toy_dictionaries(model, kind, [RESID, MLP]),
        toy_inputs([6, 4, 5], bos=True, side="left").clean,
    )


def by_hand(model, dictionaries, tokens, changes):
    """Logits everywhere with x' = x + (a − f) v at one site, written out."""
    site, feature, value, where = changes
    dictionary = dictionaries[site]

    def edit(x):
        f = dictionary.encode(x.reshape(-1, x.shape[-1]))[:, feature].view(x.shape[:2])
        v = dictionary.write_vectors(torch.tensor([feature]))[0]
        return x + ((value - f) * where)[:, :, None] * v

    return model.logits(tokens, every_token(tokens), {site: (dictionaries.taps(model)[site], edit)})


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("value", [0.0, 2.5])
def test_a_feature_is_held_at_a_value(kind, value):
    model, dictionaries, tokens = setting(kind=kind)
    with cs.ablate(model, dictionaries, ["mlp_1/3"], value) as edited:
        got = edited.logits(tokens, every_token(tokens))
    wanted = by_hand(model, dictionaries, tokens, (MLP, 3, value, tokens.live))
    torch.testing.assert_close(got[tokens.live], wanted[tokens.live])
    plain = model.logits(tokens, every_token(tokens))
    assert not torch.allclose(got[tokens.live], plain[tokens.live]), "the test would not see an edit"


def test_a_node_with_a_position_holds_there_alone():
    model, dictionaries, tokens = setting()
    with cs.ablate(model, dictionaries, [NodeId(RESID, 2, 3)], {"resid_0/2@3": 4.0}):
        got = model.logits(tokens, every_token(tokens))
    wanted = by_hand(model, dictionaries, tokens, (RESID, 2, 4.0, tokens.live & (tokens.position_ids == 3)))
    torch.testing.assert_close(got[tokens.live], wanted[tokens.live])


def test_a_position_that_no_text_has_is_said(caplog):
    model, dictionaries, tokens = setting()
    with cs.ablate(model, dictionaries, {"resid_0/2@99": 4.0, "resid_0/2@3": 4.0}):
        model.logits(tokens, every_token(tokens))
    (said,) = [record.getMessage() for record in caplog.records]
    assert "no text reached the position of resid_0/2@99" in said
    assert f"from 0 to {int(tokens.position_ids.max())}" in said
    caplog.clear()
    with cs.ablate(model, dictionaries, {"resid_0/2@3": 4.0}):
        model.logits(tokens, every_token(tokens))
    with cs.ablate(model, dictionaries, {"resid_0/2@99": 4.0}):
        pass  # nothing ran, so nothing was missed
    assert caplog.records == []


def test_a_mapping_brings_its_values_along():
    model, dictionaries, tokens = setting()
    with cs.ablate(model, dictionaries, {"mlp_1/3": 2.5}):
        got = model.logits(tokens, every_token(tokens))
    wanted = by_hand(model, dictionaries, tokens, (MLP, 3, 2.5, tokens.live))
    torch.testing.assert_close(got[tokens.live], wanted[tokens.live])


def test_a_node_named_twice_is_held_once():
    model, dictionaries, tokens = setting()
    with cs.ablate(model, dictionaries, ["mlp_1/3", "mlp_1/3"], 2.5):
        got = model.logits(tokens, every_token(tokens))
    wanted = by_hand(model, dictionaries, tokens, (MLP, 3, 2.5, tokens.live))
    torch.testing.assert_close(got[tokens.live], wanted[tokens.live])


def test_bos_and_padding_stay():
    model, dictionaries, tokens = setting()
    seen = {}
    tap = dictionaries.taps(model)[RESID]

    def look(x):
        seen["x"] = x
        return x

    every = [f"resid_0/{feature}" for feature in range(20)] + ["resid_0/error"]
    with cs.ablate(model, dictionaries, every):
        model.logits(tokens, every_token(tokens), {RESID: (tap, look)})  # hooks run in the order they came
    plain = model.capture(tokens, {RESID: tap}, tokens.last[:, None]).x[RESID]
    bias = dictionaries[RESID].bias(plain)
    torch.testing.assert_close(seen["x"][tokens.live], bias[tokens.live])
    torch.testing.assert_close(seen["x"][~tokens.live], plain[~tokens.live])


@pytest.mark.parametrize("family", EVERY_FAMILY)
def test_generation_with_a_cache_is_generation_without(family):
    model, dictionaries, _ = setting(family)
    ids = torch.tensor([[0, 5, 9, 13], [0, 21, 8, 30]])
    mask = torch.ones_like(ids)
    nodes = {"resid_0/2": 6.0, "resid_0/5": 5.0, "mlp_1/1": 7.0}
    settings = {"attention_mask": mask, "max_new_tokens": 5, "min_new_tokens": 5, "do_sample": False,
                "pad_token_id": 1}  # fmt: skip
    plain = model.hf.generate(ids, **settings)
    with cs.ablate(model, dictionaries, list(nodes), nodes) as edited:
        cached = edited.hf.generate(ids, **settings, use_cache=True)
        whole = edited.hf.generate(ids, **settings, use_cache=False)
    assert torch.equal(cached, whole)
    assert not torch.equal(cached, plain), "the test would not see an edit"
    assert torch.equal(model.hf.generate(ids, **settings), plain)


def test_a_circuit_is_a_set_of_nodes():
    model, dictionaries, tokens = setting()
    columns = np.array([[1, 1, SUMMED], [1, 4, SUMMED], [0, ERROR, SUMMED]]).T
    circuit = cs.Circuit(tuple(dictionaries), Nodes(*columns, np.ones(3), np.zeros(3)), Edges.none())
    with cs.ablate(model, dictionaries, circuit):
        got = model.logits(tokens, every_token(tokens))
    with cs.ablate(model, dictionaries, ["mlp_1/1", "mlp_1/4", "resid_0/error"]):
        torch.testing.assert_close(got, model.logits(tokens, every_token(tokens)))


def test_nothing_stays_after_an_exception():
    model, dictionaries, tokens = setting()
    plain = model.logits(tokens, every_token(tokens))
    with pytest.raises(RuntimeError, match="mine"), cs.ablate(model, dictionaries, ["mlp_1/3"], 9.0):
        raise RuntimeError("mine")
    assert torch.equal(model.logits(tokens, every_token(tokens)), plain)


@pytest.mark.parametrize(
    ("nodes", "value", "said"),
    [
        (["attn_0/1"], 0.0, "no dictionary for attn_0"),
        (["mlp_1/20"], 0.0, "has 20 features"),
        (["mlp_1/error"], 1.0, "can only be removed"),
        (["mlp_1/1", "mlp_1/2"], {"mlp_1/1": 1.0}, "no value for mlp_1/2"),
        (["mlp_1"], 0.0, "no such node"),
        (["mlp_1/1", "mlp_1/1@2"], 0.0, "means every position"),
        (["mlp_1/1"], float("nan"), "held at nan"),
        (["mlp_1/1"], {"mlp_1/1": 1.0, "mlp_1/2": 1.0}, "a value for mlp_1/2, not among the nodes"),
    ],
)
def test_what_cannot_be_held_is_refused(nodes, value, said):
    model, dictionaries, _ = setting()
    with pytest.raises(BadInput, match=said), cs.ablate(model, dictionaries, nodes, value):
        pass
