"""Ablated runs: the model with the nodes outside a set put to their ablation values.

At every ablated site, with x as it is in the run by then, f = encode(x) and ε its error, a and ē the ablation
values, K the features in the set, and E whether the error is in it:

* keeping the set: x' = decode(a) + Σ_{i∈K} (f_i − a_i) v_i + (ε if E else ē);
* keeping the complement: x' = decode(f) − Σ_{i∈K} (f_i − a_i) v_i + (ē if E else ε).

Both are written so that only the features of the set are encoded, unless ε alone is needed; kinds whose
activations depend on each other (TopK) encode all.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Required, TypedDict, Unpack

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from circuitscope.dictionaries import Dictionaries, Dictionary
from circuitscope.errors import BadInput
from circuitscope.evaluation.baseline import Baseline, SiteBaseline
from circuitscope.evaluation.node_set import NodeSet, SiteNodes
from circuitscope.model import RESID, Edit, Edits, LanguageModel, Tap, TokenBatch
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
    after: tuple[int, Tensor]
    """A block, and the stream after it, to go on from; the sites lie behind it. From the tokens if not given."""
    seen: dict[int, Tensor]
    """Is given the stream after every block that runs, but for the last one."""


def ablated_metric(
    model: LanguageModel,
    dictionaries: Dictionaries,
    inputs: Inputs,
    metric: Metric,
    kept: NodeSet,
    baseline: Baseline,
    **what: Unpack[Ablated],
) -> Float[Tensor, " batch"]:
    """m of clean inputs with everything outside ``kept`` ablated, or with ``complement`` everything inside.

    If ``kept`` has several sets, the inputs have every example once for each, one set after the other.
    """
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
        values = baseline.at(site, batch, kept[site].features).for_rows(inputs.clean.batch)
        edits[site] = (
            taps[site],
            _edit(dictionaries[site], inputs.clean, kept[site], values, complement, errors),
        )
    first, stream = what.get("after", (-1, None))
    if "seen" in what:
        edits |= _watched(edits, range(first + 1, model.n_layers - 1), what["seen"])
    asked, only = metric.narrowed(inputs)
    positions = metric.positions(inputs)
    with torch.no_grad():
        if stream is None:
            logits = model.logits(inputs.clean, positions, edits, only)
        else:
            logits = model.replay(first, stream, inputs.clean, positions, edits, only)
        return metric(logits, asked)


def _watched(edits: Edits, layers: Iterable[int], seen: dict[int, Tensor]) -> Edits:
    """Edits of the blocks' outputs that also note in ``seen`` what the model continues with."""

    def noting(layer: int, edit: Edit) -> Edit:
        def note(x: Tensor) -> Tensor:
            seen[layer] = edit(x)
            return seen[layer]

        return note

    found = {}
    for layer in layers:
        site = Site("resid", layer)
        tap, edit = edits.get(site, (RESID, _as_it_is))
        found[site] = (tap, noting(layer, edit))
    return found


def _as_it_is(x: Tensor) -> Tensor:
    return x


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
    in_set = _everywhere(nodes.error[:, :, None], tokens)[:, :, 0]
    return ~in_set if complement else in_set


def _everywhere(by_place: Tensor, tokens: TokenBatch) -> Tensor:
    """(set, place, n) as (batch, position, n): each row of tokens has its set, and takes what its positions have."""
    sets, places = by_place.shape[:2]
    if sets == places == 1:
        return by_place.expand(tokens.batch, tokens.positions, -1)
    row = torch.arange(tokens.batch, device=by_place.device) // (tokens.batch // sets)
    if places == 1:
        return by_place[row].expand(-1, tokens.positions, -1)
    return by_place[row[:, None], tokens.position_ids.clamp(max=places - 1)]


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
