"""Masked runs: ablated runs in which every candidate is kept by a share between 0 and 1, so that it has a slope.

With a site's f = encode(x) and error ε as they are in the run by then, the ablation values a and ē, and a share w per
candidate node, the site becomes

    x' = decode(a) + Σ_i w_i (f_i − a_i) v_i + ē + w_ε (ε − ē).

Nodes that are not candidates have the share 0. Shares of 0 and 1 give the ablated run of the same nodes
(``evaluation.ablated``), and ∂m/∂w_i at w = 1 is, to first order, what leaving node i out of the circuit changes:
its effect within the circuit. One backward pass gives it for all candidates.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy.typing import NDArray
from torch import Tensor

from circuitscope.dictionaries import Dictionary
from circuitscope.evaluation import AblatedRuns, FaithfulnessScale, SiteBaseline, Start
from circuitscope.model import Edit, Tap, TokenBatch
from circuitscope.results import Nodes
from circuitscope.tasks import Inputs
from circuitscope.terms import ERROR, Site


@dataclass(frozen=True)
class _MaskIndex:
    """Where the candidates of one site are in its masks."""

    features: Int[Tensor, " some"]
    """Every feature that is a candidate at some position, ascending."""
    of_feature: tuple[Tensor, Tensor, Tensor]
    """Row among the candidates, place and column (among ``features``) of every feature candidate."""
    of_error: tuple[Tensor, Tensor]
    """Row among the candidates and place of every error candidate."""

    def feature_mask(self, shares: Tensor, places: int) -> Float[Tensor, "place some"]:
        row, place, column = self.of_feature
        return shares.new_zeros(places, len(self.features)).index_put((place, column), shares[row])

    def error_mask(self, shares: Tensor, places: int, errors: str) -> Float[Tensor, "place 1"]:
        if errors != "circuit":
            return shares.new_full((places, 1), float(errors == "keep"))
        row, place = self.of_error
        return shares.new_zeros(places).index_put((place,), shares[row])[:, None]


class MaskedRuns:
    """Ablated runs whose candidates are kept by shares."""

    def __init__(
        self, runs: AblatedRuns, candidates: Nodes, sites: Collection[Site], start: Start | None = None
    ) -> None:
        """``candidates`` are nodes of ``sites``, the sites that are ablated; each node once.

        ``start`` is where to go on from, before the first of ``sites``; by default from the tokens.
        """
        self._runs, self._start = runs, start
        self._sites = tuple(sites)
        self._places = {
            site: _places(candidates, index, runs.model.device)
            for index, site in enumerate(runs.dictionaries)
            if site in self._sites
        }
        self._taps = runs.dictionaries.taps(runs.model)

    def values(self, shares: Float[Tensor, " candidate"]) -> Float[Tensor, " example"]:
        """−m of every example, as ``AblatedRuns.run`` has it; autograd as the caller has it."""
        return torch.cat([self._batch(shares, number) for number in range(len(self._runs.inputs))])

    def slopes(self, shares: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """−m of every example, and the gradient of its mean with respect to every candidate's share.

        Batch by batch, so that no more than one batch's graph is held at a time.
        """
        model = self._runs.model
        leaf = torch.tensor(shares, dtype=model.dtype, device=model.device, requires_grad=True)
        values, gradient = [], torch.zeros(len(shares), dtype=torch.float64)
        for number in range(len(self._runs.inputs)):
            with torch.enable_grad():
                value = self._batch(leaf, number)
                (part,) = torch.autograd.grad(value.double().sum(), leaf)
            values.append(value.detach().double().cpu())
            gradient += part.double().cpu()
        every = torch.cat(values)
        return every.numpy(), (gradient / len(every)).numpy()

    def _batch(self, shares: Tensor, number: int) -> Tensor:
        runs, inputs = self._runs, self._runs.inputs[number]
        edits = {site: self._edit(site, inputs, shares, number) for site in self._sites}
        positions, (asked, only) = runs.metric.positions(inputs), runs.metric.narrowed(inputs)
        if self._start is None:
            logits = runs.model.logits(inputs.clean, positions, edits, only)
        else:
            stream = self._start.streams[number]
            logits = runs.model.replay(self._start.layer, stream, inputs.clean, positions, edits, only)
        return -runs.metric(logits, asked)

    def _edit(self, site: Site, inputs: Inputs, shares: Tensor, number: int) -> tuple[Tap, Edit]:
        runs, places = self._runs, self._places[site]
        values = runs.baseline.at(site, number, places.features)
        dictionary, tokens = runs.dictionaries[site], inputs.clean
        place = tokens.position_ids.clamp(max=runs.places - 1)
        feature_mask = places.feature_mask(shares, runs.places)[place]
        error_mask = places.error_mask(shares, runs.places, runs.errors)[place]
        needs_error = runs.errors == "keep" or (runs.errors == "circuit" and len(places.of_error[0]) > 0)

        def replace(x: Tensor) -> Tensor:
            new = (
                values.decoded + _change(dictionary, places.features, feature_mask, values, x) + values.error
            )
            if needs_error:
                new = new + error_mask * (_error(dictionary, x, tokens) - values.error)
            return torch.where(tokens.live[:, :, None], new, x)

        return self._taps[site], replace


def share_slopes(
    scale: FaithfulnessScale, nodes: Nodes, shares: NDArray[np.float64]
) -> tuple[float, NDArray[np.float64]]:
    """Faithfulness of a masked run, and its gradient with respect to every node's share."""
    values, gradient = MaskedRuns(scale.runs, nodes, scale.sites, scale.start).slopes(shares)
    return scale.share(values), gradient / scale.span


