"""Edge effects: the part of a node's effect that reaches one downstream node directly.

For a downstream row (example, position, node) with vector r the edge from upstream feature j is
(Jᵀ r · v_j)(f_j,patch − f_j,clean), from an upstream error Jᵀ r · (ε_patch − ε_clean), with J the Jacobian of
the direct path (``direct.py``).

1. The vector of a feature's row: ḡ · v_i (its averaged gradient) times its read vector, 0 where it is silent.
   The vector of an error's row: ḡ minus its pull-back through encode and decode, in closed form.
2. Jᵀ r for every upstream site.
3. One product per active upstream feature.

An edge is a derivative, at the clean run or at the patch run. A feature that is silent there has no in-edges,
though it can carry a good part of the effects.

Nothing here runs a whole model backward, or holds a dense row over features.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Int
from torch import Tensor

from circuitscope.activations import SiteState
from circuitscope.dictionaries import CHUNK_BYTES, Dictionaries
from circuitscope.effects.direct import Products, direct_products
from circuitscope.effects.nodes import NodeEffects, SiteEffects, line_of, with_gradient
from circuitscope.effects.quadrature import quadrature
from circuitscope.effects.replayer import Replayer
from circuitscope.errors import BadInput, argument, expect
from circuitscope.model import LanguageModel, Taps, linear_rules
from circuitscope.terms import ERROR, Site

EDGES_AT = ("clean", "patch", "both")


@dataclass(frozen=True)
class Rows:
    """Downstream nodes at tokens of a batch, all of one site."""

    example: Int[Tensor, " row"]
    position: Int[Tensor, " row"]
    """Column in the batch."""
    feature: Int[Tensor, " row"]
    """Dictionary element, or ``ERROR``."""

    def __len__(self) -> int:
        return len(self.example)


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


EdgeBlocks = dict[tuple[Site, Site], EdgeEntries]
"""By (upstream site, downstream site)."""


def edge_effects(
    model: LanguageModel,
    dictionaries: Dictionaries,
    effects: NodeEffects,
    rows: Mapping[Site, Rows],
    *,
    at: str = "clean",
) -> EdgeBlocks:
    """Effects of all upstream nodes in ``effects`` on explicit downstream rows, unfiltered.

    Args:
        effects: from ``node_effects`` with ``ig`` or ``atp`` (``exact`` has no gradients).
        rows: per downstream site, the nodes at tokens whose in-edges are wanted.
        at: where the derivative is taken: ``clean``, ``patch``, or ``both``, the mean of the two.
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
    sides = ("clean", "patch") if at == "both" else (at,)
    taps = dictionaries.taps(model)
    found: dict[tuple[Site, Site], list[EdgeEntries]] = {}
    for side in sides:
        for target, asked in rows.items():
            vector = row_vectors(effects.sites[target], asked, side) / len(sides)
            for source, entries in _into(model, taps, effects, side, target, asked, vector):
                found.setdefault((source, target), []).append(entries)
    return {pair: _joined(parts, len(sides)) for pair, parts in found.items()}


def _into(
    model: LanguageModel,
    taps: Taps,
    effects: NodeEffects,
    side: str,
    target: Site,
    asked: Rows,
    vector: Float[Tensor, "row width"],
) -> Iterator[tuple[Site, EdgeEntries]]:
    """The edges into one site's rows with their vectors r, linearised at one side; each with its upstream site."""
    cache = effects.clean_cache if side == "clean" else effects.patch_cache
    assert cache is not None
    for products in direct_products(
        model, taps, cache, target, asked.example, asked.position, vector, effects.budget
    ):
        for source, product in products.at.items():
            yield source, _entries(effects.sites[source], asked, products, product)


