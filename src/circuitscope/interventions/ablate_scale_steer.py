"""ablate, scale, steer: what becomes of nodes while a model runs.

While such a context lasts, every site that has one of the nodes is changed as ``change`` says: ``ablate`` holds a
feature at a value a, ``scale`` multiplies its activation, ``steer`` adds to it,

    ablate  x' = x + (a − f_i(x)) v_i          an error: x' = x − ε(x)
    scale   x' = x + (s − 1) f_i(x) v_i        an error: x' = x + (s − 1) ε(x)
    steer   x' = x + t v_i

Everything else of the site stays: it is an edit of the run, not a circuit that is kept while the rest is ablated
(that is ``evaluate``). It applies to ``model.logits``, to the HuggingFace model itself called with token ids, and to
its ``generate``, without a cache or with the usual growing one. BOS and padding are never touched.

A context inside another comes after it. At a site that both change, the inner one reads the tensor that the outer
one has left, so the order matters: scaling what is held gives a different tensor than holding what is scaled. Edits
that are passed to ``model.logits`` come after all contexts.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager

import torch
from torch import Tensor

from circuitscope.dictionaries import Dictionaries, Dictionary
from circuitscope.errors import BadInput, expect
from circuitscope.interventions.asked_nodes import Numbers, Value, numbers_for
from circuitscope.interventions.change import SiteChange, at_live, changed
from circuitscope.interventions.running_tokens import RunningTokens
from circuitscope.model import Edit, LanguageModel, hooked
from circuitscope.results import Circuit
from circuitscope.terms import NodeId

log = logging.getLogger("circuitscope")

HOLD, SCALE, STEER = "held at", "scaled by", "steered by"


def ablate(
    model: LanguageModel,
    dictionaries: Dictionaries,
    nodes: Circuit | Iterable[NodeId | str],
    value: Value | None = None,
) -> AbstractContextManager[LanguageModel]:
    """Hold nodes at a value while the context lasts; yields the model.

    Args:
        nodes: names such as ``resid_3/1024``, ``resid_3/1024@5``, ``resid_3/error``, or a circuit's nodes. One
            without a position holds at every token; one with a position, counted from 0 with BOS included, at
            that token of every text. A mapping from nodes gives their values, too.
        value: the activation that features are held at, in the model's own units: one number for all, or one per
            node; 0 if neither this nor ``nodes`` says. An error can only be removed (0).

    Raises:
        BadInput: a node's site has no dictionary, its dictionary has no such feature, or a value is missing.

    Example::

        with cs.ablate(model, dictionaries, ["resid_2/117"]) as edited:
            ids = edited.hf.generate(**edited.tokenizer("The chefs", return_tensors="pt"))
    """
    call = "ablate(model, dictionaries, nodes, value)"
    expect(model, LanguageModel, "model", call)
    expect(dictionaries, Dictionaries, "dictionaries", call)
    expect(nodes, Circuit | Iterable, "nodes", call)
    if value is None:
        value = nodes if isinstance(nodes, Mapping) else 0.0
    numbers = numbers_for(nodes, value, dictionaries, HOLD)
    for node, number in numbers.items():
        if node.is_error and number != 0:
            raise BadInput(
                f"{node} {HOLD} {number:g}", expected="0: an error has no activation and can only be removed"
            )
    return _changing(model, dictionaries, numbers, HOLD)


def scale(
    model: LanguageModel, dictionaries: Dictionaries, factors: Numbers
) -> AbstractContextManager[LanguageModel]:
    """Multiply activations by a factor while the context lasts; yields the model.

    Args:
        factors: a factor for each node, whose names are as for ``ablate``: 0 removes a node, 1 leaves it as it is, 2
            doubles it. An error is multiplied as a whole.

    Raises:
        BadInput: as for ``ablate``.

    Example::

        with cs.scale(model, dictionaries, {"resid_2/117": 2, "resid_2/error": 0.5}) as edited:
            ids = edited.hf.generate(**edited.tokenizer("The chefs", return_tensors="pt"))
    """
    call = "scale(model, dictionaries, {node: factor})"
    expect(model, LanguageModel, "model", call)
    expect(dictionaries, Dictionaries, "dictionaries", call)
    expect(factors, Mapping, "factors", call)
    return _changing(model, dictionaries, numbers_for(factors, factors, dictionaries, SCALE), SCALE)


def steer(
    model: LanguageModel, dictionaries: Dictionaries, amounts: Numbers
) -> AbstractContextManager[LanguageModel]:
    """Add to activations while the context lasts, whether a feature is active or not; yields the model.

    Args:
        amounts: how much is added to each feature, whose names are as for ``ablate``, in units of its activation: its
            write vector is added that many times at every token, or at its position.

    Raises:
        BadInput: as for ``ablate``; or a node is an error, which has no write vector.

    Example::

        with cs.steer(model, dictionaries, {"resid_2/117": 8}) as edited:
            ids = edited.hf.generate(**edited.tokenizer("The chefs", return_tensors="pt"))
    """
    call = "steer(model, dictionaries, {node: amount})"
    expect(model, LanguageModel, "model", call)
    expect(dictionaries, Dictionaries, "dictionaries", call)
    expect(amounts, Mapping, "amounts", call)
    numbers = numbers_for(amounts, amounts, dictionaries, STEER)
    errors = [node for node in numbers if node.is_error]
    if errors:
        raise BadInput(
            f"{errors[0]} {STEER} {numbers[errors[0]]:g}: an error has no write vector",
            expected="features",
            mend="scale the error instead, or leave it out",
        )
    return _changing(model, dictionaries, numbers, STEER)


@contextmanager
def _changing(
    model: LanguageModel, dictionaries: Dictionaries, numbers: Mapping[NodeId, float], verb: str
) -> Iterator[LanguageModel]:
    """The nodes' sites are changed while the context lasts."""
    running = RunningTokens()
    taps = dictionaries.taps(model)
    edits = {}
    for site in sorted({node.site for node in numbers}):
        here = {node: number for node, number in numbers.items() if node.site == site}
        change = _change(here, verb, device=model.device, dtype=dictionaries[site].dtype)
        edits[site] = (taps[site], _edit(dictionaries[site], change, running))
    with running.watching(model), hooked(model.blocks, edits):
        yield model
    _warn_of_far_positions(numbers, running.furthest)


