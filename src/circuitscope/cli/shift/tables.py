"""Tables of SHIFT for the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.table import Table

_NARROWEST = 6
"""Characters of a number, and of most intervals; a heading's longest word may need more."""
_MEANING = {
    "balanced": "Label and attribute come apart: intended is how often the label is told, unintended how often the "
    "prediction is the attribute (50 says that it knows nothing of it).",
    "ambiguous": "Label and attribute always agree, so intended and unintended are the same.",
}


def scores_table(result: Mapping[str, Any], texts: str) -> Table:
    """A row per version of the classifier, in per cent.

    Args:
        result: what ``run_shift_evaluate`` returns.
        texts: ``balanced`` or ``ambiguous``.
    """
    rows = [row for row in result["rows"] if row["texts"] == texts]
    removed = result["removed"]
    table = Table(
        box=SIMPLE_HEAD,
        padding=0,  # eight columns in 80 characters
        pad_edge=False,
        title=f"{escape(result['task'])}, {rows[0]['n']} {texts} texts"
        + ("" if removed is None else f", {removed} features removed"),
        caption=f"Per cent, with intervals that cover 95. {_MEANING[texts]}",
    )
    table.add_column("classifier", no_wrap=True)
    there = [number for number, size in enumerate(rows[0]["sizes"]) if size]
    headings = ["intended", "unintended", "worst group", *(result["groups"][number] for number in there)]
    for heading in headings:
        table.add_column(heading, justify="right", width=max(_NARROWEST, *map(len, heading.split())))
    for row in rows:
        main = (
            with_interval(row[name], row[f"{name}_interval"])
            for name in ("intended", "unintended", "worst_group")
        )
        table.add_row(row["classifier"], *main, *(per_cent(row["groups"][number]) for number in there))
    return table


def per_cent(share: float) -> str:
    return f"{100 * share:.1f}"


def with_interval(share: float, interval: Sequence[float]) -> str:
    """``61.9``, and below it ``60…64``: two lines, so that all columns fit into 80."""
    low, high = interval
    return f"{per_cent(share)}\n[dim]{100 * low:.0f}…{100 * high:.0f}[/]"
