"""ablate: hold nodes at a value while a model runs.

While the context lasts, at every site that has one of the nodes the tensor x becomes

    x' = x + Σ_i (a_i − f_i(x)) v_i  (− ε(x) where the site's error is one of them),

with a_i the value asked for. Everything else of the site stays: it is an edit of the run, not a circuit that is
kept while the rest is ablated (that is ``evaluate``). It holds for ``model.logits``, for the HuggingFace model
itself called with token ids, and for its ``generate``, without a cache or with the usual growing one. BOS and
padding are never touched.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, cast

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from circuitscope.dictionaries import Dictionaries, Dictionary
from circuitscope.errors import BadInput
from circuitscope.model import Edit, LanguageModel, Tap, hooked
from circuitscope.results import Circuit
from circuitscope.terms import SUMMED, NodeId, Site

Value = float | Mapping[NodeId | str, float]


@contextmanager
def ablate(
    model: LanguageModel,
    dictionaries: Dictionaries,
    nodes: Circuit | Iterable[NodeId | str],
    value: Value | None = None,
) -> Iterator[LanguageModel]:
    """Hold nodes at a value while the context lasts; yields the model.

    Args:
        nodes: names such as ``resid_3/1024``, ``resid_3/1024@5``, ``resid_3/error``, or a circuit's nodes. One
            without a position holds at every token; one with a position, counted from 0 with BOS included, at
            that token of every text. A mapping from nodes brings their values along.
        value: the activation that features are held at, in the model's own units: one number for all, or one per
            node; 0 if neither this nor ``nodes`` says. An error can only be removed (0).

    Raises:
        BadInput: a node's site has no dictionary, its dictionary has no such feature, or a value is missing.

    Example::

        with cs.ablate(model, dictionaries, ["resid_2/117"]) as edited:
            ids = edited.hf.generate(**edited.tokenizer("The chefs", return_tensors="pt"))
    """
    if value is None:
        value = nodes if isinstance(nodes, Mapping) else 0.0
    wanted = _by_site(dictionaries, nodes, value)
    current = _Current()
    taps = dictionaries.taps(model)
    edits: dict[Site, tuple[Tap, Edit]] = {
        site: (taps[site], _edit(dictionaries[site], held, current)) for site, held in wanted.items()
    }
    with current.watching(model), hooked(model.blocks, edits):
        yield model


@dataclass(frozen=True)
class _Held:
    """What is held at one site; a row per feature and position."""

    feature: Int[Tensor, " row"]
    position: Int[Tensor, " row"]
    """``SUMMED`` for every position."""
    value: Float[Tensor, " row"]
    error: tuple[int, ...]
    """Positions at which the error is removed; ``SUMMED`` for all."""


def _by_site(
    dictionaries: Dictionaries, nodes: Circuit | Iterable[NodeId | str], value: Value
) -> dict[Site, _Held]:
    ids = _parsed(nodes.ids if isinstance(nodes, Circuit) else nodes)
    values = _values(ids, value)
    for node in ids:
        _check(node, dictionaries, values[node])
    found = {}
    for site in sorted({node.site for node in ids}):
        here = [node for node in ids if node.site == site]
        features = [node for node in here if not node.is_error]
        weight = dictionaries[site].bias(torch.zeros(1, dictionaries[site].width))
        found[site] = _Held(
            torch.tensor([node.feature for node in features], dtype=torch.long, device=weight.device),
            torch.tensor([node.position for node in features], dtype=torch.long, device=weight.device),
            torch.tensor([values[node] for node in features], dtype=weight.dtype, device=weight.device),
            tuple(node.position for node in here if node.is_error),
        )
    return found


def _parsed(nodes: Iterable[NodeId | str]) -> list[NodeId]:
    """Each node once; one that holds everywhere and at a position as well would be held twice there."""
    if isinstance(nodes, str):
        nodes = [nodes]
    ids = list(dict.fromkeys(map(_named, nodes)))
    everywhere = {(node.site, node.feature) for node in ids if node.position == SUMMED}
    twice = [node for node in ids if node.position != SUMMED and (node.site, node.feature) in everywhere]
    if twice:
        raise BadInput(
            f"{twice[0]} is named, and {NodeId(twice[0].site, twice[0].feature)} too, which holds at every position",
            expected="a feature either at every position or at some",
            mend="leave one of the two out",
        )
    return ids


def _named(node: NodeId | str) -> NodeId:
    return node if isinstance(node, NodeId) else NodeId.parse(node)


def _values(ids: list[NodeId], value: Value) -> dict[NodeId, float]:
    if not isinstance(value, Mapping):
        return dict.fromkeys(ids, float(value))
    given = {_named(name): float(number) for name, number in value.items()}
    missing = [str(node) for node in ids if node not in given]
    unknown = [str(node) for node in given if node not in ids]
    if missing or unknown:
        raise BadInput(
            f"no value for {', '.join(missing[:5])}"
            if missing
            else f"a value for {', '.join(unknown[:5])}, not among the nodes",
            expected="a value for every node and for no other, or one number for all",
            mend="make nodes and values agree",
        )
    return given


def _check(node: NodeId, dictionaries: Dictionaries, value: float) -> None:
    if node.site not in dictionaries:
        raise BadInput(
            f"{node}: there is no dictionary for {node.site}",
            expected=", ".join(map(str, dictionaries)),
            mend="choose a node of one of these sites",
        )
    count = dictionaries[node.site].n_features
    if node.feature >= count:
        raise BadInput(f"{node}: its dictionary has {count} features", expected=f"0 to {count - 1}, or error")
    if not math.isfinite(value):
        raise BadInput(f"{node} held at {value}", expected="a finite number")
    if node.is_error and value != 0:
        raise BadInput(f"{node} held at {value:g}", expected="0: an error has no activation, it can only go")


class _Current:
    """Which tokens the running forward pass is about; generation with a cache feeds a few at a time."""

    def __init__(self) -> None:
        self.position: Tensor
        """(batch, position): each token's position in its text."""
        self.live: Tensor
        """(batch, position): neither padding nor BOS."""

    @contextmanager
    def watching(self, model: LanguageModel) -> Iterator[None]:
        """Follow the forward passes of a model."""
        bos = getattr(model.config if model.tokenizer is None else model.tokenizer, "bos_token_id", None)

        def look(module: nn.Module, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> None:
            ids = keywords["input_ids"] if "input_ids" in keywords else arguments[0]
            cache = keywords.get("past_key_values")
            before = 0 if cache is None else int(cache.get_seq_length())
            mask = keywords.get("attention_mask")
            if mask is None:
                mask = ids.new_ones(ids.shape[0], before + ids.shape[1])
            self.position = (mask.long().cumsum(dim=1) - 1).clamp(min=0)[:, before : before + ids.shape[1]]
            real = mask[:, before : before + ids.shape[1]].bool()
            self.live = real if bos is None else real & ~((self.position == 0) & (ids == bos))

        base = cast(nn.Module, model.hf.base_model)
        handle = base.register_forward_pre_hook(look, with_kwargs=True)
        try:
            yield
        finally:
            handle.remove()


def _edit(dictionary: Dictionary, held: _Held, current: _Current) -> Edit:
    def hold(x: Tensor) -> Tensor:
        live = current.live.to(x.device)
        flat, position = x[live], current.position.to(x.device)[live]
        return x.masked_scatter(live[:, :, None], _held(dictionary, held, flat, position))

    return hold


def _held(
    dictionary: Dictionary, held: _Held, x: Float[Tensor, "token width"], position: Int[Tensor, " token"]
) -> Float[Tensor, "token width"]:
    """The tensor of some tokens with the nodes held."""
    if not len(x):
        return x
    new = x
    if len(held.feature):
        new = with_features_at(dictionary, x, held.feature, held.value, _at(held.position, position))
    if held.error:
        gone = _at(torch.tensor(held.error, device=x.device), position).any(dim=1)
        error = x - dictionary.decode(dictionary.encode_active(x), x)
        new = new - error * gone[:, None]
    return new


def with_features_at(
    dictionary: Dictionary,
    x: Float[Tensor, "token width"],
    features: Int[Tensor, " some"],
    value: Float[Tensor, " some"],
    where: Bool[Tensor, "token some"] | None = None,
) -> Float[Tensor, "token width"]:
    """x + Σ_i (a_i − f_i(x)) v_i: features held at values, where asked; all else, the error too, stays."""
    change = value - dictionary.encode_some(x, features)
    if where is not None:
        change = change * where
    return x + change @ dictionary.write_vectors(features)


def _at(wanted: Int[Tensor, " row"], position: Int[Tensor, " token"]) -> Bool[Tensor, "token row"]:
    """Whether a row is about a token's position."""
    return (wanted == SUMMED) | (wanted == position[:, None])
