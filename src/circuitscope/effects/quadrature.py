"""Quadrature on [0, 1]: where integrated gradients look, and with which weights.

* ``left`` is what the published code intends (k/N, k = 0 … N−1): it takes the clean end and leaves the patch end
  out, so its error falls only like 1/N.
* ``gauss`` with a number of points is Gauss–Legendre, exact for polynomials of degree 2N − 1; what each number
  of points is worth on two models is measured in docs/approximation.md.
* ``gauss`` without one takes 3, 7, 15 and 31 points as needed. These rules are nested (Kronrod 1965, Patterson
  1968): each takes over every point of the one before, so a site that needs 7 pays for 4 more and not for 10.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.polynomial import legendre
from numpy.typing import NDArray

from circuitscope.config import MOST_POINTS
from circuitscope.errors import BadInput

RULES = ("gauss", "left", "midpoint")

LEVELS = (3, 7, 15, 31)
"""Nested points that are tried until the quadrature gap is within the tolerance."""

PATH_LEVELS = (1, *LEVELS)
"""The same for paths between sites, which are nearer to linear: the midpoint comes first."""

TOLERANCE = 1e-2
"""The quadrature gap up to which a site's effects are taken as integrated."""

DEFAULT_POINTS = 10
"""Points of the rules without a self-check, as in the paper."""

_HALVINGS = 60
"""After as many, an interval within [−1, 1] is shorter than a number's rounding."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Level:
    """One step of a schedule: the points that it adds, and their weights in its rule and in all later ones.

    With the later weights known, the sums of every level can be kept as the points come in, and no gradient of
    a single point needs to be stored.
    """

    points: int
    """Points of the rule at this level, with those of the levels before."""
    alphas: list[float]
    """The points that are new."""
    weights: list[list[float]]
    """Their weights: one list for this level, and one for each level after it."""


def quadrature(rule: str, points: int) -> tuple[list[float], list[float]]:
    """Nodes α in [0, 1] and weights that sum to 1."""
    if not 1 <= points <= MOST_POINTS:
        raise BadInput(f"{points} quadrature points", expected=f"1 to {MOST_POINTS}")
    if rule == "gauss":
        nodes, weights = legendre.leggauss(points)
        return ((nodes + 1) / 2).tolist(), (weights / 2).tolist()
    if rule == "midpoint":
        return [(k + 0.5) / points for k in range(points)], [1 / points] * points
    if rule == "left":
        return [k / points for k in range(points)], [1 / points] * points
    raise BadInput(f"no such quadrature rule: {rule!r}", expected=" or ".join(RULES), mend="use gauss")


def schedule(rule: str, points: int | None, levels: tuple[int, ...] = LEVELS) -> list[Level]:
    """What to try, one level after the other: the points asked for, or the rule's own (``levels`` of gauss)."""
    if points is None and rule == "gauss":
        return nested(levels)
    alphas, weights = quadrature(rule, points or DEFAULT_POINTS)
    return [Level(len(alphas), alphas, [weights])]


@cache
def nested(levels: tuple[int, ...] = LEVELS) -> list[Level]:
    """Nested rules of these numbers of points, n and 2 n + 1 in turn; the first is Gauss–Legendre's."""
    nodes = legendre.leggauss(levels[0])[0]
    added = [nodes]
    for _ in levels[1:]:
        more = _extension(nodes)
        added.append(more)
        nodes = np.concatenate([nodes, more])
    rules = [_weights(np.concatenate(added[: count + 1])) for count in range(len(levels))]
    found = []
    for number, new in enumerate(added):
        stop = levels[number]
        here = slice(stop - len(new), stop)
        weights = [(rule[here] / 2).tolist() for rule in rules[number:]]
        found.append(Level(stop, ((new + 1) / 2).tolist(), weights))
    return found


def _extension(nodes: Floats) -> Floats:
    """The n + 1 points that make n points on [−1, 1] exact for the highest degree (Patterson 1968).

    They are the roots of the polynomial Q of degree n + 1 for which ∫ P Q xᵏ = 0 for k ≤ n, P having the roots
    ``nodes``.
    """
    n = len(nodes)
    x, weight = legendre.leggauss(2 * n + 2)
    product = np.prod(x[:, None] - nodes, axis=1)
    basis = legendre.legvander(x, n + 1)
    moments = np.einsum("i,ij,ik->jk", weight * product / np.abs(product).max(), basis[:, :-1], basis)
    lower = np.linalg.solve(moments[:, :-1], -moments[:, -1])
    return _roots_between(nodes, np.append(lower, 1.0))


def _roots_between(nodes: Floats, series: Floats) -> Floats:
    """The roots of a Legendre series that has one between each two neighbours of −1, ``nodes`` and 1, by bisection.

    Eigenvalues of a companion matrix would be complex numbers, and less exact.
    """
    ends = np.concatenate([[-1.0], np.sort(nodes), [1.0]])
    low, high = ends[:-1].copy(), ends[1:].copy()
    sign = np.sign(legendre.legval(low, series))
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        before = np.sign(legendre.legval(middle, series)) == sign
        low, high = np.where(before, middle, low), np.where(before, high, middle)
    return np.asarray((low + high) / 2)


def _weights(nodes: Floats) -> Floats:
    """The weights on [−1, 1] with which as many polynomials as there are nodes are integrated exactly."""
    target = np.zeros(len(nodes))
    target[0] = 2.0
    return np.asarray(np.linalg.solve(legendre.legvander(nodes, len(nodes) - 1).T, target))