def _warn_of_far_positions(numbers: Iterable[NodeId], furthest: int) -> None:
    """Say which nodes changed nothing, since no text was that long; generation may have passed the prompt's end."""
    missed = [str(node) for node in numbers if node.position > furthest >= 0]
    if missed:
        log.warning(
            "no text reached the position of %s: positions went from 0 to %d, so nothing changed there",
            ", ".join(missed[:5]) + (f" and {len(missed) - 5} more" if len(missed) > 5 else ""),
            furthest,
        )


def _change(
    numbers: Mapping[NodeId, float], verb: str, *, device: torch.device, dtype: torch.dtype
) -> SiteChange:
    """What a verb makes of the nodes of one site."""
    features = [node for node in numbers if not node.is_error]
    errors = [node for node in numbers if node.is_error]

    def whole(column: list[int]) -> Tensor:
        return torch.tensor(column, dtype=torch.long, device=device)

    def of(nodes: list[NodeId]) -> Tensor:
        return torch.tensor([numbers[node] for node in nodes], dtype=dtype, device=device)

    number = of(features)
    nothing = torch.zeros_like(number)
    factor, amount = {HOLD: (nothing, number), SCALE: (number, nothing), STEER: (None, number)}[verb]
    return SiteChange(
        feature=whole([node.feature for node in features]),
        position=whole([node.position for node in features]),
        factor=factor,
        amount=amount,
        error_position=whole([node.position for node in errors]),
        error_factor=of(errors),
    )


def _edit(dictionary: Dictionary, change: SiteChange, running: RunningTokens) -> Edit:
    def edit(x: Tensor) -> Tensor:
        live = running.live.to(x.device)
        position = running.position.to(x.device)[live]
        return at_live(x, live, lambda flat: changed(dictionary, change, flat, position))

    return edit
