"""Sweep: faithfulness and completeness against the number of nodes kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from circuitscope.results.scores import free_layers_text


@dataclass(frozen=True)
class Areas:
    """A curve of faithfulness as two numbers: ``circuitscope.evaluation.cpr_cmd`` says which."""

    cpr: float | None
    cmd: float | None
    cpr_log: float | None
    cmd_log: float | None
    """The same over the logarithm of the share; None where faithfulness is undefined at one of the fractions."""
    nodes: tuple[int, ...]
    """How many nodes each of the sweep's fractions of the candidates is."""
    faithfulness: tuple[float | None, ...]
    """At each of them."""


@dataclass(frozen=True)
class Curve:
    """One way to rank nodes; the columns have one value per number of nodes, None where it is undefined."""

    name: str
    nodes: tuple[int, ...]
    """Numbers of nodes kept."""
    faithfulness: tuple[float | None, ...]
    faithfulness_low: tuple[float | None, ...]
    faithfulness_high: tuple[float | None, ...]
    """Ends of the bootstrap interval."""
    completeness: tuple[float | None, ...]
    needed: Mapping[str, float | None]
    """Level (``0.5``) → nodes at which faithfulness first reaches it, interpolated; None if it never does."""
    candidates: int
    """How many nodes that are not free have an effect."""
    areas: Areas

    def needed_for(self, level: float) -> float | None:
        """Nodes at which faithfulness first reaches a level of the sweep."""
        return self.needed.get(f"{level:g}")

    def __repr__(self) -> str:
        needed = ", ".join(f"{_count(nodes)} for {level}" for level, nodes in self.needed.items())
        return f"Curve: {self.name}, nodes needed {needed}; {self.candidates:,} candidates"


@dataclass(frozen=True)
class Sweep:
    """Curves over circuit sizes."""

    task: str
    model: str
    metric: str
    split: str
    examples: int
    free_layers: int
    errors: str
    levels: tuple[float, ...]
    """Of faithfulness, for which curves say how many nodes are needed."""
    fractions: tuple[float, ...]
    """Of a curve's candidates, at which its areas are measured."""
    curves: tuple[Curve, ...]

    def __repr__(self) -> str:
        head = (
            f"Sweep: {self.task} in {self.model}; {free_layers_text(self.free_layers)}; "
            f"{self.examples} {self.split} examples"
        )
        return "\n".join([head, *(f"  {curve!r}" for curve in self.curves)])


def _count(nodes: float | None) -> str:
    return "–" if nodes is None else f"{nodes:,.0f}"


__all__ = ["Areas", "Curve", "Sweep"]
