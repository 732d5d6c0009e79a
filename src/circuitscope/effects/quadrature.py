"""Quadrature on [0, 1]: where integrated gradients look, and with which weights.

``left`` is what the published code intends (k/N, k = 0 … N−1): it takes the clean end and leaves the patch end
out, so its error falls only like 1/N. ``gauss`` (Gauss–Legendre) is exact for polynomials of degree 2N − 1;
three points beat ten of ``left`` on a real model (docs/equations.md).
"""

from __future__ import annotations

import numpy as np

from circuitscope.errors import BadInput

RULES = ("gauss", "left", "midpoint")

SCHEDULE = (3, 6, 12, 24)
"""Gauss points that are tried until the quadrature gap is within the tolerance."""

TOLERANCE = 1e-2
"""The quadrature gap up to which a site's effects are taken as integrated."""

DEFAULT_POINTS = 10
"""Points of the rules without a self-check, as in the paper."""


def quadrature(rule: str, points: int) -> tuple[list[float], list[float]]:
    """Nodes α in [0, 1] and weights that sum to 1."""
    if points < 1:
        raise BadInput(f"{points} quadrature points", expected="at least 1")
    if rule == "gauss":
        nodes, weights = np.polynomial.legendre.leggauss(points)
        return ((nodes + 1) / 2).tolist(), (weights / 2).tolist()
    if rule == "midpoint":
        return [(k + 0.5) / points for k in range(points)], [1 / points] * points
    if rule == "left":
        return [k / points for k in range(points)], [1 / points] * points
    raise BadInput(f"no such quadrature rule: {rule!r}", expected=" or ".join(RULES), mend="use gauss")


def schedule(rule: str, points: int | None) -> tuple[int, ...]:
    """The numbers of points to try: those asked for, or the rule's own."""
    if points is not None:
        return (points,)
    return SCHEDULE if rule == "gauss" else (DEFAULT_POINTS,)
