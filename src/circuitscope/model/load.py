"""Loading a model: a HuggingFace id or a local folder, checked before use."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from torch import nn

from circuitscope.bundled import BUNDLED, BUNDLED_MODEL
from circuitscope.errors import BadFile, BadInput, argument
from circuitscope.model import families  # noqa: F401  (registers the records)
from circuitscope.model.check import check_record
from circuitscope.model.family import Family, family_of
from circuitscope.model.formats import refuse_formats
from circuitscope.model.language_model import LanguageModel
from circuitscope.runs import looks_like_path

DTYPES = {
    "float32": torch.float32,
    "float64": torch.float64,
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
}


def load_model(
    source: str | Path | nn.Module,
    *,
    device: str | torch.device = "auto",
    dtype: str | torch.dtype = "float32",
    tokenizer: Any = None,
) -> LanguageModel:
    """Load a causal language model and check its family record on a real forward pass.

    Args:
        source: ``bundled``, a HuggingFace hub id, a local folder, or a model that is already in memory.
        device: ``cpu``, ``cuda``, ``cuda:1``, ``mps``; ``auto`` takes a GPU if there is one.
        dtype: ``float32`` (default), ``float64``, ``bfloat16`` or ``float16``.
        tokenizer: used instead of the one beside the model; a model may have none.

    Raises:
        BadFile: there is no such model, or one of its files is missing, truncated or damaged.
        UnsupportedModel: no family record covers it, or the record does not hold for it.
    """
    place = _device(device)
    kind = _dtype(dtype)
    if isinstance(source, nn.Module):
        hf, name = source, getattr(source, "name_or_path", "") or type(source).__name__
        again = None
        config: Any = hf.config
        family = family_of(config.model_type)
    else:
        name = _place(str(source))
        again = (
            BUNDLED if str(source) == BUNDLED else str(Path(name).resolve()) if Path(name).exists() else name
        )
        config = _read_config(name)
        family = family_of(config.model_type)
        refuse_formats(config, kind, name)
        hf = _read_weights(name, kind, family)
    _refuse_nan(hf, name)
    tokenizer = tokenizer if tokenizer is not None else _read_tokenizer(name, isinstance(source, nn.Module))
    # A folder is called by its own name: where it is does not belong in a result.
    short = Path(name).resolve().name if Path(name).is_dir() else name
    if str(source) == BUNDLED:
        short = BUNDLED
    model = LanguageModel(hf.to(place, kind), family, name=short, tokenizer=tokenizer, source=again)
    check_record(model)
    return model


def _place(source: str) -> str:
    """The folder or hub id that a source means."""
    if source == BUNDLED:
        return str(BUNDLED_MODEL)
    return str(Path(source).expanduser()) if source.startswith("~") else source


def _device(device: str | torch.device) -> torch.device:
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        place = torch.device(device)
        torch.empty(0, device=place)
    except (RuntimeError, AssertionError) as error:
        raise BadInput(
            f"device {str(device)!r} cannot be used: {str(error).splitlines()[0]}",
            expected="auto, cpu, cuda, cuda:N or mps, if this machine has it",
            mend=f"leave out {argument('device')} to use what is there",
        ) from error
    return place


def _dtype(dtype: str | torch.dtype) -> torch.dtype:
    if isinstance(dtype, torch.dtype):
        return dtype
    if dtype not in DTYPES:
        raise BadInput(f"no such dtype: {dtype!r}", expected=", ".join(DTYPES), mend="use one of these")
    return DTYPES[dtype]


def _missing(name: str, error: Exception) -> BadFile:
    first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    return BadFile(
        f"the model {name!r} cannot be read: {first}",
        expected="a HuggingFace hub id, or a folder with config.json and model.safetensors",
        mend="check the path and that every file is complete; a hub id needs a network connection once",
    )


def _read_config(name: str) -> Any:
    from transformers import AutoConfig

    _refuse_folder_without(name, "config.json")
    try:
        return AutoConfig.from_pretrained(name)
    except (OSError, ValueError, KeyError) as error:
        raise _missing(name, error) from error


def _refuse_folder_without(name: str, file: str) -> None:
    if looks_like_path(name) and not (Path(name) / file).is_file():
        raise BadFile(
            f"the model folder {name} has no {file}"
            if Path(name).is_dir()
            else f"there is no model folder {name}",
            expected="a folder with config.json and model.safetensors, as save_pretrained writes it",
            mend="check the path",
        )


def _read_weights(name: str, dtype: torch.dtype, family: Family) -> nn.Module:
    from transformers import AutoModelForCausalLM

    try:
        loaded: Any = AutoModelForCausalLM.from_pretrained(
            name, dtype=dtype, attn_implementation="eager", output_loading_info=True
        )
    except Exception as error:  # a config with unknown words, or a damaged file, can end in anything
        raise _missing(name, error) from error
    model, report = loaded
    _refuse_more_layers(
        name, report.get("unexpected_keys") or (), family, len(model.get_submodule(family.blocks))
    )
    # transformers fills missing tensors with random numbers and only warns.
    for problem in ("missing_keys", "mismatched_keys"):
        if report.get(problem):
            raise BadFile(
                f"the checkpoint of {name!r} has {problem.replace('_', ' ')}: "
                f"{sorted(map(str, report[problem]))[:5]}",
                expected="every tensor that config.json asks for, in its shape",
                mend="the checkpoint is incomplete or belongs to another config; fetch it again",
            )
    weights: nn.Module = model
    return weights


def _refuse_more_layers(name: str, unexpected: Iterable[str], family: Family, n_layers: int) -> None:
    """Refuse a checkpoint that goes on where the config ends: the model would be cut short."""
    block = re.compile(rf"{re.escape(family.blocks)}\.(\d+)\.")
    beyond = [
        int(found[1]) for key in unexpected if (found := block.match(key)) and int(found[1]) >= n_layers
    ]
    if beyond:
        raise BadFile(
            f"the checkpoint of {name!r} has {max(beyond) + 1} layers, but its config.json says {n_layers}",
            expected="a config that belongs to the checkpoint",
            mend="fetch both again; the model would be cut short",
        )


def _refuse_nan(hf: nn.Module, name: str) -> None:
    for key, weight in hf.named_parameters():
        if not bool(torch.isfinite(weight).all()):
            raise BadFile(
                f"the model {name!r} has NaN or infinite numbers in {key}",
                expected="finite weights",
                mend="fetch the checkpoint again; float16 may overflow where bfloat16 does not",
            )


def _read_tokenizer(name: str, in_memory: bool) -> Any:
    from transformers import AutoTokenizer

    local = Path(name)
    files = ("tokenizer.json", "tokenizer_config.json", "tokenizer.model", "vocab.json")
    if in_memory or (local.is_dir() and not any((local / file).exists() for file in files)):
        return None
    try:
        return AutoTokenizer.from_pretrained(name)
    except Exception as error:  # of a damaged file, or because a hub repository has none
        if not local.is_dir():
            return None
        raise BadFile(
            f"the tokenizer in {name} cannot be read: {(str(error) or type(error).__name__).splitlines()[0]}",
            expected="the tokenizer files of the model, complete",
            mend="fetch them again; without any of them the model loads without a tokenizer",
        ) from error
