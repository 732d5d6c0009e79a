"""Jᵀ r of the direct path, averaged along the line between two runs until the in-edges of the rows add up.

What reaches a row over all its in-edges is Σ over upstream sites of (J̄ᵀ r) · Δx. With r the row's secant it must
equal the row's node effect; where it does not, the nested rule adds points, and only for the rows that are off. At a
single point (edges at clean or at patch) there is nothing to choose: what is missing is the price of a derivative.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from circuitscope.effects.direct import DirectPath, Products
from circuitscope.effects.quadrature import TOLERANCE, Level
from circuitscope.effects.row_vectors import Rows
from circuitscope.effects.run_line import RunLine
from circuitscope.terms import Site

IMPROVES = 0.7
"""In half precision, where noise has a floor, points are added only while they leave less than this of the gap."""

AT_ONE_POINT = [Level(1, [0.0], [[1.0]])]
"""The schedule of a derivative at one run."""


@dataclass(frozen=True)
class Changes:
    """What upstream tensors do between clean and patch; 0 at BOS and padding."""

    sites: Mapping[Site, Float[Tensor, "batch position _"]]
    stream: Float[Tensor, "batch position width"]
    """Of the stream before block 0, for what no dictionary covers."""


@dataclass(frozen=True)
class Asked:
    """Rows of one site, and what is to be pulled back from them."""

    path: DirectPath
    rows: Rows
    vector: Float[Tensor, "row width"]
    effect: Float[Tensor, " row"]
    """What their in-edges should add up to."""

    def take(self, some: Int[Tensor, " some"]) -> Asked:
        rows = Rows(self.rows.example[some], self.rows.position[some], self.rows.feature[some])
        return Asked(self.path, rows, self.vector[some], self.effect[some])


@dataclass(frozen=True)
class Pulled:
    """J̄ᵀ r of some rows, and what it comes to."""

    number: Int[Tensor, " row"]
    """Which of the rows asked for."""
    at: Mapping[Site, Tensor]
    """Per upstream site (row, width) or, when spread, (row, position, width)."""
    inflow: Float[Tensor, " row"]
    """The sum of a row's in-edges from all upstream nodes."""
    elsewhere: Float[Tensor, " row"]
    """What reaches it from tensors that no dictionary covers."""
    points: Int[Tensor, " row"]
    """Quadrature points that it took."""


