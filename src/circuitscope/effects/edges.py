"""Edge effects: the part of a node's effect that reaches one downstream node directly.

For a downstream row (example, position, node) with vector r the edge from upstream feature j is
(Jᵀ r · v_j)(f_j,patch − f_j,clean), from an upstream error Jᵀ r · (ε_patch − ε_clean), with J the Jacobian of
the direct path (``direct.py``).

1. The vector of a row (``row_vectors.py``): a derivative at one run, or the secant between the two.
2. Jᵀ r for every upstream site; with the secant, averaged along the line between the runs (``path_integral.py``).
3. One product per active upstream feature.

``clean`` and ``patch`` say what a small upstream change does around that run; a feature that is silent there has no
in-edges, though it can carry a good part of the effects. ``secant`` shares out what happens between the runs: the
in-edges of every node add up to its node effect.

Nothing here runs a whole model backward, or holds a dense row over features.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from circuitscope.dictionaries import CHUNK_BYTES, Dictionaries
from circuitscope.effects.direct import DirectPath
from circuitscope.effects.nodes import NodeEffects, SiteEffects, line_of
from circuitscope.effects.path_integral import AT_ONE_POINT, Asked, Changes, Pulled, pull_back, wide
from circuitscope.effects.quadrature import PATH_LEVELS, Level, schedule
from circuitscope.effects.row_vectors import Rows, derivative_rows, row_effects, secant_rows
from circuitscope.effects.run_line import RunLine
from circuitscope.errors import BadInput, argument, expect
from circuitscope.model import LanguageModel
from circuitscope.terms import ERROR, Site

SECANT = "secant"
EDGES_AT = ("clean", "patch", "both", SECANT)


@dataclass(frozen=True)
class EdgeEntries:
    """Effects of upstream nodes on downstream rows, for one pair of sites; entries with no effect are left out."""

    row: Int[Tensor, " entry"]
    """Index into the rows asked for at the downstream site."""
    position: Int[Tensor, " entry"]
    """Column of the upstream node in the batch."""
    feature: Int[Tensor, " entry"]
    """Upstream dictionary element, or ``ERROR``."""
    effect: Float[Tensor, " entry"]


@dataclass(frozen=True)
class Inflow:
    """What reaches the rows of one site over the edges from all upstream nodes, wanted or not."""

    effect: Float[Tensor, " row"]
    """The node effect of each row by ḡ: what its in-edges should add up to."""
    edges: Float[Tensor, " row"]
    """What they add up to."""
    elsewhere: Float[Tensor, " row"]
    """What comes from the model's input where no dictionary covers it, and so over no edge."""
    remainder: Float[Tensor, " row"]
    """The part of the effect that is owed to no direction of the node's own (``row_vectors.py``)."""
    points: Int[Tensor, " row"]
    """Quadrature points of the path's Jacobian."""

    @property
    def gap(self) -> float:
        """The edge gap: mean |Σ in-edges − node effect|, relative to mean |node effect|."""
        missing = (self.edges + self.elsewhere - self.effect).abs().sum()
        return float(missing / self.effect.abs().sum().clamp(min=1e-30))


class EdgeEffects(Mapping[tuple[Site, Site], EdgeEntries]):
    """Edge effects by (upstream site, downstream site), and how well the in-edges of the rows add up."""

    def __init__(
        self, blocks: Mapping[tuple[Site, Site], EdgeEntries], inflow: Mapping[Site, Inflow]
    ) -> None:
        self._blocks, self.inflow = dict(blocks), dict(inflow)

    def __getitem__(self, pair: tuple[Site, Site]) -> EdgeEntries:
        return self._blocks[pair]

    def __iter__(self) -> Iterator[tuple[Site, Site]]:
        return iter(self._blocks)

    def __len__(self) -> int:
        return len(self._blocks)

    def __repr__(self) -> str:
        entries = sum(len(block.row) for block in self._blocks.values())
        return f"EdgeEffects({entries:,} edges between {len(self)} pairs of sites)"


