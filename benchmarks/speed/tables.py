"""The speed benchmark's figures as Markdown."""

from __future__ import annotations

from typing import Any

from benchmarks.results import markdown_table


def tables(figures: dict[str, Any]) -> str:
    """All tables of one JSON file."""
    parts = [
        f"### Speed: {figures['preset']}, {figures['features']} features per dictionary\n",
        "Seconds of the naive implementation and of circuitscope, in turns in one process; peak memory above model "
        "and dictionaries; floating-point operations of circuitscope's matrix products, and their share of what "
        f"the machine does in one large matrix product ({figures['matrix_gflops']:.0f} GFLOP/s). The difference is "
        "the largest one, relative to the largest entry; the default rule takes other points, so its numbers "
        "differ on purpose.\n",
        markdown_table(row_cells(None), [row_cells(row) for row in figures["rows"]]),
    ]
    if figures["growth"]:
        base = ", ".join(f"{value} {name}" for name, value in figures["growth"][0]["base"].items())
        parts += [
            f"### Growth from {base}\n",
            "One quantity doubled three times, the others kept: seconds of processor time of both passes, peak "
            "memory, and the exponent fitted to each (1: in proportion).\n",
            markdown_table(growth_cells(None), [growth_cells(entry) for entry in figures["growth"]]),
        ]
    return "\n".join(parts)


def row_cells(row: dict[str, Any] | None) -> list[str]:
    """The cells of one row, or the headings."""
    if row is None:
        return [
            "work",
            "naive",
            "circuitscope",
            "ratio",
            "naive peak",
            "peak",
            "GFLOP",
            "share of the rate",
            "difference",
        ]
    return [
        row["work"] + (f" ({row['downstream_rows']} rows)" if row["downstream_rows"] else ""),
        _seconds(row["naive_s"]),
        _seconds(row["ours_s"]),
        "–"
        if row["ratio"] is None
        else f"{row['ratio']:.1f}×"
        if row["ratio"] < 100
        else f"{row['ratio']:.0f}×",
        _megabytes(row["naive_peak_mb"]),
        _megabytes(row["ours_peak_mb"]),
        f"{row['gflop']:.3g}",
        f"{100 * row['share_of_peak']:.0f} %",
        "–" if row["difference"] is None else f"{row['difference']:.0e}",
    ]


def growth_cells(entry: dict[str, Any] | None) -> list[str]:
    """The cells of one quantity, or the headings."""
    if entry is None:
        return ["quantity", "values", "node pass", "exponent", "edge pass", "exponent", "peak", "exponent"]
    cells = [entry["quantity"], " → ".join(map(str, entry["values"]))]
    for column, unit in (("node_pass_s", "s"), ("edge_pass_s", "s"), ("peak_mb", "MB")):
        digits = 2 if unit == "s" else 0
        shown = " → ".join("–" if one is None else f"{one:.{digits}f}" for one in entry[column])
        cells += [f"{shown} {unit}", _exponent(entry[f"{column}_exponent"])]
    return cells


def _seconds(value: float | None) -> str:
    return "–" if value is None else f"{value:.1f} s" if value >= 10 else f"{value:.3f} s"


def _megabytes(value: float | None) -> str:
    return "–" if value is None else f"{value:.0f} MB"


def _exponent(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"
