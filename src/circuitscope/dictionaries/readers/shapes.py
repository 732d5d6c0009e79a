"""Whether the tensors of a published file fit together, before any arithmetic: broadcasting would hide a misfit."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from circuitscope.errors import BadDictionary

_AXES = {
    "encoder.weight": "fw", "W_enc": "wf", "w_enc": "wf",
    "decoder.weight": "wf", "W_dec": "fw", "w_dec": "fw",
    "encoder.bias": "f", "b_enc": "f", "b_gate": "f", "gate_bias": "f", "mag_bias": "f", "b_mag": "f", "r_mag": "f",
    "log_threshold": "f", "scaling_factor": "f", "finetuning_scaling_factor": "f",
    "bias": "w", "b_dec": "w", "decoder_bias": "w", "decoder.bias": "w",
}  # fmt: skip
"""The published names of tensors and their axes: f for features, w for the width of what is read."""
_ONE_OR_EACH = ("threshold", "topk_threshold")
"""One number, or one per feature."""
_BIASES = {
    "f": ("encoder.bias", "b_enc", "b_gate", "gate_bias"),
    "w": ("b_dec", "bias", "decoder_bias", "decoder.bias"),
}
"""Of these, those that are there say how many features there are, and how wide what is read is."""


def check_tensors(tensors: Mapping[str, Tensor], where: str) -> None:
    """Refuse known tensors that hold no plain floating-point numbers, or whose shapes disagree with the biases'.

    A tensor that is missing, or of a name that is not known here, is left to the reader.

    Raises:
        BadDictionary: names the tensor.
    """
    known = {name: value for name, value in tensors.items() if name in _AXES or name in _ONE_OR_EACH}
    for name, value in known.items():
        _check_numbers(name, value, where)
    size = _sizes(tensors)
    if set(size) != {"f", "w"}:
        return
    for name, value in known.items():
        if name in _ONE_OR_EACH:
            fitting: tuple[tuple[int, ...], ...] = ((size["f"],), (), (1,))
        else:
            fitting = (tuple(size[axis] for axis in _AXES[name]),)
        if tuple(value.shape) not in fitting:
            raise BadDictionary(
                f"{where}: {name} has shape {tuple(value.shape)}",
                expected=f"{fitting[0]}, for {size['f']} features of width {size['w']}",
                mend="the file is damaged, or was written with another layout",
            )


def _sizes(tensors: Mapping[str, Tensor]) -> dict[str, int]:
    there = {axis: [name for name in names if name in tensors] for axis, names in _BIASES.items()}
    return {axis: tensors[names[0]].numel() for axis, names in there.items() if names}


def _check_numbers(name: str, value: Tensor, where: str) -> None:
    if value.is_floating_point() and value.layout == torch.strided:
        return
    form = value.dtype if value.layout == torch.strided else value.layout
    raise BadDictionary(
        f"{where}: {name} holds numbers of type {str(form).removeprefix('torch.')}",
        expected="floating-point numbers",
        mend="the file is damaged, or was written with another layout",
    )
