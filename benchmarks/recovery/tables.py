"""The figures of ``benchmarks.recovery`` as Markdown, and as rows for the screen."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from benchmarks.results import markdown_table

Figures = Mapping[str, Any]
Table = tuple[str, str, list[str], list[list[str]]]
"""Heading, a sentence on what it shows, header, rows."""


def tables(figures: Figures) -> str:
    """Every table of the room."""
    parts = [
        f"### {heading}\n\n{sentence}\n\n{markdown_table(header, rows)}"
        for heading, sentence, header, rows in all_tables(figures)
    ]
    return "\n".join(parts)


def all_tables(figures: Figures) -> list[Table]:
    """The tables of what was measured; either half may be absent."""
    found: list[Table] = []
    if figures.get("planted"):
        found += [nodes(figures["planted"]), parts(figures["planted"])]
        found += [edges(figures["planted"]), gaps(figures["planted"])]
    if figures.get("language"):
        found += [prediction(figures["language"]), flipping(figures["language"]), flips(figures["language"])]
    return found


# -- planted ---------------------------------------------------------------------------------------------


def nodes(rows: Sequence[Figures]) -> Table:
    """Dictionaries × methods: how well nodes are recovered."""
    header = [
        "dictionaries", "method", "average precision", "lowest", "precision at truth", "best precision",
        "best recall", "effect mass",
    ]  # fmt: skip
    out = []
    for kind, method, same in _grouped(rows):
        out.append(
            [
                kind,
                method,
                _mean(same, _node("average_precision")),
                f"{min(row['nodes']['average_precision'] for row in same):.2f}",
                _mean(same, _node("precision")),
                _mean(same, _node("best_precision")),
                _mean(same, _node("best_recall")),
                _mean(same, lambda row: row["mass"]),
            ]
        )
    shapes = sorted({(row["layers"], not row["parallel"]) for row in rows})
    described = ", ".join(f"{layers} {'sequential' if seq else 'parallel'}" for layers, seq in shapes)
    seeds = len({row["seed"] for row in rows})
    sentence = (
        f"Planted circuits in models of {described} blocks, {seeds} of each: means over the models. Average "
        "precision is the area under precision over recall, over all thresholds; precision at truth is that of as "
        "many strongest nodes as are right; best is at the threshold of the largest harmonic mean; effect mass is "
        "the summed |exact effect| of as many strongest nodes as are right, of the most that so many nodes can have."
    )
    return "Planted circuits: nodes", sentence, header, out


def parts(rows: Sequence[Figures]) -> Table:
    """Methods × parts of the behaviour, true features."""
    true = [row for row in rows if row["dictionaries"] == "true"]
    names = list(true[0]["parts"])
    out = [
        [
            method,
            *(
                f"{_mean(same, _part(name, 'found'))} ({_mean(same, _part(name, 'effect'))})"
                for name in names
            ),
        ]
        for _, method, same in _grouped(true)
    ]
    sentence = (
        "With the true features: of each part's right nodes, the share among as many strongest nodes as are right, "
        "and in brackets the mean |effect| of the part's nodes. The module `benchmarks.recovery.program` says what "
        "the parts are. In the part called or, each of the two is spare while the other is there."
    )
    return "Planted circuits: parts of the behaviour", sentence, ["method", *names], out


def edges(rows: Sequence[Figures]) -> Table:
    """Dictionaries × methods × kinds of edges: how well edges are recovered."""
    sides = list(rows[0]["edges"])
    out = [
        [
            kind,
            method,
            *(
                f"{_mean(same, _edge('edges', side))} ({_least(same, _edge('edges', side))}) / "
                f"{_mean(same, _edge('edges_into_features', side))}"
                for side in sides
            ),
        ]
        for kind, method, same in _grouped(rows)
    ]
    sentence = (
        "Average precision of edges, by `--edges-at`: of all edges, in brackets the lowest of any model / without "
        "edges into error nodes. A feature that is silent where a derivative is taken has no in-edges; what would "
        "flow into it appears as an edge into the error of its site."
    )
    return "Planted circuits: edges", sentence, ["dictionaries", "method", *(f"at {s}" for s in sides)], out


def gaps(rows: Sequence[Figures]) -> Table:
    """Dictionaries × methods × kinds of edges: how far in-edges are from adding up."""
    sides = list(rows[0]["edges"])
    out = [
        [
            kind,
            method,
            *(
                f"{_mean(same, _gap(side, 'mean'), 3)} ({np.max([_gap(side, 'worst')(row) for row in same]):.3f})"
                for side in sides
            ),
        ]
        for kind, method, same in _grouped(rows)
    ]
    sentence = (
        "Edge gap: mean |Σ in-edges − node effect| relative to mean |node effect|, the mean over sites and models "
        "and in brackets the worst site of any model. Edges of `exact` use the gradients of ig."
    )
    return (
        "Planted circuits: do edges add up?",
        sentence,
        ["dictionaries", "method", *(f"at {s}" for s in sides)],
        out,
    )


def _grouped(rows: Iterable[Figures]) -> list[tuple[str, str, list[Figures]]]:
    found: dict[tuple[str, str], list[Figures]] = {}
    for row in rows:
        found.setdefault((row["dictionaries"], row["method"]), []).append(row)
    return [(kind, method, same) for (kind, method), same in found.items()]


def _node(name: str) -> Callable[[Figures], float]:
    return lambda row: float(row["nodes"][name])


def _part(name: str, which: str) -> Callable[[Figures], float]:
    return lambda row: float(row["parts"][name][which])


def _edge(which: str, side: str) -> Callable[[Figures], float]:
    return lambda row: float(row[which][side]["average_precision"])


def _gap(side: str, which: str) -> Callable[[Figures], float]:
    return lambda row: float(row["edge_gap"][side][which])


def _mean(rows: Sequence[Figures], value: Callable[[Figures], float], digits: int = 2) -> str:
    return f"{np.mean([value(row) for row in rows]):.{digits}f}"


def _least(rows: Sequence[Figures], value: Callable[[Figures], float]) -> str:
    return f"{min(value(row) for row in rows):.2f}"


# -- language --------------------------------------------------------------------------------------------

PREDICTION_COUNTS = (1, 5)


def prediction(rows: Sequence[Figures]) -> Table:
    """Behaviours × choices of units: balanced accuracy."""
    choices = _choices(rows)
    header = ["behaviour", "values", "places", *choices]
    out = []
    for row in rows:
        cells = []
        for name in choices:
            one, five = (_choice(row, name, count) for count in PREDICTION_COUNTS)
            cells.append(f"{one['single']['value']:.2f} / {_interval(five['together'])}")
        out.append([row["behaviour"], " or ".join(row["values"]), str(row["tested"]), *cells])
    sentence = (
        "How well units tell the hidden variable on held-out texts, where the next word depends on it: balanced "
        "accuracy of the strongest unit with a threshold / of a logistic regression on five, with its 95 % bootstrap "
        "interval (for random units: mean and range of the draws). The numbers of places are those measured on."
    )
    return "Bundled language: predicting the hidden variable", sentence, header, out


def flipping(rows: Sequence[Figures]) -> Table:
    """Choices × numbers of units: how often the preference turns round, over all behaviours."""
    counts = _counts(rows)
    out = []
    for name in _choices(rows):
        cells = []
        for count in counts:
            values = [_choice(row, name, count)["flips"]["value"] for row in rows]
            found = {"value": float(np.mean(values)), "low": min(values), "high": max(values)}
            cells.append(_interval(found))
        out.append([name, *cells])
    sentence = (
        "The share of test texts on which the model prefers the other answer once so many units are held, at the "
        f"last token, at their mean over train texts of the other value: mean over {len(rows)} behaviours, with the "
        "lowest and the highest of them. Texts that the model gets wrong to begin with are left out: "
        f"{max(1 - row['model_right'] for row in rows):.0%} at most."
    )
    return "Bundled language: turning the answer", sentence, ["units", *map(str, counts)], out


def flips(rows: Sequence[Figures]) -> Table:
    """Behaviours × numbers of a circuit's units."""
    counts = _counts(rows)
    names = [name for name in _choices(rows) if name.startswith("circuit's")]
    out = [
        [row["behaviour"], name, *(_interval(_choice(row, name, count)["flips"]) for count in counts)]
        for name in names
        for row in rows
    ]
    sentence = (
        "The same by behaviour, for the units of largest effect, with the 95 % bootstrap interval over texts where "
        "they do not all agree."
    )
    header = ["behaviour", "units", *map(str, counts)]
    return "Bundled language: turning the answer, by behaviour", sentence, header, out


def _counts(rows: Sequence[Figures]) -> list[int]:
    return list(dict.fromkeys(choice["count"] for choice in rows[0]["choices"]))


def _choices(rows: Sequence[Figures]) -> list[str]:
    return list(dict.fromkeys(choice["units"] for choice in rows[0]["choices"]))


def _choice(row: Figures, name: str, count: int) -> Figures:
    found: Figures = next(c for c in row["choices"] if (c["units"], c["count"]) == (name, count))
    return found


def _interval(value: Figures) -> str:
    text = f"{value['value']:.2f}"
    if value["low"] == value["high"]:
        return text
    return f"{text} ({value['low']:.2f}–{value['high']:.2f})"
