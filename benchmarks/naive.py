"""A plain implementation of the published procedure, to measure circuitscope against.

It is what Marks et al. (2024) describe and what their code sets out to do, written down directly:

* node effects: for every site, a dense row of features and the error are interpolated at every quadrature point,
  decoded, and put into a run of the whole model with all its logits; one backward pass gives the gradient of every
  feature;
* edge effects: every site is rebuilt from dense features of its own, so that autograd follows direct paths only;
  then there is one backward pass per downstream (example, position, node), and each leaves a dense row over the
  features of every upstream site;
* ablated runs: every site is encoded, all features outside the circuit are replaced, and the row is decoded.

It is kinder than the published code in two ways: parameters gather no gradients, and one backward pass serves all
upstream sites of a row. The rule is left with the clean end, as the published code intends it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from circuitscope.dictionaries import Dictionaries, Dictionary
from circuitscope.effects import NodeEffects, Rows
from circuitscope.effects.quadrature import quadrature
from circuitscope.model import Edit, LanguageModel, TokenBatch
from circuitscope.tasks import Inputs, Metric
from circuitscope.terms import ERROR, Site


@dataclass(frozen=True)
class Dense:
    """One site as dense features and error."""

    dictionary: Any
    features: Tensor
    error: Tensor

    @classmethod
    def of(cls, dictionary: Dictionary, x: Tensor) -> Dense:
        features = encode(dictionary, x)
        return cls(dictionary, features, x - decode(dictionary, features))


def encode(dictionary: Dictionary, x: Tensor) -> Tensor:
    return dictionary.encode(x.reshape(-1, x.shape[-1])).view(*x.shape[:-1], -1)


def decode(dictionary: Any, features: Tensor) -> Tensor:
    return features @ dictionary.w_dec + dictionary.b_dec


def put(value: Tensor) -> Edit:
    return lambda _: value


def all_logits(model: LanguageModel, tokens: TokenBatch, edits: Mapping[Site, Any] | None = None) -> Tensor:
    """Logits at every token, as a plain run of the model computes them."""
    columns = torch.arange(tokens.positions, device=tokens.ids.device).expand(tokens.batch, -1)
    return model.logits(tokens, columns, edits)


def measured(metric: Metric, logits: Tensor, inputs: Inputs) -> Tensor:
    """The metric from the logits at every token."""
    columns = metric.positions(inputs)
    return metric(logits.gather(1, columns[:, :, None].expand(-1, -1, logits.shape[-1])), inputs)


def dense_sites(model: LanguageModel, dictionaries: Dictionaries, tokens: TokenBatch) -> dict[Site, Dense]:
    """Features and error of every site in a plain run."""
    seen: dict[Site, Tensor] = {}

    def look(site: Site) -> Edit:
        def edit(x: Tensor) -> Tensor:
            seen[site] = x
            return x

        return edit

    taps = dictionaries.taps(model)
    with torch.no_grad():
        all_logits(model, tokens, {site: (taps[site], look(site)) for site in dictionaries})
        return {site: Dense.of(dictionary, seen[site]) for site, dictionary in dictionaries.items()}


# -- node effects ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class NaiveNodes:
    """Effects and averaged gradients of every site, dense."""

    clean: Mapping[Site, Dense]
    patch: Mapping[Site, Dense]
    effects: Mapping[Site, Tensor]
    """(batch, position, feature + 1), the error last."""
    gradients: Mapping[Site, Tensor]
    """∂m/∂error averaged over the points, (batch, position, width): the same as ∂m/∂x."""


def naive_nodes(
    model: LanguageModel, dictionaries: Dictionaries, inputs: Inputs, metric: Metric, points: int
) -> NaiveNodes:
    """Integrated gradients over dense features, one site at a time, all points in one batch."""
    clean = dense_sites(model, dictionaries, inputs.clean)
    patch = dense_sites(model, dictionaries, inputs.swapped().clean)
    effects, gradients = {}, {}
    for site in dictionaries:
        effects[site], gradients[site] = _integrated(
            model, dictionaries, inputs, metric, points, site, clean[site], patch[site]
        )
    return NaiveNodes(clean, patch, effects, gradients)


def _integrated(
    model: LanguageModel,
    dictionaries: Dictionaries,
    inputs: Inputs,
    metric: Metric,
    points: int,
    site: Site,
    clean: Dense,
    patch: Dense,
) -> tuple[Tensor, Tensor]:
    alphas, weights = quadrature("left", points)
    alpha = clean.error.new_tensor(alphas)[:, None, None, None]
    weight = clean.error.new_tensor(weights)[:, None, None, None]
    features = ((1 - alpha) * clean.features + alpha * patch.features).requires_grad_()
    error = ((1 - alpha) * clean.error + alpha * patch.error).requires_grad_()
    x = (decode(clean.dictionary, features) + error).flatten(0, 1)
    copies = inputs.take(torch.arange(len(inputs), device=x.device).repeat(points))
    logits = all_logits(model, copies.clean, {site: (dictionaries.taps(model)[site], put(x))})
    of_features, of_error = torch.autograd.grad(measured(metric, logits, copies).sum(), [features, error])
    of_features, of_error = (weight * of_features).sum(0), (weight * of_error).sum(0)
    error_effect = (of_error * (patch.error - clean.error)).sum(dim=-1, keepdim=True)
    effect = torch.cat([of_features * (patch.features - clean.features), error_effect], dim=-1)
    return effect, of_error


# -- edge effects ------------------------------------------------------------------------------------------


def naive_edges(
    model: LanguageModel,
    dictionaries: Dictionaries,
    inputs: Inputs,
    nodes: NaiveNodes | NodeEffects,
    rows: Mapping[Site, Rows],
) -> dict[tuple[Site, Site], Tensor]:
    """Per pair of sites, a dense (row, batch, position, feature + 1)."""
    if isinstance(nodes, NodeEffects):
        clean = dense_sites(model, dictionaries, inputs.clean)
        patch = dense_sites(model, dictionaries, inputs.swapped().clean)
        gradients = {site: side.gradient for site, side in nodes.sites.items()}
    else:
        clean, patch, gradients = nodes.clean, nodes.patch, nodes.gradients
    found: dict[tuple[Site, Site], Tensor] = {}
    for target, asked in rows.items():
        leaves, x = _held_graph(model, dictionaries, inputs, clean, target)
        if not x.requires_grad:
            continue
        dense: dict[Site, list[Tensor]] = {}
        for row in range(len(asked)):
            value = _row_value(dictionaries[target], gradients[target], asked, row, x)
            for site, edges in _row_edges(value, leaves, clean, patch).items():
                dense.setdefault(site, []).append(edges)
        for site, edges_of_rows in dense.items():
            found[site, target] = torch.stack(edges_of_rows)
    return found


def _held_graph(
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

    taps = dictionaries.taps(model)
    edits = {
        site: (taps[site], put(decode(leaf.dictionary, leaf.features) + leaf.error))
        for site, leaf in leaves.items()
    }
    all_logits(model, inputs.clean, {**edits, target: (taps[target], reach)})
    return leaves, reached["x"]


def _row_value(dictionary: Any, gradients: Tensor | None, rows: Rows, row: int, x: Tensor) -> Tensor:
    """The row's activation, from the target's tensor, times its averaged gradient."""
    assert gradients is not None
    example, position, feature = (int(column[row]) for column in vars(rows).values())
    gradient = gradients[example, position]
    features = encode(dictionary, x[example, position][None])
    if feature == ERROR:
        error = x[example, position] - decode(dictionary, features)[0]
        return (gradient * error).sum()
    return (gradient @ dictionary.w_dec[feature]) * features[0, feature]


def _row_edges(
    value: Tensor, leaves: Mapping[Site, Dense], clean: Mapping[Site, Dense], patch: Mapping[Site, Dense]
) -> dict[Site, Tensor]:
    """One backward pass: the edges from every upstream site into one row."""
    gradients = torch.autograd.grad(
        value,
        [part for leaf in leaves.values() for part in (leaf.features, leaf.error)],
        retain_graph=True,
        allow_unused=True,
    )
    found = {}
    for site, of_features, of_error in zip(leaves, gradients[::2], gradients[1::2], strict=True):
        if of_features is not None:
            feature_effect = of_features * (patch[site].features - clean[site].features)
            error_effect = (of_error * (patch[site].error - clean[site].error)).sum(dim=-1, keepdim=True)
            found[site] = torch.cat([feature_effect, error_effect], dim=-1)
    return found


# -- a circuit, and its faithfulness -----------------------------------------------------------------------

Kept = Mapping[Site, Tensor]
"""Per site, which of (position, feature + 1) are in the circuit."""


def strongest(nodes: NaiveNodes, count: int) -> dict[Site, Tensor]:
    """The nodes with the largest |mean effect|, positions kept."""
    means = {site: effect.mean(dim=0) for site, effect in nodes.effects.items()}
    everything = torch.cat([mean.abs().flatten() for mean in means.values()])
    weakest = everything.kthvalue(len(everything) - count).values
    return {site: mean.abs() > weakest for site, mean in means.items()}


def rows_of(nodes: NaiveNodes, kept: Kept) -> dict[Site, Rows]:
    """Every kept node at every example where it is active at clean."""
    rows = {}
    for site, keep in kept.items():
        active = torch.cat(
            [nodes.clean[site].features, nodes.clean[site].error.abs().sum(-1, keepdim=True)], dim=-1
        )
        example, position, feature = ((active != 0) & keep).nonzero(as_tuple=True)
        is_error = feature == keep.shape[1] - 1
        rows[site] = Rows(example, position, torch.where(is_error, ERROR, feature))
    return rows


def naive_circuit(
    model: LanguageModel,
    dictionaries: Dictionaries,
    inputs: Inputs,
    metric: Metric,
    points: int,
    count: int,
) -> tuple[dict[Site, Tensor], dict[tuple[Site, Site], Tensor]]:
    """The strongest nodes, and the mean edges into them, dense."""
    nodes = naive_nodes(model, dictionaries, inputs, metric, points)
    kept = strongest(nodes, count)
    edges = naive_edges(model, dictionaries, inputs, nodes, rows_of(nodes, kept))
    return kept, {pair: block.sum(dim=0).sum(dim=0) / len(inputs) for pair, block in edges.items()}


def naive_ablated(
    model: LanguageModel,
    dictionaries: Dictionaries,
    inputs: Inputs,
    metric: Metric,
    kept: Kept,
    means: Mapping[Site, Dense],
) -> Tensor:
    """m with everything outside ``kept`` at its mean, site by site."""
    taps = dictionaries.taps(model)

    def ablate(site: Site) -> Edit:
        def edit(x: Tensor) -> Tensor:
            here = Dense.of(dictionaries[site], x)
            keep_features, keep_error = kept[site][:, :-1], kept[site][:, -1:]
            features = torch.where(keep_features, here.features, means[site].features)
            error = torch.where(keep_error, here.error, means[site].error)
            return decode(here.dictionary, features) + error

        return edit

    with torch.no_grad():
        logits = all_logits(model, inputs.clean, {site: (taps[site], ablate(site)) for site in dictionaries})
        return measured(metric, logits, inputs)


def naive_means(model: LanguageModel, dictionaries: Dictionaries, inputs: Inputs) -> dict[Site, Dense]:
    """Every site's mean over the patch inputs, position by position."""
    return {
        site: Dense(side.dictionary, side.features.mean(dim=0), side.error.mean(dim=0))
        for site, side in dense_sites(model, dictionaries, inputs.swapped().clean).items()
    }


def naive_faithfulness(
    model: LanguageModel, dictionaries: Dictionaries, inputs: Inputs, metric: Metric, kept: Kept
) -> float:
    """(m(C) − m(∅)) / (m(M) − m(∅)), with every site ablated."""
    means = naive_means(model, dictionaries, inputs)
    nothing = {site: torch.zeros_like(keep) for site, keep in kept.items()}
    with torch.no_grad():
        whole = measured(metric, all_logits(model, inputs.clean), inputs).mean()
    empty = naive_ablated(model, dictionaries, inputs, metric, nothing, means).mean()
    ours = naive_ablated(model, dictionaries, inputs, metric, kept, means).mean()
    return float((ours - empty) / (whole - empty))
