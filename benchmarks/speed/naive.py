"""circuitscope against a naive implementation of the same mathematics: same numbers, different times.

    python -m benchmarks.speed.naive

Both take the same random model, dictionaries and pairs; the results are compared entry by entry.

* Node effects, naively: for every site and every quadrature point a dense row of features is decoded and put
  in its place, the whole model runs, and one backward pass gives the gradient of every feature.
* Edge effects, naively: every site is rebuilt from a leaf of dense features and held there, so that autograd
  follows direct paths only; the whole model runs once per downstream site, then one backward pass per
  downstream row gives a dense row over the features of all upstream sites.

The naive edges are kinder than the published code, which makes one backward pass per row *and* upstream site.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor

from benchmarks.shapes import Shape, random_dictionaries, random_model, random_pairs
from circuitscope.dictionaries import Dictionaries, Dictionary
from circuitscope.effects import EdgeEntries, NodeEffects, Rows, edge_effects, node_effects
from circuitscope.effects.quadrature import quadrature
from circuitscope.model import Edit, LanguageModel
from circuitscope.tasks import Inputs, Metric, make_inputs, metric_named
from circuitscope.terms import ERROR, Site

Result = TypeVar("Result")
out = Console()


def main() -> None:
    options = parse()
    measured = run(options, "float32")
    checked = measured if options.no_check else run(options, "float64")
    out.print(
        f"{options.layers} layers, width {options.width}, {3 * options.layers + 1} dictionaries of "
        f"{options.features} features, {options.batch} × {options.length} tokens, "
        f"{torch.get_num_threads()} threads"
    )
    where = "float32" if options.no_check else "float64"
    table = Table("effects", "naive", "circuitscope", "ratio", f"largest difference in {where}")
    for name, fast in measured.items():
        difference = checked[name].difference
        table.add_row(name, *fast.times, "another quadrature" if difference is None else f"{difference:.1e}")
    out.print(table)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--layers", type=int, default=4, help="blocks (default: 4)")
    parser.add_argument("--width", type=int, default=128, help="width of the residual stream (default: 128)")
    parser.add_argument("--vocab", type=int, default=512, help="entries of the embedding (default: 512)")
    parser.add_argument("--features", type=int, default=2048, help="features per dictionary (default: 2048)")
    parser.add_argument("--active", type=int, default=50, help="active features per token (default: 50)")
    parser.add_argument("--batch", type=int, default=4, help="pairs (default: 4)")
    parser.add_argument("--length", type=int, default=12, help="tokens of a text (default: 12)")
    parser.add_argument("--rows", type=int, default=320, help="downstream rows (default: 320)")
    parser.add_argument("--points", type=int, default=10, help="quadrature points (default: 10)")
    parser.add_argument("--tries", type=int, default=3, help="runs, of which the fastest counts (default: 3)")
    parser.add_argument(
        "--no-check", action="store_true", help="do not compare in float64, which needs twice the memory"
    )
    return parser.parse_args()


# -- both sides, clocked and compared --------------------------------------------------------------------


@dataclass(frozen=True)
class Outcome:
    """Seconds of both sides, and the largest difference of their results, relative to the largest entry."""

    naive: float
    ours: float
    difference: float | None = None

    @property
    def times(self) -> tuple[str, str, str]:
        return f"{self.naive:.2f} s", f"{self.ours:.3f} s", f"{self.naive / self.ours:.1f}"


def run(options: argparse.Namespace, dtype: str) -> dict[str, Outcome]:
    """Every comparison in one number format. Times are those of float32, equality is seen in float64.

    In float32 the naive side's rounding moves some features across 0, which changes errors' rows visibly.
    """
    shape = Shape(options.layers, options.width, max(1, options.width // 64), options.vocab)
    model = random_model(shape, dtype=dtype)
    pairs = random_pairs(options.batch, options.length, shape.vocab)
    inputs = make_inputs(pairs, has_bos=False)
    dictionaries = random_dictionaries(model, inputs.clean, options.features, options.active)
    metric = metric_named("logit-difference", pairs=True)
    outcomes, effects = compare_nodes(
        model, dictionaries, inputs, metric, points=options.points, tries=options.tries
    )
    rows = strongest_rows(effects, options.rows)
    count = sum(map(len, rows.values()))
    outcomes[f"edges into {count} rows"] = compare_edges(
        model, dictionaries, effects, rows, tries=options.tries
    )
    return outcomes


def compare_nodes(
    model: LanguageModel,
    dictionaries: Dictionaries,
    inputs: Inputs,
    metric: Metric,
    *,
    points: int,
    tries: int,
) -> tuple[dict[str, Outcome], NodeEffects]:
    """The same quadrature on both sides, and then our own choice of points."""
    slow, theirs = fastest(tries, lambda: naive_node_effects(model, dictionaries, inputs, metric, points))
    fast, ours = fastest(
        tries, lambda: node_effects(model, dictionaries, inputs, metric, rule="left", points=points)
    )
    difference = max(largest_difference(dense_nodes(ours, site), theirs[site]) for site in theirs)
    usual, effects = fastest(tries, lambda: node_effects(model, dictionaries, inputs, metric))
    used = sum(side.points for side in effects.sites.values()) / len(effects.sites)
    outcomes = {
        f"nodes, left-{points}": Outcome(slow, fast, difference),
        f"nodes, ours with gauss ({used:.1f} points on average)": Outcome(slow, usual),
    }
    return outcomes, effects


def compare_edges(
    model: LanguageModel,
    dictionaries: Dictionaries,
    effects: NodeEffects,
    rows: Mapping[Site, Rows],
    *,
    tries: int,
) -> Outcome:
    """The same downstream rows on both sides."""
    slow, theirs = fastest(tries, lambda: naive_edge_effects(model, dictionaries, effects, rows))
    fast, ours = fastest(tries, lambda: edge_effects(model, dictionaries, effects, rows))
    if set(ours) != set(theirs):
        raise SystemExit(f"the pairs of sites differ: {sorted(map(str, set(ours) ^ set(theirs)))}")
    difference = max(
        largest_difference(dense_edges(ours[pair], rows[pair[1]], theirs[pair]), theirs[pair])
        for pair in theirs
    )
    return Outcome(slow, fast, difference)


def fastest(tries: int, work: Callable[[], Result]) -> tuple[float, Result]:
    """The shortest time of some tries, and the last result."""
    shortest = float("inf")
    for _ in range(tries):
        started = time.perf_counter()
        result = work()
        shortest = min(shortest, time.perf_counter() - started)
    return shortest, result


def largest_difference(ours: Tensor, theirs: Tensor) -> float:
    """The largest difference, relative to the largest entry."""
    return float((ours - theirs).abs().max() / theirs.abs().max().clamp(min=1e-30))


def dense_nodes(effects: NodeEffects, site: Site) -> Tensor:
    """Our effects of a site as (batch, position, feature + 1), the error last."""
    side = effects.sites[site]
    dense = side.feature_effect.new_zeros(side.features.n_tokens, side.features.n_features)
    dense[side.features.token, side.features.feature] = side.feature_effect
    batch, positions = side.error_effect.shape
    return torch.cat([dense.view(batch, positions, -1), side.error_effect[:, :, None]], dim=-1)


def dense_edges(entries: EdgeEntries, rows: Rows, like: Tensor) -> Tensor:
    """Our edges of a pair of sites as (row, batch, position, feature + 1)."""
    dense = torch.zeros_like(like)
    dense[entries.row, rows.example[entries.row], entries.position, entries.feature] = entries.effect
    return dense


def strongest_rows(effects: NodeEffects, count: int) -> dict[Site, Rows]:
    """The strongest nodes at tokens as downstream rows: features active at clean, and a tenth of errors."""
    entries = []
    for site, side in effects.sites.items():
        strength = side.feature_effect.abs() * (side.features.clean != 0)
        entries += [(float(value), site, entry) for entry, value in enumerate(strength)]
    chosen = sorted(entries, key=lambda entry: -entry[0])[: count - count // 10]
    per_site = -(-(count // 10) // len(effects.sites))
    return {
        site: site_rows(effects, site, [entry for _, other, entry in chosen if other == site], per_site)
        for site in effects.sites
    }


def site_rows(effects: NodeEffects, site: Site, chosen: list[int], errors: int) -> Rows:
    side = effects.sites[site]
    positions = effects.inputs.clean.positions
    token_of_error = side.error_effect.flatten().abs().topk(errors).indices
    token = torch.cat([side.features.token[chosen], token_of_error])
    feature = torch.cat([side.features.feature[chosen], torch.full_like(token_of_error, ERROR)])
    return Rows(token // positions, token % positions, feature)


# -- naive node effects ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Dense:
    """One site as dense features and error."""

    dictionary: Any
    features: Tensor
    error: Tensor

    @classmethod
    def of(cls, dictionary: Dictionary, x: Tensor) -> Dense:
        features = dictionary.encode(x)
        return cls(dictionary, features, x - decode(dictionary, features))


def decode(dictionary: Any, features: Tensor) -> Tensor:
    return features @ dictionary.w_dec + dictionary.b_dec


def naive_node_effects(
    model: LanguageModel, dictionaries: Dictionaries, inputs: Inputs, metric: Metric, points: int
) -> dict[Site, Tensor]:
    """Integrated gradients over dense features, as (batch, position, feature + 1) per site."""
    clean, patch = (
        dense_sites(model, dictionaries, inputs),
        dense_sites(model, dictionaries, inputs.swapped()),
    )
    return {
        site: integrated(model, dictionaries, inputs, metric, points, site, clean[site], patch[site])
        for site in dictionaries
    }


def dense_sites(model: LanguageModel, dictionaries: Dictionaries, inputs: Inputs) -> dict[Site, Dense]:
    cache = model.capture(inputs.clean, dictionaries.taps(model), inputs.clean.last[:, None])
    return {site: Dense.of(dictionary, cache.x[site]) for site, dictionary in dictionaries.items()}


def integrated(
    model: LanguageModel,
    dictionaries: Dictionaries,
    inputs: Inputs,
    metric: Metric,
    points: int,
    site: Site,
    clean: Dense,
    patch: Dense,
) -> Tensor:
    """The gradient averaged over the points, times the difference of patch and clean."""
    of_features, of_error = torch.zeros_like(clean.features), torch.zeros_like(clean.error)
    for alpha, weight in zip(*quadrature("left", points), strict=True):
        features = ((1 - alpha) * clean.features + alpha * patch.features).requires_grad_()
        error = ((1 - alpha) * clean.error + alpha * patch.error).requires_grad_()
        edits = {site: (model.tap(site), put(decode(clean.dictionary, features) + error))}
        logits = model.logits(inputs.clean, metric.positions(inputs), edits)
        metric(logits, inputs).sum().backward()
        of_features += weight * features.grad
        of_error += weight * error.grad
    error_effect = (of_error * (patch.error - clean.error)).sum(dim=-1, keepdim=True)
    return torch.cat([of_features * (patch.features - clean.features), error_effect], dim=-1)


def put(value: Tensor) -> Edit:
    return lambda _: value


# -- naive edge effects ----------------------------------------------------------------------------------


def naive_edge_effects(
    model: LanguageModel, dictionaries: Dictionaries, effects: NodeEffects, rows: Mapping[Site, Rows]
) -> dict[tuple[Site, Site], Tensor]:
    """Per pair of sites, a dense (row, batch, position, feature + 1)."""
    clean = dense_sites(model, dictionaries, effects.inputs)
    patch = dense_sites(model, dictionaries, effects.inputs.swapped())
    found: dict[tuple[Site, Site], Tensor] = {}
    for target, asked in rows.items():
        leaves, x = held_graph(model, dictionaries, effects.inputs, clean, target)
        if x.requires_grad:
            of_rows = [
                row_edges(effects, target, asked, row, leaves, x, clean, patch) for row in range(len(asked))
            ]
            for site in of_rows[0] if of_rows else ():
                found[site, target] = torch.stack([dense[site] for dense in of_rows])
    return found


def held_graph(
    model: LanguageModel,
    dictionaries: Dictionaries,
    inputs: Inputs,
    clean: Mapping[Site, Dense],
    target: Site,
) -> tuple[dict[Site, Dense], Tensor]:
    """The target's tensor in a run in which every other site hangs on leaves of its own."""
    leaves = {
        site: Dense(
            side.dictionary, side.features.clone().requires_grad_(), side.error.clone().requires_grad_()
        )
        for site, side in clean.items()
        if site != target
    }
    reached: dict[str, Tensor] = {}

    def reach(x: Tensor) -> Tensor:
        reached["x"] = x
        return x

    edits = {
        site: (model.tap(site), put(decode(leaf.dictionary, leaf.features) + leaf.error))
        for site, leaf in leaves.items()
    }
    model.logits(inputs.clean, inputs.clean.last[:, None], {**edits, target: (model.tap(target), reach)})
    return leaves, reached["x"]


