"""Ablated runs: the model with the nodes outside a set put to their ablation values.

At every ablated site, with x as it is in the run by then, f = encode(x) and ε its error, a and ē the ablation
values, K the features in the set, and E whether the error is in it:

* keeping the set: x' = decode(a) + Σ_{i∈K} (f_i − a_i) v_i + (ε if E else ē);
* keeping the complement: x' = decode(f) − Σ_{i∈K} (f_i − a_i) v_i + (ē if E else ε).

Both are written so that only the features of the set are encoded, unless ε alone is needed; kinds whose
activations depend on each other (TopK) encode all.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Required, TypedDict, Unpack

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from circuitscope.dictionaries import Dictionaries, Dictionary
from circuitscope.errors import BadInput
from circuitscope.evaluation.baseline import Baseline, SiteBaseline
from circuitscope.evaluation.node_set import NodeSet, SiteNodes
from circuitscope.model import Edit, LanguageModel, Tap, TokenBatch
from circuitscope.tasks import Inputs, Metric
from circuitscope.terms import Site

ERRORS = ("circuit", "keep", "remove")


class Ablated(TypedDict, total=False):
    """What is ablated in a run."""

    sites: Required[Collection[Site]]
    """The sites to ablate; others are untouched."""
    complement: bool
    """Ablate what would otherwise be kept; False if not given."""
    errors: str
    """``circuit`` (the usual) treats error nodes as the set says, ``keep`` keeps all, ``remove`` ablates all."""
    batch: int
    """Which batch of the baseline's inputs this is (``resample`` draws per example); 0 if not given."""


def ablated_metric(
    model: LanguageModel,
    dictionaries: Dictionaries,
    inputs: Inputs,
    metric: Metric,
    kept: NodeSet,
    baseline: Baseline,
    **what: Unpack[Ablated],
) -> Float[Tensor, " batch"]:
    """m of clean inputs with everything outside ``kept`` ablated, or with ``complement`` everything inside."""
    complement, errors, batch = (
        what.get("complement", False),
        what.get("errors", "circuit"),
        what.get("batch", 0),
    )
    if errors not in ERRORS:
        raise BadInput(f"errors = {errors!r}", expected=" or ".join(ERRORS))
    taps = dictionaries.taps(model)
    edits: dict[Site, tuple[Tap, Edit]] = {}
    for site in what["sites"]:
        values = baseline.at(site, batch, kept[site].features)
        edits[site] = (
            taps[site],
            _edit(dictionaries[site], inputs.clean, kept[site], values, complement, errors),
        )
    with torch.no_grad():
        logits = model.logits(inputs.clean, metric.positions(inputs), edits)
        return metric(logits, inputs)


def _edit(
    dictionary: Dictionary,
    tokens: TokenBatch,
    nodes: SiteNodes,
    values: SiteBaseline,
    complement: bool,
    errors: str,
) -> Edit:
    error_kept = _error_kept(tokens, nodes, complement, errors)

    def replace(x: Tensor) -> Tensor:
        change = _change(dictionary, tokens, nodes, values, x)
        # When the set is kept, the error needs everything encoded; for the complement, its absence does.
        needed = tokens.live & (error_kept if not complement else ~error_kept)
        error = _error(dictionary, x, needed)
        kept, gone = error_kept[:, :, None], values.error.expand_as(x)
        if complement:
            new = x - change + torch.where(kept, 0.0, gone - error)
        else:
            new = values.decoded.expand_as(x) + change + torch.where(kept, error, gone)
        return torch.where(tokens.live[:, :, None], new, x)

    return replace


def _error_kept(
    tokens: TokenBatch, nodes: SiteNodes, complement: bool, errors: str
) -> Bool[Tensor, "batch position"]:
    if errors == "keep":
        return torch.ones_like(tokens.mask)
    if errors == "remove":
        return torch.zeros_like(tokens.mask)
    in_set = _everywhere(nodes.error[:, None], tokens)[:, :, 0]
    return ~in_set if complement else in_set


def _everywhere(by_place: Tensor, tokens: TokenBatch) -> Tensor:
    """(place, n) as (batch, position, n), each token taking the row of its position."""
    if by_place.shape[0] == 1:
        return by_place[None].expand(tokens.batch, tokens.positions, -1)
    return by_place[tokens.position_ids.clamp(max=by_place.shape[0] - 1)]


def _change(
    dictionary: Dictionary, tokens: TokenBatch, nodes: SiteNodes, values: SiteBaseline, x: Tensor
) -> Float[Tensor, "batch position width"]:
    """Σ_{i∈K} (f_i − a_i) v_i."""
    if len(nodes.features) == 0:
        return torch.zeros_like(x)
    f = dictionary.encode_some(x.reshape(-1, x.shape[-1]), nodes.features)
    difference = (f.view(*x.shape[:2], -1) - values.features) * _everywhere(nodes.at, tokens)
    return difference @ dictionary.write_vectors(nodes.features)


def _error(
    dictionary: Dictionary, x: Tensor, needed: Bool[Tensor, "batch position"]
) -> Float[Tensor, "batch position width"]:
    """ε at the tokens where it is needed, 0 elsewhere."""
    out = torch.zeros_like(x)
    if bool(needed.any()):
        some = x[needed]
        out[needed] = some - dictionary.decode(dictionary.encode_active(some), some)
    return out