def pull_back(
    asked: Asked, line: RunLine, levels: Sequence[Level], changes: Changes, budget: int
) -> Iterator[Pulled]:
    """J̄ᵀ r of all rows with a vector, as many at a time as copies of their examples fit into ``budget`` bytes."""
    scale = float(asked.effect.abs().mean()) if len(asked.rows) else 0.0
    each = asked.path.bytes_per_copy(line.start.tokens.positions)
    step = max(1, budget // each // len(levels[0].alphas))
    (some,) = (asked.vector != 0).any(dim=1).nonzero(as_tuple=True)
    for number in torch.split(some, step) if len(some) else ():
        yield _Integral(asked.take(number), line, changes, max(scale, 1e-30)).run(number, levels, step)


class _Integral:
    """One part of the rows, level by level."""

    def __init__(self, asked: Asked, line: RunLine, changes: Changes, scale: float) -> None:
        self._asked, self._line, self._changes, self._scale = asked, line, changes, scale
        self._is_coarse = line.start.streams[0].dtype.itemsize < 4

    def run(self, number: Tensor, levels: Sequence[Level], step: int) -> Pulled:
        count = len(number)
        found: dict[Site, Tensor] = {}
        inflow, elsewhere = wide(self._asked.effect).new_zeros(2, count)
        off = torch.full_like(inflow, float("inf"))
        points = torch.zeros_like(number)
        waiting = torch.arange(count, device=number.device)
        before = float("inf")
        earlier: list[Products | None] = [None] * len(
            levels[0].weights
        )  # so far, for this level and the next
        for level in levels:
            products = self._at_points(waiting, level.alphas, step)
            now = _weighted(products, level.weights[0], earlier[0])
            for site, product in now.at.items():
                if site not in found:
                    found[site] = product.new_zeros(count, *product.shape[1:])
                found[site][waiting] = product
            inflow[waiting], elsewhere[waiting] = self._sums(waiting, now)
            points[waiting] = level.points
            off[waiting] = (inflow + elsewhere - self._asked.effect)[waiting].abs() / self._scale
            missing = float(off.mean())
            if missing <= TOLERANCE or (self._is_coarse and missing > IMPROVES * before):
                break
            before = missing
            (still,) = (off[waiting] > TOLERANCE).nonzero(as_tuple=True)
            waiting = waiting[still]
            earlier = [
                _only(_weighted(products, weights, last), still)
                for weights, last in zip(level.weights[1:], earlier[1:], strict=True)
            ]
        return Pulled(number, found, inflow, elsewhere, points)

    def _at_points(self, waiting: Tensor, alphas: Sequence[float], step: int) -> Products:
        """The products of some rows at all points: (point, row, …)."""
        asked = self._asked.take(waiting)
        alpha = asked.vector.new_tensor(alphas).repeat_interleave(len(waiting))
        row = torch.arange(len(waiting), device=waiting.device).repeat(len(alphas))
        parts = []
        for some in torch.split(torch.arange(len(row), device=row.device), max(step, 1)):
            here = row[some]
            copies = self._line.copies(asked.rows.example[here], alpha[some])
            parts.append(asked.path.products(copies, asked.rows.position[here], asked.vector[here]))
        shape = (len(alphas), len(waiting))
        # Whatever the model's format, averages and sums are in float32 at least.
        at = {site: _stacked([part.at[site] for part in parts], shape) for site in parts[0].at}
        if parts[0].elsewhere is None:
            return Products(at)
        return Products(at, _stacked([part.elsewhere for part in parts if part.elsewhere is not None], shape))

    def _sums(self, waiting: Tensor, products: Products) -> tuple[Tensor, Tensor]:
        """Σ over upstream sites of the products with what the tensors do there, and the same elsewhere."""
        rows = self._asked.take(waiting).rows
        total, elsewhere = wide(self._asked.effect).new_zeros(2, len(waiting))
        for site, product in products.at.items():
            total += _along(product, self._changes.sites[site], rows)
        if products.elsewhere is not None:
            elsewhere += _along(products.elsewhere, self._changes.stream, rows)
        return total, elsewhere


def _along(product: Tensor, change: Tensor, rows: Rows) -> Float[Tensor, " row"]:
    """The product of each row with what the upstream tensor does: at all positions if spread, else at its own."""
    change = change.to(product.dtype)
    if product.dim() == 3:
        return torch.einsum("rpw,rpw->r", product, change[rows.example])
    return (product * change[rows.example, rows.position]).sum(dim=1)


def wide(tensor: Tensor) -> Tensor:
    """A tensor in float32 or better."""
    return tensor.float() if tensor.is_floating_point() and tensor.itemsize < 4 else tensor


def _stacked(parts: Sequence[Tensor], shape: tuple[int, int]) -> Tensor:
    together = wide(torch.cat(list(parts)))
    return together.view(*shape, *together.shape[1:])


def _weighted(products: Products, weights: Sequence[float], earlier: Products | None) -> Products:
    """Σ over points of weight · product, added to what earlier levels have left."""

    def total(product: Tensor, so_far: Tensor | None) -> Tensor:
        summed: Tensor = torch.tensordot(product.new_tensor(weights), product, dims=1)
        return summed if so_far is None else summed + so_far

    at = {site: total(part, earlier.at[site] if earlier else None) for site, part in products.at.items()}
    if products.elsewhere is None:
        return Products(at)
    return Products(at, total(products.elsewhere, earlier.elsewhere if earlier else None))


def _only(products: Products, some: Tensor) -> Products:
    at = {site: part[some] for site, part in products.at.items()}
    return Products(at, None if products.elsewhere is None else products.elsewhere[some])
