"""Nodes to spare: what each is worth, alone and together."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from linear_case import by_hand, case, keeping, quick, quiet

from circuitscope.evaluation.strict.spare_nodes import _most_together, spare_nodes
from circuitscope.results import Nodes
from circuitscope.terms import ERROR


@pytest.fixture(scope="module")
def whole():
    return quick()


def test_every_node_is_worth_its_effect():
    """In the linear case faithfulness without a node is 1 minus its share."""
    whole = case()
    found = spare_nodes(whole, None, quiet)
    nodes, ids = whole.circuit.nodes, whole.circuit.ids
    assert found.figures.without.keys() == {str(node) for node in ids}
    for row, node in enumerate(ids):
        share = by_hand(whole, nodes.take(np.array([row])))
        assert found.figures.without[str(node)] == pytest.approx(1 - share, abs=1e-9)


def test_the_count_is_that_of_small_losses(whole):
    found = spare_nodes(whole, None, quiet)
    nodes = whole.circuit.nodes
    shares = np.array([by_hand(whole, nodes.take(np.array([row]))) for row in range(len(nodes))])
    assert found.figures.droppable == (np.abs(shares) <= 0.01 + 1e-12).sum()
    assert found.figures.allowed == pytest.approx(0.01)
    losses = np.abs(1 - np.array(list(found.figures.without.values())))
    assert (np.diff(losses) <= 1e-12).all(), "the most needed first"


def test_a_node_without_an_effect_can_be_dropped():
    """A node at the first position does nothing here: only the last position's stream reaches the logits."""
    whole = case()
    nodes = whole.circuit.nodes
    shares = nodes.effect / nodes.effect.sum()
    strong = nodes.take(np.flatnonzero((shares > 0.1) & (shares < 0.5))[:2])
    assert len(strong) == 2
    columns = {name: np.append(column, column[:1]) for name, column in vars(strong).items()}
    columns["position"][-1], columns["feature"][-1] = 0, 3
    subject = replace(whole, circuit=replace(whole.circuit, nodes=Nodes(**columns)))
    found = spare_nodes(subject, None, quiet)
    name = str(subject.circuit.ids[-1])
    assert found.figures.without[name] == pytest.approx(found.figures.faithfulness, abs=1e-12)
    assert (found.figures.nodes, found.figures.droppable, found.figures.together) == (3, 1, 1)
    assert list(found.figures.without)[-1] == name, "the least needed comes last"


def test_what_goes_together_is_within_the_loss_that_is_allowed(whole):
    found = spare_nodes(whole, None, quiet)
    assert 0 < found.figures.together <= found.figures.droppable
    assert abs(1 - found.figures.faithfulness_without_them) <= 0.01 + 1e-9
    assert found.verdict == (
        "holds" if found.figures.together <= 0.1 * found.figures.nodes else "does not hold"
    )


def test_a_circuit_of_needed_nodes_is_minimal(whole):
    """The strongest promoting nodes that stay below 1: each of them brings it closer."""
    nodes = whole.circuit.nodes
    strong = nodes.strongest()
    strong = strong[nodes.effect[strong] > 0]
    shares = np.cumsum(nodes.effect[strong]) / nodes.effect.sum()
    rows = strong[: max(1, int((shares < 1).sum()))]
    found = spare_nodes(keeping(whole, np.sort(rows)), None, quiet)
    assert (found.figures.droppable, found.figures.together, found.verdict) == (0, 0, "holds")
    assert found.figures.faithfulness_without_them == found.figures.faithfulness


def test_some_of_the_examples_are_whole_batches():
    whole = keeping(case(), [0, 1])
    assert spare_nodes(whole, 2, quiet).figures.examples == 6
    assert spare_nodes(whole, 7, quiet).figures.examples == 12
    assert spare_nodes(whole, 500, quiet).figures.examples == 12


def test_a_circuit_that_does_nothing_has_nothing_to_lose(whole):
    nodes = whole.circuit.nodes
    against = keeping(whole, np.flatnonzero(nodes.effect < 0))
    assert spare_nodes(against, None, quiet).verdict == "cannot be said"
    assert "nothing" not in spare_nodes(whole, None, quiet).why


def test_errors_that_are_kept_anyway_are_not_asked_about(whole):
    kept = replace(whole, scale=replace(whole.scale, runs=replace(whole.scale.runs, errors="keep")))
    found = spare_nodes(kept, None, quiet)
    assert found.figures.nodes == int((whole.circuit.nodes.feature != ERROR).sum())
    assert not any("error" in node for node in found.figures.without)


@pytest.mark.parametrize("limit", range(10))
def test_the_bisection_finds_the_end(limit):
    assert _most_together(9, lambda n: n <= limit) == limit
