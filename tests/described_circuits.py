"""Circuits whose recipe and findings are given by a few flat values, as the JSON view has them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from circuitscope.results import Circuit, Edges, Nodes
from circuitscope.results.circuit_json import from_info
from circuitscope.terms import Site


def described(
    sites: tuple[Site, ...],
    nodes: Nodes,
    edges: Edges,
    info: Mapping[str, Any],
    *,
    candidates: Nodes | None = None,
) -> Circuit:
    """A circuit with what ``info`` says about it; what it does not say is as discovery would have it."""
    recipe, findings = from_info(info, nodes)
    return Circuit(sites, nodes, edges, recipe, findings, candidates=candidates)


def described_anew(circuit: Circuit, **changed: Any) -> Circuit:
    """The same circuit with some of these values changed."""
    found = described(
        circuit.sites,
        circuit.nodes,
        circuit.edges,
        {**circuit.info, **changed},
        candidates=circuit.candidates,
    )
    return replace(found, evaluation=circuit.evaluation)


PRUNED = {
    "faithfulness": 0.9, "method": "greedy", "split": "train", "examples": 8, "nodes": 3, "free_layers": 0
}  # fmt: skip
"""How a circuit was pruned, as the JSON view has it."""
