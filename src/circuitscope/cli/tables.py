"""Tables of saved results for the terminal."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from rich.console import RenderableType
from rich.markup import escape
from rich.table import Table

from circuitscope.results import (
    SECANT,
    Circuit,
    CircuitScores,
    Evaluation,
    Recipe,
    Score,
    StrictTests,
    Sweep,
    coverage_text,
    explained_by_edges,
    free_layers_text,
)
from circuitscope.terms import OUTPUT


def signed(effect: float, stderr: float, *, digits: int = 4) -> str:
    """An effect; a single example says nothing about its error, which is then 0."""
    colour = "blue" if effect > 0 else "red"
    return f"[{colour}]{effect:+.{digits}f}[/]" + (f" ± {stderr:.{digits}f}" if stderr else "")


def summary(circuit: Circuit) -> str:
    """What was asked, what came out, in a few lines."""
    known, recipe = circuit.findings, circuit.recipe
    lines = [
        f"[bold]{escape(circuit.task)}[/] in {escape(circuit.model)}: "
        f"{len(circuit.nodes)} nodes, {len(circuit.edges)} edges",
    ]
    if recipe is not None:  # else it was put together in Python
        settings = recipe.settings
        by_threshold = known.node_threshold is not None and known.pruned is None
        lines.append(
            f"metric {settings.metric}; {known.examples} {settings.split} example{'s' * (known.examples != 1)}; "
            f"method {settings.method}; positions {settings.positions}; "
            + (f"T_N {known.node_threshold:.3g}, " if by_threshold else "")
            + f"T_E {known.edge_threshold or 0:.3g}"
        )
    if known.pruned is not None and known.pruned.method == "flow":
        lines.append(
            f"pruned to what carries {known.pruned.faithfulness:.0%} of the flow, with {known.pruned.nodes} nodes "
            "that are not free"
        )
    elif known.pruned is not None:
        lines.append(
            f"pruned ({known.pruned.method}) to keep a faithfulness of {known.pruned.faithfulness:g}, "
            f"with {known.pruned.nodes} nodes that are not free"
        )
    if recipe is not None and known.clean_metric is not None:
        lines.append(
            f"mean {recipe.metric_shown_as}: {known.clean_metric:.3f} on clean"
            + ("" if known.patch_metric is None else f", {known.patch_metric:.3f} on patch inputs")
        )
    if known.skipped:
        reasons = ", ".join(f"{count} ({reason})" for reason, count in known.skipped.items())
        lines.append(f"skipped: {reasons}")
    if recipe is not None:
        lines += _edge_lines(circuit, recipe)
    if recipe is not None and known.silent:
        side = recipe.settings.edges_at
        lines.append(f"{len(known.silent)} nodes are silent on the {side} side, so no edge can go into them")
    return "\n".join(lines)


def _edge_lines(circuit: Circuit, recipe: Recipe) -> list[str]:
    """How much the edges explain, and how well they add up where they claim to."""
    share, gaps = explained_by_edges(circuit), circuit.findings.edge_gaps
    if share is None or not gaps:
        return []
    text = f"edges ({recipe.settings.edges_at}) explain {max(share, 0.0):.0%} of the nodes' effects"
    if recipe.settings.edges_at == SECANT:
        site = max(gaps, key=lambda name: gaps[name].gap)
        text += f"; largest edge gap {gaps[site].gap:.1e} ({site})"
    return [text]


def edge_gap_table(circuit: Circuit) -> Table | None:
    """How well the edges into each site add up; None where they do not claim to."""
    recipe, gaps = circuit.recipe, circuit.findings.edge_gaps
    if recipe is None or recipe.settings.edges_at != SECANT or not gaps:
        return None
    table = Table(
        title="do the edges into each site add up?",
        caption="remainder: owed to no direction of a node's own; elsewhere: from an input without a dictionary",
    )
    table.add_column("site")
    for heading in ("edge gap", "points", "remainder", "elsewhere"):
        table.add_column(heading, justify="right")
    for site, gap in gaps.items():
        table.add_row(
            site, f"{gap.gap:.1e}", f"{gap.points:.0f}", f"{gap.remainder:.1%}", f"{gap.elsewhere:.1%}"
        )
    return table


def circuit_table(circuit: Circuit, count: int) -> Table:
    """The strongest nodes."""
    table = Table(title=f"strongest {min(count, len(circuit))} of {len(circuit)} nodes")
    table.add_column("node")
    table.add_column("mean effect ± standard error", justify="right")
    for row in circuit.nodes.strongest()[:count]:
        table.add_row(str(circuit.ids[row]), signed(circuit.nodes.effect[row], circuit.nodes.stderr[row]))
    return table


def edge_table(circuit: Circuit, count: int) -> Table:
    """The strongest edges."""
    edges = circuit.edges
    table = Table(title=f"strongest {min(count, len(edges))} of {len(edges)} edges")
    table.add_column("from")
    table.add_column("to")
    table.add_column("mean effect ± standard error", justify="right")
    names = [*map(str, circuit.ids), OUTPUT]
    for row in np.argsort(-np.abs(edges.effect), kind="stable")[:count]:
        table.add_row(
            names[edges.source[row]], names[edges.target[row]], signed(edges.effect[row], edges.stderr[row])
        )
    return table


def _score(score: Score, name: str) -> str:
    if score.value is None:
        return score.why
    mark = f"  [yellow]{name}[/]" if name else ""
    return f"{score.value:.3f}  [dim]{score.low:.3f} … {score.high:.3f}[/]{mark}"


def _free(layers: int) -> str:
    return f"{free_layers_text(layers)} (and embed)" if layers else "nothing free"


def evaluation_table(result: Evaluation) -> Table:
    """Scores for the free layers asked for, and for none."""
    from circuitscope.pages.words import completeness_name, score_name

    table = Table(
        title=f"{result.examples} {result.split} examples, ablated nodes set to {result.baseline}, "
        f"errors: {result.errors}",
        caption=f"{coverage_text(result.coverage, result.examples)} (bootstrap over examples); "
        f"means are of {result.metric_shown_as}",
    )
    table.add_column("")
    for scores in result.scores:
        table.add_column(_free(scores.free_layers))
    rows: dict[str, Callable[[CircuitScores], str]] = {
        "nodes counted": lambda s: str(s.nodes),
        "faithfulness": lambda s: _score(s.faithfulness, score_name(s.faithfulness)),
        "completeness": lambda s: _score(s.completeness, completeness_name(s)),
        "mean, whole model": lambda s: f"{s.means.model:.3f}",
        "mean, circuit": lambda s: f"{s.means.circuit:.3f}",
        "mean, without circuit": lambda s: f"{s.means.complement:.3f}",
        "mean, all ablated": lambda s: f"{s.means.empty:.3f}",
    }
    for name, cell in rows.items():
        table.add_row(name, *map(cell, result.scores))
    return table


def evaluation_parts(result: Evaluation) -> list[RenderableType]:
    """The scores, what is odd about them, and what the strict tests found if there were any."""
    strict = strict_parts(result.strict) if result.strict else ()
    return [evaluation_table(result), *_odd_parts(result), *strict]


def _odd_parts(result: Evaluation) -> list[str]:
    """Scores that no one hopes for, in words."""
    from circuitscope.pages.words import oddities

    found = []
    for scores in result.scores:
        odd = oddities(scores, result.metric)
        if odd:
            found.append(f"[yellow]{_free(scores.free_layers)}:[/] {escape(' '.join(odd))}")
    return found


_VERDICTS = {"holds": "green", "does not hold": "red"}


def strict_parts(strict: StrictTests) -> list[RenderableType]:
    """A table of the strict tests' verdicts, and what was found in words."""
    from circuitscope.pages.words import strict_lines

    table = Table(title=f"what a sceptic asks, with {_free(strict.free_layers)}")
    table.add_column("the circuit is …")
    table.add_column("verdict")
    table.add_column("figure", justify="right")
    words = Table.grid(padding=(0, 2, 1, 0))
    words.add_column(max_width=20)
    words.add_column()
    for line in strict_lines(strict):
        verdict = f"[{_VERDICTS.get(line.verdict, 'yellow')}]{line.verdict}[/]"
        table.add_row(line.question, verdict, line.figures)
        words.add_row(line.question, escape(line.sentences))
    return [table, words]


def needed_table(result: Sweep) -> Table:
    """Nodes needed for each level of faithfulness, and the areas under the curves."""
    table = Table(
        title=f"nodes needed, {result.task}, {free_layers_text(result.free_layers)}",
        caption="interpolated; – where the curve never reaches the level. CPR and CMD: areas of f "
        "and of |1 − f| over the kept share of each row's own candidates (ideal 0.999 and 0)",
    )
    table.add_column("")
    for level in result.levels:
        table.add_column(f"{level:.0%}", justify="right")
    for name in ("candidates", "CPR", "CMD"):
        table.add_column(name, justify="right")
    for curve in result.curves:
        cells = [curve.needed_for(level) for level in result.levels]
        words = ["–" if cell is None else f"{cell:,.0f}" for cell in cells]
        areas = ["–" if area is None else f"{area:.3f}" for area in (curve.areas.cpr, curve.areas.cmd)]
        table.add_row(curve.name, *words, f"{curve.candidates:,}", *areas)
    return table
