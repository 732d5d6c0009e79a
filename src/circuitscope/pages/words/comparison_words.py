"""What a comparison of classifiers means, and what to look at where SHIFT gained little."""

from __future__ import annotations

from collections.abc import Sequence

from circuitscope.pages.words.numbers import share, signed
from circuitscope.results import JudgedFeature, ShiftComparison, Summary

GAIN = 0.05
"""A worst group that is better by less has gained nothing to speak of."""
CHANCE = 0.5
_MOST = 5
_ORIGINAL, _SHIFT, _SKYLINE = "original", ("SHIFT", "SHIFT + retrain"), "feature skyline"


def classes_of(task: str) -> tuple[str, str]:
    """The two classes in the name of a task of labelled texts, ``bios: professor or nurse``."""
    first, _, second = task.rpartition(": ")[2].partition(" or ")
    return first, second


def attributes_of(result: ShiftComparison) -> tuple[str, str]:
    """The two values of the attribute: a group is named by its attribute and its class."""
    own = f" {classes_of(result.task)[0]}"
    return result.groups[0].removesuffix(own), result.groups[1].removesuffix(own)


def named_sentence(result: ShiftComparison) -> str:
    """Which words label and attribute stand for."""
    label, attribute = classes_of(result.task), attributes_of(result)
    return (
        f"The label, a text's true class, is {' or '.join(label)}; the attribute is {' or '.join(attribute)}."
    )


def what_next(result: ShiftComparison, left: Sequence[JudgedFeature]) -> list[str]:
    """What to look at next if the verdicts gained little or a group is still mostly wrong; else nothing.

    Args:
        left: the circuit's features that stayed in the model, strongest first.
    """
    rows = {row.name: row.summary for row in reversed(result.rows)}  # of equal names, the first section's
    tried = [rows[name] for name in _SHIFT if name in rows]
    if _ORIGINAL not in rows or not tried:
        return []
    before, after = rows[_ORIGINAL], max(tried, key=lambda found: found.worst_group.mean)
    worst, first = after.worst_group.mean, before.worst_group.mean
    if worst - first >= GAIN and worst >= CHANCE:
        return []
    so = "the verdicts gained nothing there" if worst - first < GAIN else "better, but still mostly wrong"
    lines = [f"SHIFT's worst group is right in {share(worst)} of its texts, {share(first)} before: {so}"]
    lines.append(f"groups to look at: {_groups(result, after)}")
    lines += [_features(left)] if left else ["none of the circuit's features was left in the model"]
    if _SKYLINE in rows and rows[_SKYLINE].worst_group.mean - first < GAIN:
        reached = share(rows[_SKYLINE].worst_group.mean)
        lines.append(
            f"even the {_SKYLINE}, which may look at the attribute, has only {reached} in its worst group: perhaps "
            "no verdicts on these dictionaries can do it"
        )
    return lines


def _groups(result: ShiftComparison, found: Summary) -> str:
    """The groups that are mostly wrong, or else the worst one, with how often they are right."""
    order = sorted(zip(found.groups, result.groups, strict=True))
    shown = [(value, name) for value, name in order if value < CHANCE] or order[:1]
    return ", ".join(f"{name} ({share(value)} right)" for value, name in shown)


def _features(left: Sequence[JudgedFeature]) -> str:
    strongest = sorted(left, key=lambda item: -abs(item.effect))[:_MOST]
    named = ", ".join(
        f"{item.name} ({signed(item.effect, 3)}, {item.verdict or 'no verdict'})" for item in strongest
    )
    return f"the strongest of {len(left)} features left in the model: {named}"
