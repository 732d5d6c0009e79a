"""Loading a model: a HuggingFace id or a local folder, checked before use."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import torch
from torch import nn

from circuitscope.bundled import BUNDLED, BUNDLED_MODEL
from circuitscope.errors import BadFile, BadInput, CircuitscopeError, argument
from circuitscope.model import families  # noqa: F401  (registers the records)
from circuitscope.model.check import check_record
from circuitscope.model.checkpoint import read_config, read_weights
from circuitscope.model.family import family_of
from circuitscope.model.formats import refuse_formats
from circuitscope.model.hub import downloaded, find_repository
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
        refuse_formats(config, kind, name)
    else:
        name = place_of(str(source))
        files = files_of(name)
        again = (
            BUNDLED if str(source) == BUNDLED else str(Path(name).resolve()) if Path(name).exists() else name
        )
        config = read_config(files, name)
        family = family_of(config.model_type)
        refuse_formats(config, kind, name)
        hf = read_weights(files, name, kind, family)
        tokenizer = _read_tokenizer(files, name) if tokenizer is None else tokenizer
    _refuse_nan(hf, name)
    short = name if isinstance(source, nn.Module) else name_of(str(source))
    model = LanguageModel(hf.to(place, kind), family, name=short, tokenizer=tokenizer, source=again)
    _check(model)
    return model


def load_tokenizer(source: str) -> Any:
    """The tokenizer beside a model, without the model; None if there is none.

    Args:
        source: as for ``load_model``.

    Raises:
        BadFile: there is no such model, or the tokenizer is damaged.
    """
    name = place_of(source)
    return _read_tokenizer(files_of(name), name)


def _check(model: LanguageModel) -> None:
    """Check the family record; a config that contradicts itself shows here, when the model first runs."""
    try:
        check_record(model)
    except (CircuitscopeError, torch.OutOfMemoryError):
        raise
    except Exception as error:
        raise BadFile(
            f"the model {model.name!r} cannot be run: {(str(error) or type(error).__name__).splitlines()[0]}",
            expected="a config.json whose numbers fit together",
            mend="check what config.json says, or fetch it again",
        ) from error


def place_of(source: str) -> str:
    """The folder or hub id that a source means."""
    if source == BUNDLED:
        return str(BUNDLED_MODEL)
    return (
        os.path.expanduser(source) if source.startswith("~") else source
    )  # leaves an unknown ~user as it is


def name_of(source: str) -> str:
    """What a model is called. A folder has its own name: where it is does not belong in a result."""
    place = place_of(source)
    return Path(place).resolve().name if source != BUNDLED and Path(place).is_dir() else source


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


def files_of(name: str) -> str:
    """Where the files of a model are: a folder, or a repository on the hub."""
    if not looks_like_path(name):
        return find_repository(name)
    try:
        if (Path(name) / "config.json").is_file():
            return name
        is_folder, is_file = bool(name) and Path(name).is_dir(), Path(name).is_file()
    except OSError:  # too long for a name, or in a folder that may not be looked into
        is_folder = is_file = False
    raise BadFile(
        f"the model folder {name} has no config.json"
        if is_folder
        else f"the model {name} is a file"
        if is_file
        else f"there is no model folder {name or repr(name)}",
        expected="a folder with config.json and model.safetensors, as save_pretrained writes it",
        mend="check the path",
    )


def _refuse_nan(hf: nn.Module, name: str) -> None:
    for key, weight in hf.named_parameters():
        if not bool(torch.isfinite(weight).all()):
            raise BadFile(
                f"the model {name!r} has NaN or infinite numbers in {key}",
                expected="finite weights",
                mend="fetch the checkpoint again; float16 may overflow where bfloat16 does not",
            )


_OF_TOKENIZERS = ("tokenizer.json", "tokenizer_config.json", "tokenizer.model", "vocab.json")


def _read_tokenizer(files: str, name: str) -> Any:
    """The tokenizer beside a model; None if there is none."""
    from transformers import AutoTokenizer

    if Path(files).is_dir() and not any((Path(files) / file).exists() for file in _OF_TOKENIZERS):
        return None
    try:
        return AutoTokenizer.from_pretrained(files)
    except Exception as error:  # of a damaged file, or because a hub repository has none
        folder = Path(files) if Path(files).is_dir() else downloaded(files)
        if folder is None or not any((folder / file).exists() for file in _OF_TOKENIZERS):
            return None
        raise BadFile(
            f"the tokenizer in {name} cannot be read: {(str(error) or type(error).__name__).splitlines()[0]}",
            expected="the tokenizer files of the model, complete",
            mend="fetch them again; without any of them the model loads without a tokenizer",
        ) from error
