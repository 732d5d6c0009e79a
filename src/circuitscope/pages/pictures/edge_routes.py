"""Edges led around boxes: which way each edge takes through the lines of boxes between its ends.

An edge that ran behind a box could not be told apart from one that ends in it. So an edge passes every line of
boxes between its ends through a free interval of that line, next to its straight way; edges that share an
interval, or a side of a box, are spread over it in the order that crosses least.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_APART = 0.035
"""Inches between two edges side by side, where there is room."""
_CLEAR = 0.045
"""Inches between an edge and a box that it passes."""
_CROWDED = 0.3
"""Inches of detour that an edge takes rather than share an interval that is full."""


@dataclass(frozen=True)
class Ends:
    """Where the drawn edges begin and end; one entry per edge, sources always below targets."""

    source: Ints
    """Box from which the edge leaves at the top."""
    target: Ints
    """Box that it enters from below."""


@dataclass(frozen=True)
class Boxes:
    """Boxes of one width in lines; line 0 is the lowest."""

    x: Floats
    """Centre."""
    line: Ints
    leave: Floats
    """Half the width over which edges may leave at the top: near 0 at a triangle's tip."""
    enter: Floats
    """Half the width over which edges may enter from below."""
    half: Floats
    """Half the width of the box."""


def route(boxes: Boxes, ends: Ends, left: float, right: float) -> list[Floats]:
    """The x of every edge at each line from its source's to its target's, both included.

    ``left`` and ``right`` bound the way; edges given first are served first.
    """
    first, last = boxes.line[ends.source], boxes.line[ends.target]
    goal, now = boxes.x[ends.target], boxes.x[ends.source].copy()
    ways: list[list[float]] = [[x] for x in now]
    for line in range(int(boxes.line.max(initial=0)) + 1):
        passing = np.flatnonzero((first < line) & (line < last))
        if passing.size:
            steps = last[passing] - line + 1
            wanted = now[passing] + (goal[passing] - now[passing]) / steps
            here = boxes.line == line
            now[passing] = _through(wanted, *_free(boxes.x[here], boxes.half[here], left, right))
        for edge in passing:
            ways[edge].append(float(now[edge]))
    for way, x in zip(ways, goal, strict=True):
        way.append(float(x))
    routes = [np.array(way) for way in ways]
    _spread_ends(routes, boxes, ends)
    return routes


def _free(x: Floats, half: Floats, left: float, right: float) -> tuple[Floats, Floats]:
    """The intervals of a line without boxes."""
    order = np.argsort(x)
    x, half = x[order], half[order]
    low = np.concatenate([[left], x + half + _CLEAR])
    high = np.concatenate([x - half - _CLEAR, [right]])
    open_ = high > low
    return low[open_], high[open_]


def _through(wanted: Floats, low: Floats, high: Floats) -> Floats:
    """Give every edge its own place in a free interval near the place that it wants."""
    load = np.zeros(low.size)
    room = np.maximum(1.0, (high - low) / _APART)
    chosen = np.zeros(wanted.size, np.int64)
    for edge, x in enumerate(wanted):
        detour = np.maximum(0, np.maximum(low - x, x - high))
        chosen[edge] = np.argmin(detour + _CROWDED * np.maximum(0, (load + 1) / room - 1))
        load[chosen[edge]] += 1
    places = wanted.copy()
    for interval in np.unique(chosen):
        members = np.flatnonzero(chosen == interval)
        places[members] = spread(wanted[members], float(low[interval]), float(high[interval]))
    return places


def spread(wanted: Floats, low: float, high: float) -> Floats:
    """Places in [low, high], in the order of ``wanted``, near it and apart from each other."""
    apart = min(_APART, (high - low) / max(1, wanted.size - 1))
    order = np.argsort(wanted, kind="stable")
    steps = apart * np.arange(wanted.size)
    # In coordinates without the mandatory distances, "apart" just means "not falling".
    packed = np.maximum.accumulate(np.clip(wanted[order], low, high) - steps)
    places = np.empty_like(wanted)
    places[order] = np.clip(packed, low, max(low, high - steps[-1])) + steps
    return places


def _spread_ends(routes: list[Floats], boxes: Boxes, ends: Ends) -> None:
    """Spread the edges over the sides of the boxes where they leave and enter."""
    for box_of, sides, end, beside in ((ends.source, boxes.leave, 0, 1), (ends.target, boxes.enter, -1, -2)):
        for box in np.unique(box_of):
            members = np.flatnonzero(box_of == box)
            wanted = np.array([routes[edge][beside] for edge in members])
            x, side = float(boxes.x[box]), float(sides[box])
            # Half-way between the middle and the straight way: a fan rather than a comb.
            places = spread(x + np.clip(wanted - x, -side, side) / 2, x - side, x + side)
            for edge, place in zip(members, places, strict=True):
                routes[edge][end] = place
