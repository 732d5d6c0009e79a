"""Reading a checkpoint: its config, its weights, and whether the two belong together.

transformers fills tensors that are missing with random numbers, leaves out tensors that the config has no use for,
and casts whole numbers to fractions; all three load without an error and give another model than the one on disk.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import nn

from circuitscope.errors import BadFile, UnsupportedModel
from circuitscope.model.family import Family
from circuitscope.model.hub import downloaded

_SHOWN = 5
"""Names of tensors in a message."""

_LEFTOVERS = re.compile(r"(^|\.)(attn|attention|self_attn)\.bias$|\.masked_bias$|inv_freq$|_extra_state$")
"""Causal masks and rotary frequencies that older versions of transformers saved; models make their own."""

_WHOLE_OR_SCALED = re.compile(r"F8_|F4|F6_|I8|U8|I16|U16|I32|U32|I4|U4")
"""Number formats of safetensors that hold a weight only together with scales."""


def read_config(files: str, name: str) -> Any:
    """The config of a model, whose files are in the folder or repository ``files``."""
    from transformers import AutoConfig

    try:
        return AutoConfig.from_pretrained(files)
    except Exception as error:  # a config that says other things than it should can end in anything
        raise _unreadable(name, error) from error


def read_weights(files: str, name: str, dtype: torch.dtype, family: Family) -> nn.Module:
    """The model with its weights, after every check of the two against each other.

    Raises:
        BadFile: a file is missing or damaged, or the checkpoint has more or fewer tensors than the config asks for.
        UnsupportedModel: the weights are quantised.
    """
    from transformers import AutoModelForCausalLM

    _refuse_scaled_weights(files, name)
    try:
        loaded: Any = AutoModelForCausalLM.from_pretrained(
            files, dtype=dtype, attn_implementation="eager", output_loading_info=True
        )
    except Exception as error:  # a config with unknown words, or a damaged file, can end in anything
        raise _unreadable(name, error) from error
    model: nn.Module = loaded[0]
    report: dict[str, Any] = loaded[1]
    unexpected = sorted(map(str, report.get("unexpected_keys") or ()))
    _refuse_more_layers(name, unexpected, family, len(list(model.get_submodule(family.blocks).children())))
    _refuse_left_out(name, unexpected, model)
    for problem in ("missing_keys", "mismatched_keys"):
        if report.get(problem):
            raise BadFile(
                f"the checkpoint of {name!r} has {problem.replace('_', ' ')}: "
                f"{sorted(map(str, report[problem]))[:_SHOWN]}",
                expected="every tensor that config.json asks for, in its shape",
                mend="the checkpoint is incomplete or belongs to another config; fetch it again",
            )
    return model


def _unreadable(name: str, error: Exception) -> BadFile:
    first, second, *_ = [*str(error).strip().splitlines(), "", ""]
    if first.endswith(":"):
        first = f"{first} {second.strip()}"
    if isinstance(error, KeyError) or not first:  # of a word in the config that nothing is known by
        first = f"{type(error).__name__} {first}".strip()
    return BadFile(
        f"the model {name!r} cannot be read: {first}",
        expected="a HuggingFace hub id, or a folder with config.json and model.safetensors",
        mend="check the path, what config.json says and that every file is complete",
    )


def _refuse_more_layers(name: str, unexpected: Iterable[str], family: Family, n_layers: int) -> None:
    """Refuse a checkpoint that goes on where the config ends: the model would be cut short."""
    parts = family.blocks.split(".")  # a checkpoint of the base model alone leaves the first of them out
    places = "|".join(re.escape(".".join(parts[first:])) for first in range(len(parts)))
    block = re.compile(rf"(?:{places})\.(\d+)\.")
    layers = [int(found[1]) for key in unexpected if (found := block.match(key))]
    if max(layers, default=-1) >= n_layers:
        raise BadFile(
            f"the checkpoint of {name!r} has {max(layers) + 1} layers, but its config.json says {n_layers}",
            expected="a config that belongs to the checkpoint",
            mend="fetch both again; the model would be cut short",
        )


def _refuse_left_out(name: str, unexpected: Iterable[str], model: nn.Module) -> None:
    """Refuse tensors of a part that the model has; whole parts that it lacks, such as other heads, are no matter."""
    left_out = [key for key in unexpected if not _LEFTOVERS.search(key) and _inside(model, key)]
    if left_out:
        raise BadFile(
            f"the checkpoint of {name!r} has tensors that its config.json has no use for: {left_out[:_SHOWN]}",
            expected="a config that belongs to the checkpoint, adapters merged into the weights, no quantisation",
            mend="fetch both again, or save the merged model with save_pretrained",
        )


def _inside(model: nn.Module, key: str) -> bool:
    """Whether a tensor would be in a part of the model below its base, under its own name or the base model's."""
    base = str(getattr(model, "base_model_prefix", ""))
    modules = {path for path, _ in model.named_modules()} - {"", base}
    *parents, _ = key.split(".")
    above = [".".join(parents[:count]) for count in range(1, len(parents) + 1)]
    return any(path in modules or f"{base}.{path}" in modules for path in above)


def _refuse_scaled_weights(files: str, name: str) -> None:
    """Refuse weights in 8 bits and fewer: read as they are, without their scales, they would be other numbers."""
    for file in _weight_files(files):
        for key, number_format in _formats(file, name):
            if key.endswith("weight") and _WHOLE_OR_SCALED.match(number_format):
                raise UnsupportedModel(
                    f"the checkpoint of {name!r} is quantised ({key} is in {number_format})",
                    expected="weights in bfloat16, float16 or float32, of which gradients can be taken",
                    mend="use the original checkpoint",
                )


def _weight_files(files: str) -> list[Path]:
    """The safetensors files that transformers would read, as far as they are on this disk."""
    folder = Path(files) if Path(files).is_dir() else downloaded(files)
    return [] if folder is None else sorted(folder.glob("model*.safetensors"))


def _formats(file: Path, name: str) -> Iterator[tuple[str, str]]:
    """Each tensor of a file with its number format; the file's heading is read, not the numbers."""
    from safetensors import safe_open

    try:
        with safe_open(file, framework="pt") as content:
            found = [(key, str(content.get_slice(key).get_dtype())) for key in content.keys()]  # noqa: SIM118
    except Exception as error:
        raise _unreadable(name, error) from error
    yield from found
