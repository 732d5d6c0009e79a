"""Configs whose models would give other numbers than a user expects, or fail far from the cause."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch

from circuitscope.errors import BadInput, UnsupportedModel, argument


def refuse_formats(config: Any, dtype: torch.dtype, name: str) -> None:
    """Raise for what a model's config says before anything is loaded by it.

    Raises:
        UnsupportedModel: quantised weights, or rotary embeddings of a kind that this transformers does not know.
        BadInput: a number format that the model does not keep.
    """
    _refuse_quantised(config, name)
    _refuse_unknown_rope(config, name)
    if getattr(config, "reorder_and_upcast_attn", False) and dtype == torch.float64:
        raise BadInput(
            f"{name!r} computes its attention in float32 (reorder_and_upcast_attn), whatever the number format",
            expected="float32, bfloat16 or float16",
            mend=f"{argument('dtype', 'float32')}, or set reorder_and_upcast_attn to false in config.json",
        )


def _refuse_quantised(config: Any, name: str) -> None:
    quantised = getattr(config, "quantization_config", None)
    if quantised is None:
        return
    said = quantised if isinstance(quantised, dict) else vars(quantised)
    word = getattr(said.get("quant_method"), "value", said.get("quant_method"))
    raise UnsupportedModel(
        f"the checkpoint of {name!r} is quantised ({word or 'in a format that it does not name'})",
        expected="weights in bfloat16, float16 or float32, of which gradients can be taken",
        mend="use the original checkpoint",
    )


def _refuse_unknown_rope(config: Any, name: str) -> None:
    from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

    known = {"default", *ROPE_INIT_FUNCTIONS}
    for word in _rope_types(getattr(config.get_text_config(), "rope_parameters", None)):
        if word not in known:
            raise UnsupportedModel(
                f"the config of {name!r} has the rope_type {word!r}",
                expected=", ".join(sorted(known)),
                mend="check config.json; a newer version of transformers may know it",
            )


def _rope_types(parameters: Any) -> Iterator[Any]:
    """The kinds of rotary embeddings in a config; Gemma-3 has one for each kind of layer."""
    if isinstance(parameters, dict):
        if "rope_type" in parameters or "type" in parameters:
            yield parameters.get("rope_type", parameters.get("type"))
        for inner in parameters.values():
            yield from _rope_types(inner)
