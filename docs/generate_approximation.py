"""Write the tables of docs/approximation.md from benchmarks/results/approximation.json.

    python docs/generate_approximation.py

The words around the tables are written by hand: look at them again whenever the figures were measured anew.
tests/test_docs.py fails when a table and the figures differ.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # the benchmarks are no part of the package

from benchmarks.approximation.tables import edge_table, node_table  # noqa: E402
from benchmarks.results import markdown_table  # noqa: E402

PAGE = Path(__file__).with_name("approximation.md")
FIGURES = ROOT / "benchmarks" / "results" / "approximation.json"

MARKED = re.compile(r"(<!-- (nodes|edges) of (\S+) -->\n)(?:\|.*\n)*")
"""A table with the comment above it that says what it holds."""

LEFT_OUT_RULES = {f"ig gauss-{points}" for points in (5, 7, 8, 9, 10, 11)}
"""Rules whose figures lie between their neighbours'; RESULTS.md has them."""
NODE_COLUMNS = {
    0: "method",
    1: "seconds",
    2: "quadrature error: median",
    3: "90 %",
    4: "method error: median",
    5: "90 %",
    6: "rank correlation",
    7: "recall of top 10 / 30 / 100",
    8: "the same of means",
}
LINEAR_PATHS = "relp, paths by linear rules"
"""Edges that circuitscope does not offer; RESULTS.md has them."""
EDGE_COLUMNS = {
    0: "gradients by",
    1: "edges at",
    3: "edge gap",
    4: "linearisation off",
    5: "off from exact",
    6: "into active",
    7: "into silent",
    8: "rank correlation",
    9: "recall of top 10 / 30 / 100",
}


def page() -> str:
    """The page as it is, its tables made anew."""
    figures = json.loads(FIGURES.read_text(encoding="utf-8"))

    def again(match: re.Match[str]) -> str:
        comment, what, model = match.groups()
        return comment + table(figures, what, model)

    return MARKED.sub(again, PAGE.read_text(encoding="utf-8"))


def table(figures: dict[str, Any], what: str, model: str) -> str:
    """A part of a table of RESULTS.md."""
    entries = [entry for entry in figures[what] if entry["model"] == model]
    whole, columns, left_out = (
        (node_table(model, entries), NODE_COLUMNS, LEFT_OUT_RULES)
        if what == "nodes"
        else (edge_table(model, entries), EDGE_COLUMNS, {LINEAR_PATHS})
    )
    rows = [[row[at] for at in columns] for row in whole.rows if row[0] not in left_out]
    return markdown_table(list(columns.values()), rows)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
