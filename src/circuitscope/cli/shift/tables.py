"""Tables of SHIFT for the terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.table import Table

from circuitscope.results import ShiftScores

_NARROWEST = 6
"""Characters of a number, and of most intervals; a heading's longest word may need more."""
_MEANING = {
    "balanced": "Label and attribute come apart. Intended: how often the prediction is the label. Unintended: how "
    "often it is the attribute (50 means that it knows nothing of it).",
    "ambiguous": "Label and attribute always agree, so intended and unintended are the same.",
}


def scores_table(result: ShiftScores, texts: str) -> Table:
    """A row per version of the classifier, in per cent.

    Args:
        texts: ``balanced`` or ``ambiguous``.
    """
    rows, removed = result.of(texts), result.removed
    first = rows[0].scores
    table = Table(
        box=SIMPLE_HEAD,
        padding=0,  # eight columns in 80 characters
        pad_edge=False,
        title=f"{escape(result.task)}, {first.n} {texts} texts"
        + ("" if removed is None else f", {removed} features removed"),
        caption=f"Per cent, with 95 % intervals. {_MEANING[texts]}",
    )
    table.add_column("classifier", no_wrap=True)
    there = [number for number, size in enumerate(first.sizes) if size]
    headings = ["intended", "unintended", "worst group", *(result.groups[number] for number in there)]
    for heading in headings:
        table.add_column(heading, justify="right", width=max(_NARROWEST, *map(len, heading.split())))
    for row in rows:
        found = row.scores
        table.add_row(
            row.classifier,
            with_interval(found.intended, found.intended_interval),
            with_interval(found.unintended, found.unintended_interval),
            with_interval(found.worst_group, found.worst_group_interval),
            *("–" if (share := found.groups[number]) is None else per_cent(share) for number in there),
        )
    return table


def per_cent(share: float) -> str:
    return f"{100 * share:.1f}"


def with_interval(share: float, interval: Sequence[float]) -> str:
    """``61.9``, and below it ``60…64``: two lines, so that all columns fit into 80."""
    low, high = interval
    return f"{per_cent(share)}\n[dim]{100 * low:.0f}…{100 * high:.0f}[/]"
