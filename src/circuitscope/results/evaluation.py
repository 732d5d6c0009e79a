"""Evaluation: how faithful and how complete a circuit is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from circuitscope.results.plain import OPTIONAL
from circuitscope.results.scores import Score, free_layers_text
from circuitscope.results.strict import StrictTests


@dataclass(frozen=True)
class MetricMeans:
    """Means of the higher-is-better metric over the examples."""

    model: float
    """The whole model."""
    empty: float
    """Everything ablated."""
    circuit: float
    """Everything but the circuit ablated."""
    complement: float
    """The circuit ablated."""


@dataclass(frozen=True)
class CircuitScores:
    """Scores with one number of free layers."""

    free_layers: int
    """How many layers are never ablated; embed is free with the first."""
    nodes: int
    """How many of the circuit's nodes are in layers that are not free."""
    faithfulness: Score
    completeness: Score
    means: MetricMeans

    def __repr__(self) -> str:
        return (
            f"CircuitScores: faithfulness {self.faithfulness}, completeness {_short(self.completeness)}; "
            f"{free_layers_text(self.free_layers)}; {self.nodes:,} nodes counted"
        )


@dataclass(frozen=True)
class Evaluation:
    """Faithfulness and completeness of a circuit on some examples."""

    metric: str
    metric_shown_as: str
    """Its higher-is-better side, as tables name it."""
    split: str
    examples: int
    skipped: Mapping[str, int]
    """How many examples were left out, by reason."""
    baseline: str
    """What ablated nodes are set to."""
    errors: str
    """What happens to error nodes: ``circuit``, ``keep`` or ``remove``."""
    coverage: float | None
    """Of the intervals; None where they come from so few examples that they cover less than they claim."""
    free_layers: int
    """How many were asked for."""
    scores: tuple[CircuitScores, ...]
    """With the free layers asked for, then with none if that is not the same."""
    strict: StrictTests | None = field(default=None, metadata=OPTIONAL)
    """What a sceptic asks, if the strict tests were run."""

    def __repr__(self) -> str:
        first = self.scores[0]
        text = (
            f"Evaluation: faithfulness {first.faithfulness}, completeness {_short(first.completeness)}; "
            f"{free_layers_text(first.free_layers)}; {self.examples} {self.split} examples"
        )
        return text if self.strict is None else f"{text}\n{self.strict!r}"


def _short(score: Score) -> str:
    return "undefined" if score.value is None else f"{score.value:.2f}"


__all__ = ["CircuitScores", "Evaluation", "MetricMeans"]