def edge_effects(
    model: LanguageModel,
    dictionaries: Dictionaries,
    effects: NodeEffects,
    rows: Mapping[Site, Rows],
    *,
    at: str = "clean",
    rule: str = "gauss",
    points: int | None = None,
) -> EdgeEffects:
    """Effects of all upstream nodes in ``effects`` on explicit downstream rows, unfiltered.

    Args:
        effects: from ``node_effects`` with ``ig`` or ``atp`` (``exact`` has no gradients).
        rows: per downstream site, the nodes at tokens whose in-edges are wanted.
        at: ``clean`` or ``patch`` for the derivative there, ``both`` for the mean of the two, ``secant`` for shares
            of what happens between them, which add up to the row's node effect.
        rule: quadrature of the secant's paths: ``gauss``, ``left`` or ``midpoint``.
        points: quadrature points; None lets ``gauss`` take 1, 3, 7, 15, 31 until the edge gap is within 1e-2, and
            gives the other rules 10.
    """
    call = "edge_effects(model, dictionaries, effects, {site: rows})"
    expect(model, LanguageModel, "model", call)
    expect(dictionaries, Dictionaries, "dictionaries", call)
    expect(effects, NodeEffects, "effects", call)
    expect(rows, Mapping, "rows", call)
    if at not in EDGES_AT:
        raise BadInput(f"edges at {at!r}", expected=" or ".join(EDGES_AT))
    if at != "clean" and effects.patch_cache is None:
        raise BadInput(
            f"edges at {at!r} for single inputs",
            expected="clean: the zero baseline has no active features that edges could go into",
            mend=f"leave out {argument('edges_at')}",
        )
    taps, changes = dictionaries.taps(model), _changes(effects)
    found: dict[tuple[Site, Site], list[EdgeEntries]] = {}
    inflow = {}
    for target, asked in rows.items():
        if target.kind == "embed" or len(asked) == 0:  # nothing comes before the embedding
            continue
        path = DirectPath(model, taps, target)
        parts = []
        for way in _ways(effects, effects.sites[target], asked, at, schedule(rule, points, PATH_LEVELS)):
            for pulled in way.pull(path, asked, changes, effects.budget):
                parts.append((way, pulled))
                for source, product in pulled.at.items():
                    entries = _entries(effects.sites[source], asked, pulled.number, product)
                    found.setdefault((source, target), []).append(entries)
        inflow[target] = _inflow(effects.sites[target], asked, parts)
    n_ways = 2 if at == "both" else 1
    return EdgeEffects({pair: _joined(parts, n_ways) for pair, parts in found.items()}, inflow)


@dataclass(frozen=True)
class _Way:
    """One kind of edges: the rows' vectors, and where their paths are looked at."""

    vector: Float[Tensor, "row width"]
    line: RunLine
    levels: list[Level]
    effect: Float[Tensor, " row"]
    remainder: Float[Tensor, " row"]

    def pull(self, path: DirectPath, rows: Rows, changes: Changes, budget: int) -> Iterator[Pulled]:
        return pull_back(Asked(path, rows, self.vector, self.effect), self.line, self.levels, changes, budget)


def _ways(
    effects: NodeEffects, site: SiteEffects, rows: Rows, at: str, levels: list[Level]
) -> Iterator[_Way]:
    """The kinds of edges that are added up: two for ``both``."""
    effect, caches = row_effects(site, rows), {"clean": effects.clean_cache, "patch": effects.patch_cache}
    if at == SECANT:
        vector, remainder = secant_rows(site, rows)
        yield _Way(vector, RunLine(effects.clean_cache, effects.patch_cache), levels, effect, remainder)
        return
    sides = ("clean", "patch") if at == "both" else (at,)
    for side in sides:
        cache = caches[side]
        assert cache is not None
        vector = derivative_rows(site, rows, side) / len(sides)
        yield _Way(vector, RunLine(cache), AT_ONE_POINT, effect, torch.zeros_like(effect))


def _changes(effects: NodeEffects) -> Changes:
    """What every site's tensor does between clean and patch, and the model's input."""
    lines = {site: line_of(site, side).delta for site, side in effects.sites.items()}
    start, end = effects.clean_cache.streams[0], effects.patch_cache
    if end is None:
        return Changes(lines, torch.zeros_like(start))
    return Changes(lines, (end.streams[0] - start) * effects.inputs.clean.live[:, :, None])


def _inflow(site: SiteEffects, rows: Rows, parts: list[tuple[_Way, Pulled]]) -> Inflow:
    """What reaches each row, over all kinds of edges."""
    effect = row_effects(site, rows)
    edges, elsewhere, remainder = wide(effect).new_zeros(3, len(effect))
    points = torch.zeros_like(rows.example)
    for way, pulled in parts:
        edges[pulled.number] += pulled.inflow
        elsewhere[pulled.number] += pulled.elsewhere
        remainder[pulled.number] += way.remainder[pulled.number]
        points[pulled.number] = pulled.points
    return Inflow(effect, edges, elsewhere, remainder, points)


