"""The Markdown of this room's figures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any

from benchmarks.results import markdown_table
from benchmarks.shift.published import ORDER, PUBLISHED

Figures = Mapping[str, Any]
NAMES = ("intended", "unintended", "worst_group")


def tables(figures: Figures) -> str:
    """All tables in Markdown, with headings of level 3."""
    parts = [_rows(figures), _by_seed(figures), _beside_published(figures), _curves(figures)]
    if "dictionaries" in figures:
        parts.append(_scr_tpp(figures["dictionaries"]))
    return "\n".join(parts)


def _rows(figures: Figures) -> str:
    seeds, groups = figures["seeds"], figures["groups"]
    cells = []
    for row in figures["rows"]:
        found = row["summary"]
        out = f"{found['removed']:.0f}" if found["removed"] else ""
        spans = [_span(found[name]) for name in NAMES]
        cells.append(
            [row["section"], row["name"], out, *spans, *(_per_cent(value) for value in found["groups"])]
        )
    header = ["", "classifier", "taken out", "intended", "unintended", "worst group", *groups]
    sizes = figures["sizes"]
    return (
        "### SHIFT on the bundled biographies\n\n"
        f"Per cent on {sizes['test_balanced']} balanced test texts whose wording no training text has; trained on "
        f"{sizes['train_ambiguous']} texts, the oracle on as many balanced ones. "
        f"{_of_seeds(len(seeds))} SHIFT takes out what the shipped sheet says; the rows below it take out what one "
        "automatic judge (word lists) says of features that were chosen in different ways, as many candidates each "
        "as the circuit has.\n\n" + markdown_table(header, cells)
    )


def _of_seeds(count: int) -> str:
    if count == 1:
        return "With intervals that cover 95 %."
    return f"Means over {count} seeds of the probes, with the lowest and the highest."


def _by_seed(figures: Figures) -> str:
    named = ("SHIFT", "SHIFT + retrain", "oracle")
    rows = {row["name"]: row["scores"] for row in figures["rows"] if row["name"] in named}
    cells = [
        [str(seed), name, *(_per_cent(scores[number][figure]) for figure in NAMES)]
        + [_per_cent(value) for value in scores[number]["groups"]]
        for number, seed in enumerate(figures["seeds"])
        for name, scores in rows.items()
    ]
    header = ["seed", "classifier", "intended", "unintended", "worst group", *figures["groups"]]
    return "### SHIFT by seed\n\nPer cent.\n\n" + markdown_table(header, cells)


def _beside_published(figures: Figures) -> str:
    ours = {row["name"]: row["summary"] for row in figures["rows"] if row["section"] == "as published"}
    header = ["classifier", "ours", *PUBLISHED]
    cells = [
        [
            name,
            " / ".join(_per_cent(ours[name][figure]["mean"]) for figure in NAMES),
            *(" / ".join(f"{value:.1f}" for value in PUBLISHED[model][name]) for model in PUBLISHED),
        ]
        for name in PUBLISHED["Pythia-70M"]
        if name in ours
    ]
    return (
        "### Beside the published figures\n\n"
        "Intended / unintended / worst group, per cent. The published ones are of other models and of other texts "
        f"(Bias in Bios), so orders can be compared, values cannot. The notebooks beside the "
        f"paper print other worst groups in three places: 76.0 for Pythia's feature skyline, 4.6 for Gemma's neuron "
        f"skyline, 92.8 for Gemma's oracle. {' '.join(_order(figures))}\n\n" + markdown_table(header, cells)
    )


def _order(figures: Figures) -> Iterator[str]:
    """Whether the worst group orders the rows as published for Pythia-70M, pair by pair, over the seeds."""
    scores = {row["name"]: row["scores"] for row in figures["rows"] if row["section"] == "as published"}
    yield f"The published order for Pythia-70M is {' < '.join(ORDER)}."
    for low, high in pairwise(name for name in ORDER if name in scores):
        pairs = list(zip(scores[low], scores[high], strict=True))
        held = sum(one["worst_group"] < other["worst_group"] for one, other in pairs)
        yield f"{low[0].upper()}{low[1:]} < {high}: in {held} of {len(pairs)} seeds."


def _curves(figures: Figures) -> str:
    counts = sorted({name for curve in figures["curves"] for name in curve["mean"]} - {"all"}, key=int)
    cells = []
    for curve in figures["curves"]:
        found = [_two(curve["mean"].get(count)) for count in counts]
        whole = curve["mean"]["all"]
        cells.append([curve["chooser"], *found, f"{_two(whole)} ({whole['removed']:.0f})"])
    return (
        "### Accuracy by how many features are taken out\n\n"
        "Intended / worst group, per cent, mean over the seeds that have so many features which the automatic judge "
        "removes, strongest first, without retraining; at the end all of them, with their number.\n\n"
        + markdown_table(["chosen by", *counts, "all"], cells)
    )


def _two(point: Mapping[str, float] | None) -> str:
    return "" if point is None else f"{_per_cent(point['intended'])} / {_per_cent(point['worst_group'])}"


def _scr_tpp(result: Figures) -> str:
    counts = sorted({count for row in result["rows"] for count in row["counts"]})
    cells = []
    for row in result["rows"]:
        for name in ("scr", "tpp"):
            values = dict(zip(row["counts"], row[name], strict=True))
            shown = ["–" if values.get(count) is None else f"{values[count]:.2f}" for count in counts]
            cells.append([row["site"], name.upper(), *shown, row["spurious"] if name == "scr" else ""])
    return (
        "### SCR and TPP of the bundled dictionaries\n\n"
        "By how many features are taken out, on the bundled biographies, with the settings of SAEBench "
        "(arXiv 2411.18895), for the dictionaries of the residual stream.\n\n"
        + markdown_table(["site", "score", *map(str, counts), "spurious"], cells)
    )


def _span(figure: Mapping[str, float]) -> str:
    return f"{_per_cent(figure['mean'])} ({_per_cent(figure['low'])}–{_per_cent(figure['high'])})"


def _per_cent(share: float) -> str:
    return f"{100 * share:.1f}"
