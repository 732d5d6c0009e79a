"""How much of the nodes' effects arrives over a circuit's edges, and the verdict."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from described_circuits import described

from circuitscope.evaluation.strict.edges_explain import edges_explain
from circuitscope.pages.words.strict_words import _edges
from circuitscope.results import FAILS, HOLDS, UNKNOWN, EdgeGap, Edges, Nodes
from circuitscope.terms import SUMMED, Site


def circuit(arrives, *, edges_at="secant", method="ig"):
    """A node at the embedding and one after it with an effect of 2, of which ``arrives`` comes over an edge."""
    nodes = Nodes(np.array([0, 1]), np.array([4, 5]), np.full(2, SUMMED), np.array([3.0, 2.0]), np.zeros(2))
    edges = Edges(np.array([0, 1]), np.array([1, -1]), np.array([arrives, 2.0]), np.zeros(2))
    info = {
        "positions": "sum",
        "edges_at": edges_at,
        "method": method,
        "thresholds": {"node": 0.1, "edge": 0.01},
    }
    return described((Site("embed", -1), Site("resid", 0)), nodes, edges, info)


@pytest.mark.parametrize(
    ("arrives", "share", "verdict"),
    [(1.9, 0.95, HOLDS), (3.0, 0.5, HOLDS), (0.8, 0.4, FAILS), (-1.0, -0.5, FAILS)],
)
def test_the_share_and_the_verdict(arrives, share, verdict):
    found = edges_explain(circuit(arrives))
    assert found.figures.explained == pytest.approx(share)
    assert (found.verdict, found.figures.nodes, found.figures.edges) == (verdict, 1, 1)


def test_nothing_can_be_said_of_one_site():
    whole = circuit(1.0)
    alone = replace(whole, nodes=whole.nodes.take(np.array([0])), edges=Edges.none())
    found = edges_explain(alone)
    assert found.verdict == UNKNOWN
    assert "nothing comes before" in found.why


def test_nothing_can_be_said_of_edges_that_do_not_claim_to_add_up():
    for other in (
        circuit(1.9, edges_at="clean"),
        circuit(1.9, method="exact"),
        circuit(1.9, method="atp-graddrop"),
    ):
        found = edges_explain(other)
        assert found.verdict == UNKNOWN
        assert found.figures.explained == pytest.approx(0.95)
    assert edges_explain(circuit(1.9, method="atp")).verdict == HOLDS


def test_what_comes_from_the_models_input_does_not_count():
    """Half of the node's effect comes from an embedding without a dictionary, nearly all of the rest over edges."""
    whole = circuit(0.9)
    gaps = {"resid_0": EdgeGap(0.0, 1.0, elsewhere=0.5)}
    found = edges_explain(replace(whole, findings=replace(whole.findings, edge_gaps=gaps)))
    assert found.figures.explained == pytest.approx(0.9)


def test_the_words_say_what_kind_of_edges_they_are():
    assert "explain 95 % of the effects of the 1 node after the first site" in _edges(
        edges_explain(circuit(1.9)).figures
    )
    derivative = _edges(edges_explain(circuit(1.9, edges_at="clean")).figures)
    assert "They are derivatives (clean)" in derivative
    assert "by more than there is of them" in _edges(edges_explain(circuit(-1.0)).figures)
