"""CPR and CMD: a curve of faithfulness as two numbers, after the MIB benchmark (Mueller et al. 2025,
arXiv 2504.13151).

With f(x) the faithfulness of the circuit that keeps the share x of the candidates, the strongest first,

    CPR = ∫ f(x) dx            (integrated circuit performance ratio: how soon the behaviour is there),
    CMD = ∫ |1 − f(x)| dx      (integrated circuit–model distance: how far it is from what the model does),

both by the trapezoid rule over the shares 0.001 to 1 in ``FRACTIONS``. A circuit that does it all at once has CPR
0.999 and CMD 0. Small circuits hardly count: nine tenths of the axis are circuits with a tenth of the candidates or
more. The same over ln x gives each decade the same weight; there the best CPR is ln 1000 = 6.91.

MIB's circuits are edges of a graph of attention heads and MLPs, whose shares are of all edges. Here they are nodes,
and the shares are of the candidates: nodes that are not free and have an effect on the discovery's examples.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

from circuitscope.results import Areas

FRACTIONS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
"""The shares of the candidates at which faithfulness is measured."""


def nodes_at(candidates: int) -> list[int]:
    """How many nodes each share of the candidates is, rounded down; 0 if there are few, with faithfulness 0."""
    return [math.floor(fraction * candidates + 1e-9) for fraction in FRACTIONS]


def areas(nodes: Sequence[int], values: Sequence[float | None]) -> Areas:
    """CPR and CMD, and both over ln x, of the faithfulness at each of ``FRACTIONS``; None if one is undefined.

    Args:
        nodes: what ``nodes_at`` gave, which the areas go with.
    """
    columns = tuple(nodes), tuple(values)
    known = [value for value in values if value is not None]
    if len(known) < len(FRACTIONS):
        return Areas(None, None, None, None, *columns)
    away = [abs(1 - value) for value in known]
    logs = [math.log(fraction) for fraction in FRACTIONS]
    return Areas(
        _area(FRACTIONS, known), _area(FRACTIONS, away), _area(logs, known), _area(logs, away), *columns
    )


def _area(x: Sequence[float], y: Sequence[float]) -> float:
    """∫ y dx by the trapezoid rule."""
    points = pairwise(zip(x, y, strict=True))
    return sum((x1 - x0) * (y0 + y1) / 2 for (x0, y0), (x1, y1) in points)
