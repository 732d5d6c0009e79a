"""Free layers: the first layers, and embed with them, that are never ablated."""

from __future__ import annotations

from circuitscope.errors import BadInput, argument
from circuitscope.model import LanguageModel

SHARE = 3
"""By default one layer in this many is free, as in the paper."""


def free_layers_of(model: LanguageModel, asked: int | None) -> int:
    """``free_layers_in`` for a model."""
    return free_layers_in(model.n_layers, asked)


def free_layers_in(n_layers: int, asked: int | None) -> int:
    """How many of a model's layers are free: as many as asked for, or else floor(layers / 3).

    Raises:
        BadInput: the model does not have that many.
    """
    free = n_layers // SHARE if asked is None else asked
    if not 0 <= free < n_layers:
        raise BadInput(
            argument("free_layers", free),
            expected=f"0 to {n_layers - 1}; the model has {n_layers} layers",
        )
    return free