def _places(candidates: Nodes, index: int, device: torch.device) -> _MaskIndex:
    here = np.flatnonzero(candidates.site == index)
    feature, place = candidates.feature[here], np.maximum(candidates.position[here], 0)
    is_error = feature == ERROR
    features, column = np.unique(feature[~is_error], return_inverse=True)

    def moved(numbers: NDArray[Any]) -> Tensor:
        return torch.from_numpy(numbers.astype(np.int64)).to(device)

    return _MaskIndex(
        moved(features),
        (moved(here[~is_error]), moved(place[~is_error]), moved(column)),
        (moved(here[is_error]), moved(place[is_error])),
    )


def _change(
    dictionary: Dictionary, features: Tensor, mask: Tensor, values: SiteBaseline, x: Tensor
) -> Float[Tensor, "batch position width"]:
    """Σ_i w_i (f_i − a_i) v_i."""
    if len(features) == 0:
        return torch.zeros_like(x)
    f = dictionary.encode_some(x.reshape(-1, x.shape[-1]), features).view(*x.shape[:2], -1)
    change: Tensor = ((f - values.features) * mask) @ dictionary.write_vectors(features)
    return change


def _error(dictionary: Dictionary, x: Tensor, tokens: TokenBatch) -> Float[Tensor, "batch position width"]:
    """ε at the live tokens, 0 elsewhere."""
    live: Tensor = tokens.live
    found: Tensor = _Error.apply(x[live], dictionary)  # type: ignore[no-untyped-call]
    return torch.zeros_like(x).masked_scatter(live[:, :, None], found)


class _Error(torch.autograd.Function):
    """ε = x − decode(encode(x)), whose derivative is known in closed form from the active features alone."""

    @staticmethod
    def forward(context: Any, x: Tensor, dictionary: Dictionary) -> Tensor:
        active = dictionary.encode_active(x)
        context.save_for_backward(x)
        context.dictionary, context.active = dictionary, active
        return x - dictionary.decode(active, x)

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (x,), (gradient,) = context.saved_tensors, gradients
        return gradient - context.dictionary.pull_back(x, context.active, gradient), None
