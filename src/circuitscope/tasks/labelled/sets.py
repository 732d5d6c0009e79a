"""Ambiguous and balanced sets, drawn as published (Marks et al. 2024, appendix D).

1. Sort the texts into groups by label and attribute, in the order in which they come.
2. Ambiguous: the groups (0, 0) and (1, 1). Balanced: all four. Each gives its first n texts, where n is the size of
   the smallest.
3. Shuffle the groups, joined in order, with a generator of their own that begins at the seed.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence

from circuitscope.errors import NothingFound
from circuitscope.tasks.labelled.labelled_text import GROUPS, LabelledSets, LabelledText

AGREEING = ((0, 0), (1, 1))
"""The groups of an ambiguous set."""


def make_sets(
    name: str,
    train: Iterable[LabelledText],
    test: Iterable[LabelledText],
    *,
    classes: tuple[str, str],
    attributes: tuple[str, str],
    seed: int = 42,
    limit: int | None = None,
) -> LabelledSets:
    """The four sets of two splits.

    Args:
        limit: the most texts in a set; None takes all there are.

    Raises:
        NothingFound: a group has no text; names it.
    """
    splits = {"train": list(train), "test": list(test)}
    names = {"classes": classes, "attributes": attributes}
    made = {
        f"{split}_{kind}": _drawn(texts, groups, seed, limit)
        for split, texts in splits.items()
        for kind, groups in (("ambiguous", AGREEING), ("balanced", GROUPS))
    }
    sets = LabelledSets(name, classes, attributes, **made)
    for split, texts in splits.items():
        _refuse_empty_groups(sets, split, texts, **names)
    return sets


def _drawn(
    texts: Sequence[LabelledText], groups: Sequence[tuple[int, int]], seed: int, limit: int | None
) -> tuple[LabelledText, ...]:
    by_group = [[text for text in texts if (text.label, text.attribute) == group] for group in groups]
    count = min(map(len, by_group))
    if limit is not None:
        count = min(count, limit // len(groups))
    joined = [text for group in by_group for text in group[:count]]
    order = list(range(len(joined)))
    random.Random(seed).shuffle(order)
    return tuple(joined[place] for place in order)


def _refuse_empty_groups(
    sets: LabelledSets,
    split: str,
    texts: Sequence[LabelledText],
    classes: tuple[str, str],
    attributes: tuple[str, str],
) -> None:
    counts = [sum(text.group == number for text in texts) for number in range(len(GROUPS))]
    if min(counts) == 0:
        found = ", ".join(f"{name}: {count}" for name, count in zip(sets.groups, counts, strict=True))
        raise NothingFound(
            f"the {split} split of {sets.name} lacks a group ({found})",
            expected=f"texts of {' and '.join(classes)}, each both {' and '.join(attributes)}",
            mend="choose other classes, or add texts: balanced sets need all four groups",
        )
