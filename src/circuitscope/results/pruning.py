"""PruneResult: how few nodes keep a faithfulness, by several ways to choose them."""

from __future__ import annotations

from dataclasses import dataclass

from circuitscope.results.scores import Score, free_layers_text


@dataclass(frozen=True)
class PruneRow:
    """What one way of choosing found for one level of faithfulness; None where it found nothing."""

    method: str
    level: float
    """The faithfulness to keep."""
    nodes: int | None
    faithfulness: Score | None
    """On the examples that selected the nodes."""
    held_out: Score | None
    """On the other split."""
    same_size: Score | None
    """Of the same number of strongest nodes, on the other split."""
    seconds: float

    def __repr__(self) -> str:
        found = "nothing found" if self.nodes is None else f"{self.nodes} nodes, {self.held_out} held out"
        return f"PruneRow: {self.method} for {self.level:g}: {found}"


@dataclass(frozen=True)
class PruneResult:
    """The comparison of all ways to choose."""

    task: str
    model: str
    metric: str
    metric_shown_as: str
    split: str
    """Which selects nodes."""
    examples: int
    """How many of them."""
    held_out: str
    """The split that is only measured on."""
    errors: str
    coverage: float | None
    """Of the intervals; None where one of the splits has too few examples to say."""
    free_layers: int
    asked: float
    """The faithfulness to keep."""
    candidates: int
    """How many nodes there were to choose from."""
    levels: tuple[float, ...]
    chosen: str
    """The way that found the smallest circuit."""
    rows: tuple[PruneRow, ...]
    """Of a search that ended early, those that it came to."""
    ended: str = ""
    """Why the search ended before its end: ``time`` or ``interrupted``; empty if it did not."""

    def row(self, method: str, level: float | None = None) -> PruneRow:
        """One way of choosing, for the faithfulness asked for or another of ``levels``."""
        wanted = self.asked if level is None else level
        return next(row for row in self.rows if (row.method, row.level) == (method, wanted))

    def __repr__(self) -> str:
        found = self.row(self.chosen)
        return (
            f"PruneResult: {found.nodes} of {self.candidates:,} nodes ({self.chosen}) keep {self.asked:g} on "
            f"{self.examples} {self.split} examples, {found.held_out} on held-out {self.held_out}; "
            f"{free_layers_text(self.free_layers)}"
        )


__all__ = ["PruneResult", "PruneRow"]
