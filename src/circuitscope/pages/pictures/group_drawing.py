"""The picture of a circuit's groups as plain values, for pages: the layout of the static picture, drawn in SVG."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from circuitscope.pages.pictures.circuit_layout import LEGEND_HEIGHT, TITLE_HEIGHT
from circuitscope.pages.pictures.drawing import (
    box_at,
    columns_of,
    fit,
    line_width,
    lines_of,
    path_of,
    pixels,
    rows_of,
    y_of,
)
from circuitscope.pages.pictures.group_layout import Arch, GroupLayout, caption, group_layout
from circuitscope.pages.pictures.plot_groups import numbers_of
from circuitscope.pages.report_content import Drawing, DrawnEdge, DrawnNode
from circuitscope.results import Group, Groups
from circuitscope.terms import OUTPUT

_NAME_POINTS, _WORDS_POINTS = 11.5 * 72 / 96, 10.5 * 72 / 96
"""The sizes of a box's name and words in the page's style sheet."""
_ASPECT = 0.75
"""A page is scrolled downward more easily than to the side."""


def draw_groups(groups: Groups, headings: Mapping[int, str]) -> Drawing:
    """The picture of the strongest groups.

    Args:
        headings: position → its token.
    """
    shown = group_layout(groups, aspect=_ASPECT)
    placed = shown.placed
    largest = float(np.abs(shown.all.edges.effect).max(initial=0))
    names = [group_id(index) for index in shown.shown]
    return Drawing(
        width=pixels(placed.width),
        height=pixels(placed.height - LEGEND_HEIGHT - TITLE_HEIGHT),
        rows=rows_of(placed),
        columns=columns_of(placed, headings),
        boxes=tuple(_boxes(shown)),
        lines=(
            *(_arch(shown, names, arch, largest) for arch in shown.arches),
            *lines_of(placed, names, largest),
        ),
        output=box_at(placed, OUTPUT, placed.output, OUTPUT),
        caption=caption(shown),
    )


def group_id(index: int) -> str:
    """What a group is called inside the page."""
    return f"group-{index}"


def _boxes(shown: GroupLayout) -> list[DrawnNode]:
    placed = shown.placed
    effects = placed.circuit.nodes.effect
    largest = float(np.abs(effects).max(initial=0))
    return [
        _box(shown, shown.groups.groups[index], index, (x, y), effect, largest)
        for index, x, y, effect in zip(shown.shown, placed.x, placed.y, effects.tolist(), strict=True)
    ]


def _box(
    shown: GroupLayout, group: Group, index: int, centre: tuple[float, float], effect: float, largest: float
) -> DrawnNode:
    room = shown.placed.box[0] - 0.2
    aim = (fit(group.aim, room, _WORDS_POINTS),) if group.aim else ()
    name = fit(group.where, room * 0.94, _NAME_POINTS)  # bold is wider than what is measured
    return box_at(shown.placed, group_id(index), centre, name, (*aim, numbers_of(group)), effect, largest)


def _arch(shown: GroupLayout, names: list[str], arch: Arch, largest: float) -> DrawnEdge:
    edges = shown.all.edges
    spots = [(pixels(x), y_of(shown.placed, y)) for x, y in arch.points.tolist()]
    (x0, y0), *rest = spots
    curve = " ".join(f"{x:g} {y:g}" for x, y in rest)
    path = path_of(shown.placed, arch.points) if arch.around else f"M{x0:g} {y0:g}C{curve}"
    effect = float(edges.effect[arch.edge])
    return DrawnEdge(
        names[int(edges.source[arch.edge])],
        names[int(edges.target[arch.edge])],
        path,
        *spots[-1],
        line_width(effect, largest),
        effect,
        across=False,
        downward=arch.downward,
    )
