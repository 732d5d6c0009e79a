"""What a sceptic asks of a circuit, as values: five tests, each with its figures and a verdict.

A test that comes to a verdict is a ``StrictOutcome``; one that does not is a ``CannotBeSaid`` with the reason.
``circuitscope.evaluation.strict`` says how each is done.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Generic, Literal, TypeVar

from circuitscope.results.plain import FLAT, OPTIONAL
from circuitscope.results.scores import Score, Spread, free_layers_text

HOLDS: Literal["holds"] = "holds"
FAILS: Literal["does not hold"] = "does not hold"
UNKNOWN: Literal["cannot be said"] = "cannot be said"
"""What a test can come to."""

Figures = TypeVar("Figures")


@dataclass(frozen=True)
class StrictOutcome(Generic[Figures]):
    """A test that came to a verdict."""

    verdict: Literal["holds", "does not hold"]
    why: str = field(default="", kw_only=True)
    """Empty: a verdict needs no excuse."""
    figures: Figures = field(metadata=FLAT)
    """What was measured."""

    def __repr__(self) -> str:
        return f"{self.verdict}: {self.figures!r}"


@dataclass(frozen=True)
class CannotBeSaid(Generic[Figures]):
    """A test that came to no verdict."""

    verdict: Literal["cannot be said"] = field(default=UNKNOWN, kw_only=True)
    why: str
    figures: Figures | None = field(default=None, metadata=FLAT)
    """What was measured all the same; None where nothing could be."""

    def __repr__(self) -> str:
        return f"{self.verdict}: {self.why}"


@dataclass(frozen=True)
class RandomCircuits:
    """Is the circuit more faithful than nodes picked at random in the same places?"""

    circuits: int
    """How many random circuits there were."""
    as_faithful: int
    """How many of them are no further from 1 than the circuit."""
    p: float
    """(1 + as_faithful) / (circuits + 1)."""
    faithfulness: float
    """The circuit's own."""
    random: Spread
    """Faithfulness of the random circuits."""
    by_position: bool
    """Whether a place is a site and a position, or a site alone."""
    nodes: int
    """How many of the circuit's nodes an ablated run can leave out."""
    drawn_from: int
    """How many nodes have an effect in its places."""
    shared: float
    """The share of a random circuit's nodes that are the circuit's own, on average."""

    def __repr__(self) -> str:
        return f"{self.as_faithful} of {self.circuits} random circuits as faithful, p = {self.p:.2g}"


@dataclass(frozen=True)
class Stability:
    """Would other examples have given the same circuit?"""

    halvings: int
    """How many times the examples were divided."""
    examples: int
    threshold: float | None
    """|effect| above which a half keeps nodes; None if it keeps as many as the circuit has."""
    nodes: int
    """Of the circuit."""
    nodes_of_a_half: float
    """On average."""
    candidates: int
    """How many nodes have an effect."""
    jaccard: Spread
    """|both| / |either| of what two halves keep."""
    jaccard_not_free: Spread
    """The same among nodes of layers that are not free."""
    shared: float
    """The share of its nodes that a half has in common with the other, on average."""
    by_chance: float
    """The Jaccard index of two halves that pick their nodes at random."""
    again: float
    """The Jaccard index of the circuit and of what all its examples keep now."""

    def __repr__(self) -> str:
        return f"Jaccard {self.jaccard.mean:.2f} of {self.halvings} pairs of halves"


@dataclass(frozen=True)
class SplitScore:
    """Faithfulness on one split."""

    split: str
    examples: int
    score: Score = field(metadata=FLAT)

    def __repr__(self) -> str:
        return f"{self.score} on {self.examples} {self.split} examples"


@dataclass(frozen=True)
class Transfer:
    """Does the circuit do on new words what it does on the words that it was discovered on?"""

    discovery: SplitScore
    held_out: SplitScore
    difference: Score
    """Held out minus discovery."""
    pairs: bool
    """Whether examples are pairs of texts."""
    known: int
    """How many held-out examples are about words that the discovery's examples have."""

    def __repr__(self) -> str:
        return f"{self.discovery!r}, {self.held_out!r}, difference {self.difference}"


@dataclass(frozen=True)
class SpareNodes:
    """Are there nodes to spare?"""

    nodes: int
    """How many can be ablated."""
    examples: int
    faithfulness: float
    """Of the whole circuit."""
    allowed: float
    """The loss at which a node can still be dropped."""
    droppable: int
    """How many can be dropped, each by itself."""
    together: int
    """How many of these can be dropped together, the least needed first."""
    faithfulness_without_them: float
    faithfulness_without_all: float
    """Without all that can be dropped by themselves."""
    without: Mapping[str, float]
    """Node → faithfulness without it, the most needed first."""

    def __repr__(self) -> str:
        return f"{self.together} of {self.nodes} nodes to spare"


@dataclass(frozen=True)
class EdgesExplain:
    """Do the circuit's edges explain its nodes?"""

    explained: float
    """The share of the nodes' effects that arrives over the circuit's edges; below 0 if they miss by more."""
    nodes: int
    """How many nodes come after the first site."""
    edges: int
    """How many edges go into them."""
    edges_at: str
    """Which edges they are; only ``secant`` ones claim to add up."""

    def __repr__(self) -> str:
        return f"{self.edges} edges explain {self.explained:.0%} of the effects of {self.nodes} nodes"


@dataclass(frozen=True)
class StrictTests:
    """The five tests, with the same free layers."""

    free_layers: int
    random: StrictOutcome[RandomCircuits] | CannotBeSaid[RandomCircuits]
    stability: StrictOutcome[Stability] | CannotBeSaid[Stability]
    transfer: StrictOutcome[Transfer] | CannotBeSaid[Transfer]
    spare: StrictOutcome[SpareNodes] | CannotBeSaid[SpareNodes]
    edges: StrictOutcome[EdgesExplain] | CannotBeSaid[EdgesExplain] | None = field(
        default=None, metadata=OPTIONAL
    )
    """None in results from before edges were tested."""

    def __repr__(self) -> str:
        tests = {
            "random": self.random,
            "stability": self.stability,
            "transfer": self.transfer,
            "spare": self.spare,
            "edges": self.edges,
        }
        lines = [f"StrictTests with {free_layers_text(self.free_layers)}"]
        return "\n".join([*lines, *(f"  {name} {test!r}" for name, test in tests.items() if test)])


__all__ = [
    "FAILS",
    "HOLDS",
    "UNKNOWN",
    "CannotBeSaid",
    "EdgesExplain",
    "RandomCircuits",
    "SpareNodes",
    "SplitScore",
    "Stability",
    "StrictOutcome",
    "StrictTests",
    "Transfer",
]
