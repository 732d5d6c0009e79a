"""The benchmark's exact edge effects, where the answer is known: edges of a linear model are exact."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from toys import linear_model, toy_dictionaries, toy_inputs, toy_model

from benchmarks.approximation.behaviours import Setting
from benchmarks.approximation.edges import WAYS, exact_edges, linearised, strongest
from benchmarks.approximation.scores import rank_correlation, recall, relative_errors
from circuitscope.effects import node_effects
from circuitscope.tasks.metrics import LOGIT_DIFFERENCE
from circuitscope.terms import ERROR


def setting(model, kind):
    return Setting(model, toy_dictionaries(model, kind), toy_inputs([5, 5]), LOGIT_DIFFERENCE, "toy", "toy")


def effects_of(made, method):
    return node_effects(made.model, made.dictionaries, made.inputs, made.metric, method=method)


@pytest.fixture(scope="module")
def linear():
    made = setting(linear_model(), "identity")
    effects = effects_of(made, "atp")
    chosen = strongest(effects, 20)
    return made, effects, chosen, exact_edges(made, effects, chosen)


@pytest.mark.parametrize("at", WAYS)
def test_on_a_linear_model_with_neurons_every_edge_is_exact(linear, at):
    made, effects, chosen, truth = linear
    found, _ = linearised(made, effects, chosen, at, "atp")
    assert max(abs(carried.effect) for carried in truth.values()) > 1e-2
    for edge, carried in truth.items():
        assert found.get(edge, 0.0) == pytest.approx(carried.effect, abs=1e-7), edge


def by_hand(made, effects, edge):
    """The same from two runs of the whole model with edits, encoding densely."""
    source, example, position, feature, target, place, node = edge
    taps, clean, patch = made.dictionaries.taps(made.model), effects.clean_cache.x, effects.patch_cache.x
    up, down, seen = made.dictionaries[source], made.dictionaries[target], {}

    def parts(dictionary, x):
        code = dictionary.encode(x[None])
        return code[0], x - code[0] @ dictionary.write_vectors(torch.arange(code.shape[1])) - dictionary.bias(
            x
        )

    def only(dictionary, number, before, after):
        (code, error), (new_code, new_error) = parts(dictionary, before), parts(dictionary, after)
        if number == ERROR:
            return new_error - error
        return (new_code - code)[number] * dictionary.write_vectors(torch.tensor([number]))[0]

    moved = clean[source].clone()
    moved[example, position] += only(
        up, feature, clean[source][example, position], patch[source][example, position]
    )
    edits = {site: (taps[site], lambda _, site=site: clean[site]) for site in taps if source < site < target}
    edits[source] = (taps[source], lambda _: moved)
    edits[target] = (taps[target], lambda x: seen.setdefault("x", x))
    asked = made.inputs.clean.last[:, None]
    made.model.logits(made.inputs.clean, asked, edits)
    change = only(down, node, clean[target][example, place], seen["x"][example, place])
    new = clean[target].clone()
    new[example, place] += change
    logits = made.model.logits(made.inputs.clean, asked, {target: (taps[target], lambda _: new)})
    return (made.metric(logits, made.inputs) - effects.clean_metric)[example]


@pytest.mark.parametrize("family", ["neox-parallel", "gemma2"])
def test_an_exact_edge_is_two_interventions(family):
    made = setting(toy_model(family), "relu")
    effects = effects_of(made, "ig")
    truth = exact_edges(made, effects, strongest(effects, 25))
    largest = sorted(truth, key=lambda key: -abs(truth[key].effect))
    kinds = {(key[0].kind, key[4].kind): key for key in largest[::-1]}  # the largest of every kind of edge
    assert len(kinds) >= 5
    for edge in [*kinds.values()]:
        assert truth[edge].effect == pytest.approx(float(by_hand(made, effects, edge)), rel=1e-6, abs=1e-9)


def test_scores():
    truth, guess = np.array([4.0, -2.0, 1.0, 0.001]), np.array([4.0, -1.0, 3.0, 5.0])
    group = np.zeros(4, dtype=int)
    assert relative_errors(guess, truth, group).tolist() == pytest.approx([0.0, 0.5, 2.0])
    assert recall(guess, truth, 2) == pytest.approx(0.5)
    assert recall(np.zeros(4), truth, 2) == 0
    assert recall(guess, truth, 5) is None
    assert rank_correlation(truth, truth) == pytest.approx(1.0)
    assert rank_correlation(1 / truth, truth) == pytest.approx(-1.0)
