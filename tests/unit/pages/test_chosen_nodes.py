"""Errors that carry a drawn node's strongest edge are drawn with it, or all of them, or none."""

from __future__ import annotations

import numpy as np
import pytest
from drawn_circuits import circuit_of, random_circuit
from made_reports import report

from circuitscope.config import ReportConfig
from circuitscope.errors import BadInput
from circuitscope.pages.page import html_of
from circuitscope.pages.pictures import plot_circuit
from circuitscope.pages.pictures.circuit_layout import layout
from circuitscope.pages.pictures.circuit_legend import caption
from circuitscope.results import Circuit

NODES = {
    "embed/1": 3.0, "resid_0/2": 2.0, "resid_0/5": 0.1, "resid_0/error": 0.2, "mlp_1/error": 0.05,
    "resid_1/error": 0.01, "resid_1/3": 4.0,
}  # fmt: skip
EDGES = {
    ("embed/1", "resid_0/error"): 0.9,  # the strongest way out of embed/1
    ("embed/1", "resid_0/2"): 0.8,
    ("embed/1", "resid_1/error"): 0.1,  # an edge into an error, but not the strongest
    ("resid_0/error", "resid_1/3"): 0.2,
    ("resid_0/2", "resid_1/3"): 0.5,
    ("mlp_1/error", "resid_1/3"): -0.6,  # the strongest way into resid_1/3
    ("resid_0/5", "resid_1/error"): 0.7,  # of a node that is not drawn
    ("resid_1/3", "output"): 4.0,
}


def drawn(errors: str, **limits: int) -> tuple[set[str], set[tuple[str, str]]]:
    """The nodes and the edges of a picture of the three strongest nodes."""
    placed = layout(circuit_of(NODES, EDGES), errors=errors, **({"max_nodes": 3} | limits))
    return set(map(str, placed.circuit.ids)), edges_of(placed.circuit, placed.edges)


def edges_of(circuit: Circuit, rows: np.ndarray) -> set[tuple[str, str]]:
    names = [*map(str, circuit.ids), "output"]
    return {(names[circuit.edges.source[row]], names[circuit.edges.target[row]]) for row in rows}


FEATURES = {"embed/1", "resid_0/2", "resid_1/3"}


def test_the_ends_of_strongest_edges_are_drawn():
    nodes, edges = drawn("strong")
    assert nodes == FEATURES | {"resid_0/error", "mlp_1/error"}
    assert {("embed/1", "resid_0/error"), ("mlp_1/error", "resid_1/3")} <= edges
    assert ("embed/1", "resid_1/error") not in edges


def test_always_and_never():
    assert drawn("always")[0] == FEATURES | {"resid_0/error", "mlp_1/error", "resid_1/error"}
    assert drawn("never")[0] == FEATURES
    assert drawn("never", max_nodes=7)[0] == FEATURES | {"resid_0/5"}


def test_an_error_is_not_drawn_without_the_edge_that_it_is_drawn_for():
    nodes, edges = drawn("strong", max_edges=1)
    assert nodes == FEATURES | {"resid_0/error"}
    assert edges == {("embed/1", "resid_0/error")}
    assert drawn("strong", max_edges=0)[0] == FEATURES


@pytest.mark.parametrize("keep", [True, False])
def test_no_drawn_node_has_a_strongest_edge_to_an_error_that_is_not_drawn(keep):
    circuit = random_circuit(300, keep=keep, edges=1500)
    names = [*map(str, circuit.ids), "output"]
    placed = layout(circuit, max_nodes=40)
    assert placed.added_errors > 0
    shown, edges = set(map(str, placed.circuit.ids)), edges_of(placed.circuit, placed.edges)
    strongest = {names[row] for row in circuit.nodes.strongest()[:40]}
    for ends in ((circuit.edges.source, circuit.edges.target), (circuit.edges.target, circuit.edges.source)):
        seen: set[int] = set()
        for row in np.argsort(-np.abs(circuit.edges.effect)):
            here, there = int(ends[0][row]), int(ends[1][row])
            if here in seen or names[here] not in strongest:
                continue
            seen.add(here)
            if names[there].split("@")[0].endswith("/error"):
                assert names[there] in shown
                if names[there] not in strongest:
                    pair = names[int(circuit.edges.source[row])], names[int(circuit.edges.target[row])]
                    assert pair in edges


def test_the_picture_says_which_errors_it_has():
    circuit = circuit_of(NODES, EDGES)
    said = {
        errors: caption(layout(circuit, max_nodes=3, errors=errors))
        for errors in ("always", "strong", "never")
    }
    assert "5 of 7 nodes" in said["strong"]
    assert "and 2 errors that carry a drawn node's strongest edge" in said["strong"]
    assert "and all 3 other errors" in said["always"]
    assert said["never"].split("; ")[1] == "errors are left out"
    assert "error" not in caption(layout(circuit))


def test_report_and_plot_take_the_word():
    circuit = circuit_of(NODES, EDGES)
    ids = {
        errors: {box.node for box in report(circuit, features=(), errors_in_picture=errors).drawing.boxes}
        for errors in ("strong", "never")
    }
    assert ids["strong"] - ids["never"] == {"resid_0/error", "mlp_1/error", "resid_1/error"}
    page = html_of(report(circuit, features=()))
    assert "an edge into it carries what the dictionary there has no feature for" in page
    assert "Edge into an error" in page
    for wrong in (
        lambda: plot_circuit(circuit, errors_in_picture="some"),
        lambda: ReportConfig(errors_in_picture="some"),
    ):
        with pytest.raises(BadInput, match="errors_in_picture='some'"):
            wrong()
