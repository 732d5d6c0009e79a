"""Formats of checkpoints that would load and give other numbers than a user expects, or fail far from the cause."""

from __future__ import annotations

from typing import Any

import torch

from circuitscope.errors import BadInput, UnsupportedModel, argument


def refuse_formats(config: Any, dtype: torch.dtype, name: str) -> None:
    """Raise UnsupportedModel for quantised checkpoints, BadInput for a number format that the model does not keep."""
    quantised = getattr(config, "quantization_config", None)
    if quantised:
        word = (
            quantised.get("quant_method")
            if isinstance(quantised, dict)
            else getattr(quantised, "quant_method", None)
        )
        raise UnsupportedModel(
            f"the checkpoint of {name!r} is quantised ({word or 'in a format that it does not name'})",
            expected="weights in bfloat16, float16 or float32, of which gradients can be taken",
            mend="use the original checkpoint",
        )
    if getattr(config, "reorder_and_upcast_attn", False) and dtype == torch.float64:
        raise BadInput(
            f"{name!r} computes its attention in float32 (reorder_and_upcast_attn), whatever the number format",
            expected="float32, bfloat16 or float16",
            mend=f"{argument('dtype', 'float32')}, or set reorder_and_upcast_attn to false in config.json",
        )