def row_edges(
    effects: NodeEffects,
    target: Site,
    rows: Rows,
    row: int,
    leaves: Mapping[Site, Dense],
    x: Tensor,
    clean: Mapping[Site, Dense],
    patch: Mapping[Site, Dense],
) -> dict[Site, Tensor]:
    """One backward pass: the edges from every upstream site into one row."""
    sites = list(leaves)
    gradients = torch.autograd.grad(
        row_value(effects, target, rows, row, x),
        [leaf for site in sites for leaf in (leaves[site].features, leaves[site].error)],
        retain_graph=True,
        allow_unused=True,
    )
    found = {}
    for site, of_features, of_error in zip(sites, gradients[::2], gradients[1::2], strict=True):
        if of_features is not None:
            feature_effect = of_features * (patch[site].features - clean[site].features)
            error_effect = (of_error * (patch[site].error - clean[site].error)).sum(dim=-1, keepdim=True)
            found[site] = torch.cat([feature_effect, error_effect], dim=-1)
    return found


def row_value(effects: NodeEffects, target: Site, rows: Rows, row: int, x: Tensor) -> Tensor:
    """The row's activation, from the target's tensor, times its averaged gradient."""
    side: Any = effects.sites[target]
    example, position, feature = (int(column[row]) for column in vars(rows).values())
    gradient = side.gradient[example, position]
    features = side.dictionary.encode(x[example, position][None])
    if feature == ERROR:
        error = x[example, position] - decode(side.dictionary, features)[0]
        return (gradient * error).sum()
    return (gradient @ side.dictionary.w_dec[feature]) * features[0, feature]


if __name__ == "__main__":
    main()
