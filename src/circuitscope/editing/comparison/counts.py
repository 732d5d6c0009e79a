"""How much work a comparison is, at most, before any of it."""

from __future__ import annotations

from dataclasses import dataclass

from circuitscope.editing.comparison.choosers import CHOOSERS
from circuitscope.editing.comparison.rows import CURVE


@dataclass(frozen=True)
class ComparisonCount:
    """Passes of each set of texts through the model, and circuits to be discovered."""

    test_balanced: int
    train_ambiguous: int
    train_balanced: int
    circuits: int


def comparison_count(*, seeds: int, draws: int, cue_words: bool) -> ComparisonCount:
    """The work of all rows and curves of some seeds; the texts as they are are read once for all seeds.

    Args:
        cue_words: whether there is an automatic judge, for which features are chosen in other ways too.
    """
    choosers = (1 + len(CHOOSERS)) * cue_words
    balanced = draws + 2 + 2 + choosers * (2 + len(CURVE) + 1) + 2 * cue_words
    ambiguous = 1 + choosers + 2 * cue_words + cue_words
    return ComparisonCount(
        test_balanced=1 + seeds * balanced,
        train_ambiguous=1 + seeds * ambiguous,
        train_balanced=2 * seeds,
        circuits=seeds * (3 + cue_words),
    )