def _entries(source: SiteEffects, rows: Rows, number: Int[Tensor, " row"], product: Tensor) -> EdgeEntries:
    """One product per active upstream feature, and one per error, that each row can come from.

    Args:
        number: which rows ``product`` is of.
        product: (row, position, width), or (row, width) at the rows' own positions.
    """
    positions = source.clean.x.shape[1]
    first = rows.example[number] * positions
    if product.dim() == 3:  # every token of the row's example
        token = (first[:, None] + torch.arange(positions, device=first.device)).flatten()
        row = number.repeat_interleave(positions)
    else:
        token, row = first + rows.position[number], number
    vectors = product.reshape(-1, product.shape[-1])
    some = (vectors != 0).any(dim=1)  # nothing reaches a row from the tokens after it
    vectors, token, row = vectors[some], token[some], row[some]
    item, feature, effect = _feature_effects(source, token, vectors)
    of_errors = (vectors * source.error_delta.flatten(0, 1)[token]).sum(dim=1)
    (with_error,) = of_errors.nonzero(as_tuple=True)
    return EdgeEntries(
        torch.cat([row[item], row[with_error]]),
        torch.cat([token[item], token[with_error]]) % positions,
        torch.cat([feature, torch.full_like(with_error, ERROR)]),
        torch.cat([effect, of_errors[with_error]]),
    )


def _feature_effects(
    source: SiteEffects, token: Int[Tensor, " item"], vectors: Float[Tensor, "item width"]
) -> tuple[Tensor, Tensor, Tensor]:
    """(vector · v_j) (f_j,patch − f_j,clean) for each item and each feature j active at its token.

    Items at one token share its features, so a token's write vectors are fetched once for all of them: items and
    features are laid out token by token, and one batched product makes all effects.

    Returns:
        item, feature and effect of each entry that is not 0.
    """
    features = source.features
    tokens, group = torch.unique(token, return_inverse=True)
    items = _padded(*_grouped(group, len(tokens)))
    start = torch.searchsorted(features.token, tokens)
    entries = _padded(start, torch.searchsorted(features.token, tokens, right=True) - start)
    order = torch.argsort(group, stable=True)
    found: list[tuple[Tensor, Tensor, Tensor]] = []
    widest = max(entries.shape[1], items.shape[1], 1)
    step = max(1, CHUNK_BYTES // (widest * vectors.shape[1] * vectors.element_size()))
    parts = torch.split(torch.arange(len(tokens), device=token.device), step)
    for part in parts if entries.shape[1] else ():
        entry, item = entries[part].clamp(min=0), order[items[part].clamp(min=0)]
        write = source.dictionary.write_vectors(features.feature[entry.flatten()]).view(*entry.shape, -1)
        delta = torch.where(entries[part] >= 0, features.delta[entry], 0.0)
        effect = torch.bmm(vectors[item], write.transpose(1, 2).to(vectors.dtype)) * delta[:, None, :]
        effect = torch.where(items[part][:, :, None] >= 0, effect, 0.0)
        at, i, j = effect.nonzero(as_tuple=True)
        found.append((item[at, i], features.feature[entry[at, j]], effect[at, i, j]))
    if not found:
        nothing = token[:0]
        return nothing, nothing, vectors.new_zeros(0)
    item, feature, effect = (torch.cat(column) for column in zip(*found, strict=True))
    return item, feature, effect


def _grouped(group: Int[Tensor, " item"], n_groups: int) -> tuple[Tensor, Tensor]:
    """Where each group starts, once items are sorted by group, and how many items it has."""
    length = torch.bincount(group, minlength=n_groups)
    return length.cumsum(0) - length, length


def _padded(start: Int[Tensor, " group"], length: Int[Tensor, " group"]) -> Int[Tensor, "group longest"]:
    """The integers of each range [start, start + length), with −1 after the shorter ones."""
    longest = int(length.max()) if len(length) else 0
    offset = torch.arange(longest, device=start.device)
    return torch.where(offset < length[:, None], start[:, None] + offset, -1)


def _joined(parts: list[EdgeEntries], n_ways: int) -> EdgeEntries:
    """All entries of a pair of sites; what several kinds gave is summed."""
    row, position, feature, effect = (
        torch.cat([getattr(part, name) for part in parts])
        for name in ("row", "position", "feature", "effect")
    )
    if len(row) == 0 or n_ways == 1:
        return EdgeEntries(row, position, feature, effect)
    # One whole number per entry sorts faster than three columns; the error, -1, comes first.
    n_positions, n_features = int(position.max()) + 1, int(feature.max()) + 2
    key = (row * n_positions + position) * n_features + feature + 1
    found, place = torch.unique(key, return_inverse=True)
    total = effect.new_zeros(len(found)).index_add_(0, place, effect)
    node = torch.div(found, n_features, rounding_mode="floor")
    return EdgeEntries(
        torch.div(node, n_positions, rounding_mode="floor"),
        node % n_positions,
        found % n_features - 1,
        total,
    )