def row_vectors(site: SiteEffects, rows: Rows, side: str = "clean") -> Float[Tensor, "row width"]:
    """r: the gradient, at the site's tensor, of (the row's activation × its averaged gradient)."""
    if site.gradient is None:
        raise BadInput(
            "these node effects have no gradients", expected="effects by ig or atp", mend="method='ig'"
        )
    state = site.clean if side == "clean" else site.patch
    assert state is not None
    token = rows.example * state.x.shape[1] + rows.position
    flat = site.gradient.reshape(-1, site.gradient.shape[-1])
    vector = flat[token].clone()
    is_error = rows.feature == ERROR
    if bool(is_error.any()):
        vector[is_error] -= _pulled_back(state, token[is_error], flat)
    features, tokens = rows.feature[~is_error], token[~is_error]
    slope = site.dictionary.write_dot(flat, tokens, features)
    slope = slope * (state.active.lookup(tokens, features) != 0)
    vector[~is_error] = slope[:, None] * site.dictionary.read_vectors(state.flat[tokens], features)
    return vector


def _pulled_back(state: SiteState, token: Tensor, gradient: Tensor) -> Tensor:
    """The pull-back of ḡ through encode and decode at some tokens (which may repeat)."""
    wanted, place = torch.unique(token, return_inverse=True)
    number = torch.full((state.flat.shape[0],), -1, device=token.device)
    number[wanted] = torch.arange(len(wanted), device=token.device)
    active = state.active.select(number[state.active.token] >= 0)
    active = replace(active, token=number[active.token], n_tokens=len(wanted))
    return state.dictionary.pull_back(state.flat[wanted], active, gradient[wanted])[place]


def _entries(source: SiteEffects, rows: Rows, products: Products, product: Tensor) -> EdgeEntries:
    """One product per active upstream feature, and one per error, that each row can come from."""
    positions = source.clean.x.shape[1]
    first = rows.example[products.rows] * positions
    if products.spread:  # every token of the row's example
        token = (first[:, None] + torch.arange(positions, device=first.device)).flatten()
        row = products.rows.repeat_interleave(positions)
    else:  # the row's own token
        token = first + rows.position[products.rows]
        row = products.rows
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
        effect = torch.bmm(vectors[item], write.transpose(1, 2)) * delta[:, None, :]
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


def _joined(parts: list[EdgeEntries], n_sides: int) -> EdgeEntries:
    """All entries of a pair of sites; what both linearisations gave is summed."""
    row, position, feature, effect = (
        torch.cat([getattr(part, name) for part in parts])
        for name in ("row", "position", "feature", "effect")
    )
    if len(row) == 0 or n_sides == 1:
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


# -- edges into the output -------------------------------------------------------------------------------


def direct_sites(model: LanguageModel, dictionaries: Dictionaries) -> dict[Site, list[Site]]:
    """Sites with a direct path to the logits, each with the later sites that such a path must not pass.

    The last residual site with a dictionary cuts off everything before it.
    """
    cuts = [site for site in dictionaries if site.kind in ("embed", "resid")]
    last = max(cuts, default=None)
    reaching = [site for site in dictionaries if last is None or site >= last]
    return {site: [later for later in reaching if later > site] for site in reaching}


def output_effects(
    model: LanguageModel,
    dictionaries: Dictionaries,
    effects: NodeEffects,
    *,
    rule: str = "gauss",
    points: int = 12,
) -> dict[Site, SiteEffects]:
    """Edges into the output: each node's effect that passes no later dictionary's site.

    For a site that nothing follows (the usual last residual site) that is the node effect itself. Otherwise
    the method's own gradient is taken again with the later sites held at their clean values: ig's integral, the
    gradient at clean of ``atp`` (with GradDrop too: nothing is left to drop), the coefficient of ``relp``.
    """
    taps = dictionaries.taps(model)
    replayer = Replayer(model, effects.inputs, effects.metric, effects.clean_cache, effects.budget)
    alphas, weights = quadrature(rule, points) if effects.method == "ig" else ([0.0], [1.0])
    found = {}
    with linear_rules(model) if effects.method == "relp" else nullcontext():
        for site, later in direct_sites(model, dictionaries).items():
            side = effects.sites[site]
            if later:
                frozen = {other: taps[other] for other in later}
                (gradients,) = replayer.mean_gradients([line_of(site, side)], alphas, [weights], frozen)
                side = with_gradient(side, gradients[0])
            found[site] = side
    return found
