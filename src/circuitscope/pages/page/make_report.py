"""make_report: from a circuit, what its features mean and what was measured to the content of a page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from circuitscope.config import DiscoverySettings
from circuitscope.pages.page.path_lines import ways_through
from circuitscope.pages.pictures.chosen_nodes import STRONG
from circuitscope.pages.pictures.drawing import draw
from circuitscope.pages.pictures.group_drawing import draw_groups
from circuitscope.pages.report_content import (
    SCHEMA_VERSION,
    EdgeLine,
    ExampleText,
    NodeLine,
    Question,
    Report,
    RunOrigin,
    SiteAtPosition,
)
from circuitscope.pages.words.how_it_was_made import settings_of, warnings_of
from circuitscope.pages.words.visible import visible
from circuitscope.results import PROMPT, Circuit, FeatureDashboard, Groups, NodeActivity, Sweep, label_of
from circuitscope.terms import OUTPUT, SUMMED, NodeId

MOST_NODES = 200
"""How many nodes a page lists; the table of places counts all of them."""
_EDGES_SHOWN = 6


@dataclass(frozen=True)
class LookedUp:
    """What is known about the circuit's features."""

    features: Sequence[FeatureDashboard] = ()
    """Dashboards of some of them, in any order."""
    text_read: str = ""
    """Where their contexts come from, as a phrase."""
    activities: Sequence[NodeActivity] = ()
    """On which of the task's texts the nodes are active, in any order."""


def make_report(
    circuit: Circuit,
    *,
    known: LookedUp = LookedUp(),
    examples: Sequence[ExampleText] = (),
    sweep: Sweep | None = None,
    run: RunOrigin | None = None,
    groups: Groups | None = None,
    errors_in_picture: str = STRONG,
) -> Report:
    """Put together what a report says.

    Args:
        circuit: with its evaluation, if it has one.
        known: about its features.
        examples: a few of the task's.
        sweep: its curves over circuit sizes.
        run: where the circuit is, if it is saved.
        groups: what ``group`` found.
        errors_in_picture: which errors are drawn besides those among the strongest nodes.
    """
    found, run = circuit.findings, run or RunOrigin()
    headings = headings_of(circuit)
    settings = circuit.recipe.settings if circuit.recipe else DiscoverySettings()
    return Report(
        schema_version=SCHEMA_VERSION,
        created=run.created,
        question=_question(circuit, examples),
        n_nodes=len(circuit),
        n_edges=len(circuit.edges),
        n_candidates=None if circuit.candidates is None else len(circuit.candidates),
        node_threshold=None if found.pruned else found.node_threshold,
        nodes_asked=None if found.pruned else settings.nodes,
        baseline=settings.baseline,
        keeps_positions=circuit.keeps_positions,
        nodes=_node_lines(circuit, headings),
        places=_places(circuit, headings),
        features=tuple(known.features),
        text_read=known.text_read,
        drawing=draw(circuit, _labels(circuit, known.features), headings, errors=errors_in_picture),
        evaluation=circuit.evaluation,
        sweep=sweep,
        settings=settings_of(circuit, run),
        warnings=warnings_of(circuit),
        gaps={site: entry.gap for site, entry in found.quadrature.items()},
        skipped=dict(found.skipped),
        run=run.name,
        activities=tuple(known.activities),
        groups=None if groups is None else replace(groups, activities=()),  # they are in ``activities``
        grouped=None if groups is None else draw_groups(groups, headings),
        ways=ways_through(circuit, known.features, headings),
        edge_gaps=(
            {site: entry.gap for site, entry in found.edge_gaps.items()}
            if settings.edges_at == "secant"
            else {}
        ),
    )


def headings_of(circuit: Circuit) -> dict[int, str]:
    """Position → the token there, where positions are kept."""
    return dict(enumerate(map(str, circuit.findings.tokens or ())))


