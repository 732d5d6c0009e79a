"""Gemma Scope (Lieberum et al. 2024, arXiv 2408.05147): ``layer_3/width_16k/average_l0_82/params.npz``.

    f = pre where pre > threshold, else 0,  pre = x W_enc + b_enc (b_dec is not subtracted),  x̂ = f W_dec + b_dec

One repository per kind of site, known by the end of its name: ``…-res`` is the stream after a block, ``…-mlp`` the
MLP's output after its norm, ``…-att`` the input of attention's output projection; ``embedding/`` in ``…-res`` is
the token embedding before Gemma scales it by √width, so there x = √width · x_raw and W_enc/√width, √width · W_dec
and √width · b_dec are the same dictionary for the stream.

A layer has several dictionaries. Width 16k and the average L0 nearest to 100 are taken, as Marks et al. do.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path, PurePosixPath

import numpy as np
import torch
from torch import Tensor

from circuitscope.dictionaries.base import Dictionary
from circuitscope.dictionaries.collection import Dictionaries
from circuitscope.dictionaries.kinds import build
from circuitscope.dictionaries.readers.gather import (
    FoundDictionary,
    files_named,
    gather,
    in_float32,
    refuse_transcoder,
    rows,
)
from circuitscope.dictionaries.readers.shapes import check_tensors
from circuitscope.errors import BadDictionary, BadFile
from circuitscope.terms import Site

NAME = "Gemma Scope"
LAYOUT = "layer_L/width_W/average_l0_N/params.npz (Gemma Scope)"
HOLDS = ("jumprelu",)

WEIGHTS = "params.npz"
USUAL_WIDTH, USUAL_L0 = "16k", 100
_TENSORS = {"res": ("resid", None), "mlp": ("mlp", "hook_mlp_out"), "att": ("attn", "attn.hook_z")}
_KEYS = ("w_enc", "b_enc", "w_dec", "b_dec", "threshold")
_log = logging.getLogger("circuitscope")


def recognises(folder: Path) -> bool:
    return bool(files_named(folder, WEIGHTS))


def read(folder: Path, site: Site | None = None) -> Dictionaries:
    full = {str(PurePosixPath(*path.parts)): path for path in files_named(folder.resolve(), WEIGHTS)}
    return gather(folder, [_found(full[name]) for name in choose(full, str(folder))], site)


# -- which files ------------------------------------------------------------------------------------------


def choose(files: Iterable[str], where: str) -> list[str]:
    """Those of all ``params.npz`` that are read: per layer, width 16k and the L0 nearest to 100."""
    layers: dict[str, dict[str, list[str]]] = {}
    for name in files:
        if PurePosixPath(name).name == WEIGHTS:
            layer, width = _branch(name)
            layers.setdefault(layer, {}).setdefault(width, []).append(name)
    return [_nearest(layer, _usual(layer, widths, where)) for layer, widths in layers.items()]


def _branch(name: str) -> tuple[str, str]:
    """The part of a path that names the layer, and its width."""
    parts = PurePosixPath(name).parts
    at = next((i for i in reversed(range(len(parts))) if parts[i].startswith("width_")), len(parts) - 1)
    width = parts[at].removeprefix("width_") if at < len(parts) - 1 else ""
    return "/".join(parts[:at]), width


def _usual(layer: str, widths: Mapping[str, list[str]], where: str) -> list[str]:
    if len(widths) == 1:
        return next(iter(widths.values()))
    if USUAL_WIDTH in widths:
        return widths[USUAL_WIDTH]
    raise BadFile(
        f"{where} has several widths in {PurePosixPath(layer).name}: {', '.join(sorted(widths))}",
        expected=f"one width, or {USUAL_WIDTH} among them",
        mend="name the folder of one width",
    )


def _nearest(layer: str, names: list[str]) -> str:
    if len(names) == 1:
        return names[0]
    sizes = {name: _l0(name) for name in names}
    best = min(names, key=lambda name: (abs(sizes[name] - USUAL_L0), sizes[name]))
    there = ", ".join(f"{size:g}" for size in sorted(sizes.values()))
    _log.info(
        "%s: of the dictionaries with an average L0 of %s, the one with %g is used, the nearest to %d",
        PurePosixPath(layer).name, there, sizes[best], USUAL_L0,
    )  # fmt: skip
    return best


def _l0(name: str) -> float:
    found = re.search(r"average_l0_(\d+)", name)
    return float(found[1]) if found else float("inf")


# -- where they belong, and what is in them --------------------------------------------------------------


def kind_of(name: str) -> str | None:
    """``res``, ``mlp``, ``att`` or ``transcoders``, from the end of a repository's or folder's name."""
    found = re.search(r"(?:^|[-_])(res|mlp|att|transcoders)(?:-canonical)?$", name)
    return found[1] if found else None


def _found(path: Path) -> FoundDictionary:
    parts = path.parts
    kind = next((kind for kind in map(kind_of, reversed(parts)) if kind), None)
    if kind == "transcoders":
        raise refuse_transcoder(str(path))
    layer = next(
        (found[1] for part in reversed(parts) if (found := re.fullmatch(r"layer_(\d+)", part))), None
    )
    embedding = layer is None and "embedding" in parts
    site, tensor = None, None
    if embedding:
        site = Site("embed", -1)
    elif kind is not None and layer is not None:
        word, tensor = _TENSORS[kind]
        site = Site(word, int(layer))
    return FoundDictionary(
        path,
        site,
        partial(read_one, path, tensor, scaled=embedding),
        hint="a folder or repository whose name ends in -res, -mlp or -att, with layer_L inside",
        prepend_bos=True,
        settings={"scaled": True} if embedding else {},
        layer=None if layer is None else int(layer),
    )


def read_one(path: Path, tensor: str | None, *, scaled: bool) -> Dictionary:
    """Read one ``params.npz``; ``scaled`` for the embedding, which Gemma multiplies by √width afterwards."""
    arrays = _load(path)
    if missing := [name for name in _KEYS if name not in arrays]:
        raise BadDictionary(
            f"{path} lacks {', '.join(missing)}",
            expected=", ".join(_KEYS),
            mend="the file is damaged or has another format",
        )
    weights = {**arrays, "w_enc": rows(arrays["w_enc"])}
    if scaled:
        root = weights["b_dec"].numel() ** 0.5
        change = {"w_enc": 1 / root, "w_dec": root, "b_dec": root}
        weights = {name: weight * change.get(name, 1.0) for name, weight in weights.items()}
    return build("jumprelu", weights, {}, where=str(path), tensor=tensor)


def _load(path: Path) -> dict[str, Tensor]:
    """The arrays of an npz file by lower-case name; pickled objects are refused."""
    try:
        # numpy closes a file that it opened itself only if the file is whole.
        with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
            arrays = {name.lower(): np.asarray(file[name]) for name in file.files}
        tensors = {name: torch.from_numpy(array) for name, array in arrays.items()}
    except Exception as error:  # a damaged archive can end in anything
        raise BadFile(
            f"{path} cannot be read: {(str(error) or type(error).__name__).splitlines()[0]}",
            expected="a complete npz file of numbers",
            mend="the file is truncated or damaged; fetch it again",
        ) from error
    check_tensors(tensors, str(path))
    return in_float32(tensors, str(path))
