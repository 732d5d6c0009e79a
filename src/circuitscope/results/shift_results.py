"""What SHIFT measures, as values: scores of a classifier, comparisons over seeds, SCR and TPP of dictionaries.

Shares are from 0 to 1.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from circuitscope.results.plain import FLAT
from circuitscope.results.scores import Spread

Interval = tuple[float, float]


@dataclass(frozen=True)
class ClassifierScores:
    """Shares of texts, with intervals that cover 95 % (bootstrap over texts, group by group)."""

    intended: float
    """How often the prediction is the label."""
    unintended: float
    """How often it is the attribute."""
    worst_group: float
    """The smallest of ``groups``."""
    groups: tuple[float | None, ...]
    """The share that is right in each of ``tasks.labelled.GROUPS``; None for a group without texts."""
    n: int
    """Texts in all."""
    sizes: tuple[int, ...]
    """Texts of each group."""
    intended_interval: Interval
    unintended_interval: Interval
    worst_group_interval: Interval
    group_intervals: tuple[Interval | None, ...]

    def __repr__(self) -> str:
        return (
            f"ClassifierScores: intended {_share(self.intended, self.intended_interval)}, "
            f"unintended {_share(self.unintended, self.unintended_interval)}, "
            f"worst group {_share(self.worst_group, self.worst_group_interval)}; {self.n:,} texts"
        )


@dataclass(frozen=True)
class ScoresRow:
    """One version of the classifier on one set of texts."""

    classifier: str
    """``original``, ``SHIFT`` or ``SHIFT + retrain``."""
    texts: str
    """``balanced`` or ``ambiguous``."""
    scores: ClassifierScores = field(metadata=FLAT)

    def __repr__(self) -> str:
        return f"{self.classifier}, {self.texts} texts: {self.scores!r}"


@dataclass(frozen=True)
class ShiftScores:
    """Every version of a run's classifier on every set of texts."""

    task: str
    groups: tuple[str, ...]
    """Names of the groups (label, attribute)."""
    removed: int | None
    """How many features were removed; None if none were yet."""
    rows: tuple[ScoresRow, ...]

    def of(self, texts: str) -> tuple[ScoresRow, ...]:
        """The rows on one set of texts."""
        return tuple(row for row in self.rows if row.texts == texts)

    def __repr__(self) -> str:
        removed = "" if self.removed is None else f", {self.removed} features removed"
        return "\n".join([f"ShiftScores: {self.task}{removed}", *(f"  {row!r}" for row in self.rows)])


@dataclass(frozen=True)
class SeedScores:
    """One classifier of a comparison, from one seed; averaged over draws where features are drawn at random."""

    intended: float
    unintended: float
    worst_group: float
    groups: tuple[float, ...]
    intended_interval: Interval
    unintended_interval: Interval
    worst_group_interval: Interval
    """Bootstrap intervals over texts; for several draws, the lowest and the highest."""
    removed: int
    """How many features or neurons were taken out."""


@dataclass(frozen=True)
class Summary:
    """A row's figures: mean, lowest and highest over seeds, or with one seed, its interval over texts."""

    intended: Spread
    unintended: Spread
    worst_group: Spread
    groups: tuple[float, ...]
    """Means over seeds."""
    removed: float
    """Mean over seeds."""


@dataclass(frozen=True)
class ComparisonRow:
    """One way to make a classifier, over all seeds."""

    section: str
    name: str
    summary: Summary
    scores: tuple[SeedScores, ...]
    """One per seed."""

    def __repr__(self) -> str:
        return f"{self.section}, {self.name}: worst group {self.summary.worst_group.mean:.3f}"


@dataclass(frozen=True)
class CurvePoint:
    """One seed with this many features taken out."""

    scores: SeedScores = field(metadata=FLAT)
    seed: int


@dataclass(frozen=True)
class MeanPoint:
    """The mean over seeds."""

    intended: float
    unintended: float
    worst_group: float
    removed: float