def _question(circuit: Circuit, examples: Sequence[ExampleText]) -> Question:
    known, recipe = circuit.findings, circuit.recipe
    settings = recipe.settings if recipe else DiscoverySettings()
    pairs = any(example.patch_prefix is not None for example in examples)
    return Question(
        task=circuit.task,
        model=circuit.model,
        dictionaries=recipe.dictionaries.name if recipe else "?",
        dictionary_kinds=dict(recipe.dictionaries.kinds) if recipe else {},
        pairs=pairs or known.patch_metric is not None,
        examples=tuple(examples),
        n_examples=known.examples,
        split=settings.split if recipe and recipe.task.kind != PROMPT else "",  # a prompt holds nothing out
        metric=settings.metric if recipe else "",
        metric_shown_as=recipe.metric_shown_as if recipe else "",
        clean=known.clean_metric,
        patch=known.patch_metric,
    )


def _node_lines(circuit: Circuit, headings: Mapping[int, str]) -> tuple[NodeLine, ...]:
    names = [*map(str, circuit.ids), OUTPUT]
    silent = set(circuit.findings.silent)
    edges = circuit.edges
    order = np.argsort(-np.abs(edges.effect), kind="stable")
    ends: tuple[dict[int, list[EdgeLine]], dict[int, list[EdgeLine]]] = ({}, {})
    for row in order.tolist():
        source, target = int(edges.source[row]), int(edges.target[row])
        effect, stderr = float(edges.effect[row]), float(edges.stderr[row])
        for lines, here, there in ((ends[0], target, source), (ends[1], source, target)):
            shown = lines.setdefault(here, [])
            if len(shown) < _EDGES_SHOWN:
                shown.append(EdgeLine(names[there], effect, stderr))
    found = []
    for row in circuit.nodes.strongest()[:MOST_NODES].tolist():
        node = circuit.ids[row]
        found.append(
            NodeLine(
                id=str(node),
                site=node.site.name,
                feature=None if node.is_error else node.feature,
                position=None if node.position == SUMMED else node.position,
                heading=headings.get(node.position, ""),
                effect=float(circuit.nodes.effect[row]),
                stderr=float(circuit.nodes.stderr[row]),
                into=tuple(ends[0].get(row, ())),
                out=tuple(ends[1].get(row, ())),
                silent=str(node) in silent,
            )
        )
    return tuple(found)


def _places(circuit: Circuit, headings: Mapping[int, str]) -> tuple[SiteAtPosition, ...]:
    """The nodes summed by site and position, in the order of computation."""
    cells: dict[tuple[int, int], list[tuple[NodeId, float]]] = {}
    rows = zip(circuit.nodes.site.tolist(), circuit.ids, circuit.nodes.effect.tolist(), strict=True)
    for site, node, effect in rows:
        cells.setdefault((site, node.position), []).append((node, abs(effect)))
    return tuple(
        SiteAtPosition(
            site=circuit.sites[site].name,
            layer=circuit.sites[site].layer,
            position=None if position == SUMMED else position,
            heading=headings.get(position, ""),
            nodes=len(members),
            errors=sum(node.is_error for node, _ in members),
            total=sum(effect for _, effect in members),
            error_total=sum((effect for node, effect in members if node.is_error), 0.0),
        )
        for (site, position), members in sorted(cells.items())
    )


def _labels(circuit: Circuit, features: Sequence[FeatureDashboard]) -> dict[NodeId, tuple[str, ...]]:
    """Two lines for a node in the picture: the tokens it is active on, and those it promotes."""
    known = {(item.site, item.feature): lines_of(item) for item in features}
    return {
        node: known[node.site.name, node.feature]
        for node in circuit.ids
        if (node.site.name, node.feature) in known
    }


def lines_of(dashboard: FeatureDashboard) -> tuple[str, ...]:
    raised = [item.token.strip() for item in dashboard.tokens.raised if item.token.strip()][:5]
    lines = (label_of(dashboard), "→ " + ", ".join(dict.fromkeys(raised)) if raised else "")
    return tuple(visible(line) for line in lines)
