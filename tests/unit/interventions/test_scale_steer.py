"""scale and steer: what they take, what they refuse, and that nothing of them stays."""

from __future__ import annotations

from collections import UserDict

import numpy as np
import pytest
import torch
from toys import every_token, toy_dictionaries, toy_inputs, toy_model

import circuitscope as cs
from circuitscope.errors import BadInput
from circuitscope.results import Edges, Nodes
from circuitscope.terms import SUMMED, NodeId, Site

RESID, MLP = Site("resid", 0), Site("mlp", 1)
VERBS = {"ablate": cs.ablate, "scale": cs.scale, "steer": cs.steer}


@pytest.fixture(scope="module")
def setting():
    model = toy_model("llama")
    dictionaries = toy_dictionaries(model, "topk", [RESID, MLP])
    return model, dictionaries, toy_inputs([6, 4], bos=True, side="left").clean


def logits(setting, *contexts):
    model, _, tokens = setting
    for context in contexts:
        context.__enter__()
    try:
        return model.logits(tokens, every_token(tokens))[tokens.mask]
    finally:
        for context in reversed(contexts):
            context.__exit__(None, None, None)


@pytest.mark.parametrize("verb", ["scale", "steer"])
def test_names_and_numbers_come_in_several_sorts(setting, verb):
    model, dictionaries, _ = setting
    with VERBS[verb](model, dictionaries, {"resid_0/3": 4.0, "mlp_1/2@2": 2.0}) as edited:
        assert edited is model
        wanted = logits(setting)
    node = NodeId(RESID, 3)
    for numbers in (
        {node: np.float32(4), NodeId(MLP, 2, 2): torch.tensor(2.0)},
        UserDict({"resid_0/3": 4, "mlp_1/2@2": 2}),
    ):
        assert torch.equal(logits(setting, VERBS[verb](model, dictionaries, numbers)), wanted)
    assert not torch.allclose(wanted, logits(setting))


def test_a_whole_circuit_is_scaled(setting):
    model, dictionaries, _ = setting
    columns = np.array([[1, 1, SUMMED], [0, 4, 2]]).T
    circuit = cs.Circuit(tuple(dictionaries), Nodes(*columns, np.ones(2), np.zeros(2)), Edges.none())
    got = logits(setting, cs.scale(model, dictionaries, dict.fromkeys(circuit.ids, 3.0)))
    assert torch.equal(got, logits(setting, cs.scale(model, dictionaries, {"mlp_1/1": 3, "resid_0/4@2": 3})))


@pytest.mark.parametrize("verb", VERBS)
def test_no_node_is_no_change(setting, verb):
    model, dictionaries, _ = setting
    assert torch.equal(logits(setting, VERBS[verb](model, dictionaries, {})), logits(setting))


def test_steering_encodes_nothing(setting, monkeypatch):
    model, dictionaries, _ = setting
    wanted = logits(setting, cs.steer(model, dictionaries, {"resid_0/3": 4.0}))

    def encode(*_):
        raise AssertionError("encoded")

    monkeypatch.setattr(type(dictionaries[RESID]), "encode", encode)
    assert torch.equal(logits(setting, cs.steer(model, dictionaries, {"resid_0/3": 4.0})), wanted)
    with pytest.raises(AssertionError, match="encoded"):
        logits(setting, cs.scale(model, dictionaries, {"resid_0/3": 4.0}))


def test_steering_twice_is_steering_by_the_sum(setting):
    """Nothing is read, so here alone the order of two contexts means nothing."""
    model, dictionaries, _ = setting
    one, other = ({"resid_0/3": 4.0}, {"resid_0/3": -1.0, "mlp_1/2": 2.0})
    got = logits(setting, cs.steer(model, dictionaries, one), cs.steer(model, dictionaries, other))
    wanted = logits(setting, cs.steer(model, dictionaries, {"resid_0/3": 3.0, "mlp_1/2": 2.0}))
    torch.testing.assert_close(got, wanted)


@pytest.mark.parametrize("verb", VERBS)
def test_arguments_stay_and_so_does_the_model(setting, verb):
    model, dictionaries, _ = setting
    plain = logits(setting)
    numbers = {"resid_0/3": 4.0, "mlp_1/2@2": 2.0}
    given = dict(numbers)
    context = VERBS[verb](model, dictionaries, numbers)
    assert torch.equal(logits(setting), plain), "nothing happens before the context is entered"
    with pytest.raises(RuntimeError, match="mine"), context:
        raise RuntimeError("mine")
    assert torch.equal(logits(setting), plain)
    assert numbers == given
    assert not model.hf.base_model._forward_pre_hooks


def test_two_contexts_may_end_in_any_order(setting):
    model, dictionaries, _ = setting
    outer, inner = (
        cs.scale(model, dictionaries, {"resid_0/3": 4.0}),
        cs.steer(model, dictionaries, {"resid_0/5": 2.0}),
    )
    outer.__enter__()
    inner.__enter__()
    outer.__exit__(None, None, None)
    got = logits(setting)
    inner.__exit__(None, None, None)
    assert torch.equal(got, logits(setting, cs.steer(model, dictionaries, {"resid_0/5": 2.0})))


@pytest.mark.parametrize("verb", VERBS)
def test_what_does_not_say_where_bos_and_padding_are_is_refused(setting, verb):
    model, dictionaries, tokens = setting
    embeddings = model.hf.get_input_embeddings()(tokens.ids)
    square = torch.ones(2, 1, tokens.positions, tokens.positions, dtype=torch.bool)
    with VERBS[verb](model, dictionaries, {"resid_0/3": 4.0}):
        with pytest.raises(BadInput, match="without token ids"):
            model.hf(inputs_embeds=embeddings)
        with pytest.raises(BadInput, match="does not say which tokens are padding"):
            model.hf(tokens.ids, attention_mask=square)


@pytest.mark.parametrize(
    ("verb", "numbers", "said"),
    [
        ("scale", {"attn_0/1": 2.0}, "no dictionary for attn_0"),
        ("scale", {"mlp_1/20": 2.0}, "has 20 features"),
        ("scale", {"mlp_1": 2.0}, "no such node"),
        ("scale", {"mlp_1/1": float("inf")}, "mlp_1/1 scaled by inf"),
        ("scale", {"mlp_1/1": 1.0, "mlp_1/1@2": 2.0}, "means every position"),
        ("scale", {"mlp_1/1": 1.0, NodeId(MLP, 1): 2.0}, "two values for mlp_1/1"),
        ("steer", {"mlp_1/error": 2.0}, "mlp_1/error steered by 2: an error has no write vector"),
        ("steer", {"mlp_1/1": 1.0, "resid_0/error@2": 2.0}, "an error has no write vector"),
        ("steer", {"mlp_1/1": float("nan")}, "mlp_1/1 steered by nan"),
        ("scale", {"mlp_1/1": torch.ones(2)}, "what mlp_1/1 is scaled by .*\nexpected: one number"),
        ("ablate", {"mlp_1/1": 1.0, NodeId(MLP, 1): 1.0}, "two values for mlp_1/1"),
    ],
)
def test_what_cannot_be_done_is_refused_at_once(setting, verb, numbers, said):
    model, dictionaries, _ = setting
    with pytest.raises(BadInput, match=said):
        VERBS[verb](model, dictionaries, numbers)