@dataclass(frozen=True)
class RemovalCurve:
    """How a classifier changes as features are taken out, by one way to choose them."""

    chooser: str
    points: tuple[CurvePoint, ...]
    mean: Mapping[str, MeanPoint]
    """By the number taken out; ``all`` is what the judge removes."""

    def __repr__(self) -> str:
        return f"RemovalCurve: by {self.chooser}, {len(self.points)} points"


@dataclass(frozen=True)
class TriedTraining:
    """A probe trained on a part of the ambiguous texts, as the part held out has it."""

    site: str
    batch: int
    loss: float
    """Mean cross-entropy in nats."""
    accuracy: float
    texts: int
    """How many were held out."""


@dataclass(frozen=True)
class ProbeTraining:
    """What a run's probe reads, and how that was settled."""

    site: str
    batch: int
    tried: tuple[TriedTraining, ...] = ()
    """What was tried on ambiguous texts held out, lowest loss first; empty if site and batch size were given."""


@dataclass(frozen=True)
class ShiftComparison:
    """SHIFT beside baselines, skylines and simpler ways to choose features."""

    task: str
    seeds: tuple[int, ...]
    groups: tuple[str, ...]
    """Names of the groups (label, attribute)."""
    sizes: Mapping[str, int]
    """Texts in each of the sets."""
    unjudged: float
    """Features of a seed's circuit that nobody judged, mean over seeds."""
    rows: tuple[ComparisonRow, ...]
    curves: tuple[RemovalCurve, ...]
    training: ProbeTraining | None = None
    """None in comparisons from before it was recorded."""

    def row(self, name: str, section: str | None = None) -> ComparisonRow:
        """The row with a name, in the first section that has it unless one is named."""
        return next(row for row in self.rows if row.name == name and section in (None, row.section))

    def __repr__(self) -> str:
        seeds = f"{len(self.seeds)} seed{'s' * (len(self.seeds) != 1)}"
        return "\n".join([f"ShiftComparison: {self.task}, {seeds}", *(f"  {row!r}" for row in self.rows)])


@dataclass(frozen=True)
class ScrTpp:
    """SCR and TPP of one dictionary; ``circuitscope.editing.scr_tpp`` says what they are."""

    counts: tuple[int, ...]
    """N, how many features are taken out; only numbers that the dictionary has features for."""
    scr: tuple[float | None, ...]
    """Per N, in the direction whose biased accuracy is lower; None where it is undefined."""
    tpp: tuple[float, ...]
    """Per N."""
    spurious: str
    """The concept taken out in that direction, ``label`` or ``attribute``."""
    biased: Mapping[str, float]
    """The biased classifier's accuracy on each concept."""
    oracle: Mapping[str, float]
    """The accuracy of each concept's own probe."""

    def __repr__(self) -> str:
        def listed(values: tuple[float | None, ...]) -> str:
            return "/".join("–" if value is None else f"{value:.2f}" for value in values)

        counts = "/".join(map(str, self.counts))
        return f"ScrTpp: SCR {listed(self.scr)}, TPP {listed(self.tpp)} for {counts} features"


@dataclass(frozen=True)
class DictionaryRow:
    """Both scores of the dictionary of one site."""

    site: str
    scores: ScrTpp = field(metadata=FLAT)

    def __repr__(self) -> str:
        return f"{self.site}: {self.scores!r}"


@dataclass(frozen=True)
class DictionaryScores:
    """SCR and TPP of the dictionaries of several sites."""

    data: str
    concepts: Mapping[str, tuple[str, ...]]
    """``label`` and ``attribute`` → the names of their two values."""
    rows: tuple[DictionaryRow, ...]

    def __repr__(self) -> str:
        return "\n".join([f"DictionaryScores: {self.data}", *(f"  {row!r}" for row in self.rows)])


def _share(value: float, interval: Interval) -> str:
    return f"{value:.3f} ({interval[0]:.3f} … {interval[1]:.3f})"


__all__ = [
    "ClassifierScores",
    "ComparisonRow",
    "CurvePoint",
    "DictionaryRow",
    "DictionaryScores",
    "Interval",
    "MeanPoint",
    "RemovalCurve",
    "ScoresRow",
    "ScrTpp",
    "SeedScores",
    "ShiftComparison",
    "ShiftScores",
    "Summary",
]
