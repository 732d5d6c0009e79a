"""Gemma Scope 2, for Gemma-3: ``resid_post_all/layer_5_width_16k_l0_big/{config.json, params.safetensors}``.

    f = pre where pre > threshold, else 0,  pre = x w_enc + b_enc,  x̂ = f w_dec + b_dec

One repository per model, with a folder per kind of tensor: ``resid_post`` is the output of a block, ``attn_out``
the input of attention's output projection, ``mlp_out`` the MLP's output after its norm. With ``_all`` a folder has
every layer in few widths, without it a few layers in many. ``config.json``, which is sometimes missing, names the
tensor as a module of the HuggingFace model; it outweighs the folder's name, and must not contradict it.

A layer has several dictionaries: width 16k is taken, and of ``l0_small``, ``medium`` and ``big`` the medium one, or
else the big one. ``transcoder`` folders and dictionaries with an affine skip connection are refused.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

from circuitscope.dictionaries.base import Dictionary
from circuitscope.dictionaries.collection import Dictionaries
from circuitscope.dictionaries.kinds import build
from circuitscope.dictionaries.readers.gather import (
    FoundDictionary,
    files_named,
    gather,
    is_there,
    read_object,
    read_tensors,
    refuse_transcoder,
    rows,
)
from circuitscope.errors import BadDictionary, BadFile
from circuitscope.terms import Site

NAME = "Gemma Scope 2"
LAYOUT = "KIND/layer_L_width_W_l0_SIZE/params.safetensors (Gemma Scope 2)"
HOLDS = ("jump_relu",)

WEIGHTS, CONFIG = "params.safetensors", "config.json"
USUAL_WIDTH = "16k"
SIZES = ("medium", "big", "small")
"""Which l0 is taken, in the order of preference."""
TRANSCODER = "transcoder"
_FOLDER = re.compile(r"layer_(\d+)_width_([0-9]+[a-z]*)_l0_([a-z]+)(_affine)?")
_KINDS = {
    "resid_post": ("resid", None),
    "attn_out": ("attn", "attn.hook_z"),
    "mlp_out": ("mlp", "hook_mlp_out"),
}
_HOOKS = {
    "output": "resid_post",
    "self_attn.o_proj.input": "attn_out",
    "post_feedforward_layernorm.output": "mlp_out",
}
_HOOK = re.compile(r"(?:[a-z_]+\.)*layers\.(\d+)\.(.+)")
_KEYS = ("w_enc", "b_enc", "w_dec", "b_dec", "threshold")
_log = logging.getLogger("circuitscope")


@dataclass(frozen=True)
class _Leaf:
    """A folder with one dictionary, by its name."""

    name: str
    """The path of its weights."""
    kind: str
    """``resid_post``, ``attn_out``, ``mlp_out`` or ``transcoder``; empty where no folder says so."""
    every_layer: bool
    layer: int
    width: str
    size: str
    affine: bool


def recognises(folder: Path) -> bool:
    return any(_leaf(str(path)) for path in files_named(folder.resolve(), WEIGHTS))


def read(folder: Path, site: Site | None = None) -> Dictionaries:
    paths = [str(PurePosixPath(*path.parts)) for path in files_named(folder.resolve(), WEIGHTS)]
    return gather(folder, [_found(leaf) for leaf in _chosen(paths, str(folder))], site)


# -- which files ------------------------------------------------------------------------------------------


def holds(files: Iterable[str]) -> bool:
    """Whether some of the files of a repository are of this format."""
    return any(_leaf(name) for name in files)


def choose(files: Iterable[str], where: str) -> list[str]:
    """Those of a repository's files that are read: one dictionary per kind and layer, with its config."""
    files = list(files)
    wanted = {leaf.name for leaf in _chosen(files, where)}
    configs = {str(PurePosixPath(name).with_name(CONFIG)) for name in wanted}
    return [name for name in files if name in wanted | configs]


def _leaf(name: str) -> _Leaf | None:
    parts = PurePosixPath(name).parts
    found = _FOLDER.fullmatch(parts[-2]) if len(parts) > 1 and parts[-1] == WEIGHTS else None
    if found is None:
        return None
    above = parts[-3] if len(parts) > 2 else ""
    kind = above.removesuffix("_all")
    known = kind if kind in (*_KINDS, TRANSCODER) else ""
    return _Leaf(name, known, above.endswith("_all"), int(found[1]), found[2], found[3], bool(found[4]))


def _chosen(names: Iterable[str], where: str) -> list[_Leaf]:
    """One dictionary per kind and layer; transcoders are left out unless there is nothing else."""
    leaves = [leaf for leaf in map(_leaf, names) if leaf]
    saes = [leaf for leaf in leaves if leaf.kind != TRANSCODER]
    if not saes:
        raise refuse_transcoder(where)
    if len(saes) < len(leaves):
        _log.info("%s: %d transcoders are left out: they are not supported", where, len(leaves) - len(saes))
    groups: dict[tuple[str, int], list[_Leaf]] = {}
    for leaf in saes:
        groups.setdefault((leaf.kind, leaf.layer), []).append(leaf)
    complete = {leaf.kind for leaf in saes if leaf.every_layer}
    picked = []
    for (kind, layer), same in sorted(groups.items()):
        some = [leaf for leaf in same if leaf.every_layer or kind not in complete]
        if some:
            picked.append(_usual(some, f"{kind or 'a folder'} of layer {layer}", where))
    return picked


def _usual(same: Sequence[_Leaf], what: str, where: str) -> _Leaf:
    """Of the dictionaries of one tensor, that of the usual width and size."""
    widths = sorted({leaf.width for leaf in same})
    width = USUAL_WIDTH if USUAL_WIDTH in widths else widths[0]
    if len(widths) > 1 and USUAL_WIDTH not in widths:
        raise BadFile(
            f"{where} has several widths in {what}: {', '.join(widths)}",
            expected=f"one width, or {USUAL_WIDTH} among them",
            mend="name the folder of one dictionary",
        )
    rank = {size: number for number, size in enumerate(SIZES)}
    some = [leaf for leaf in same if leaf.width == width]
    best = min(some, key=lambda leaf: rank.get(leaf.size, len(SIZES)))
    if len(some) > 1:
        there = ", ".join(sorted(leaf.size for leaf in some))
        _log.info("%s: of the dictionaries with l0 %s, the %s one is used", what, there, best.size)
    return best


# -- where they belong, and what is in them --------------------------------------------------------------


def _found(leaf: _Leaf) -> FoundDictionary:
    path = Path(leaf.name)
    config = path.with_name(CONFIG)
    settings = read_object(config) if is_there(config) else {}
    kind, layer = _place(leaf, settings)
    _refuse_other(leaf, settings)
    site, tensor = None, None
    if kind:
        word, tensor = _KINDS[kind]
        site = Site(word, layer)
    return FoundDictionary(
        path,
        site,
        partial(_read_one, path, tensor),
        hint="a folder resid_post, attn_out or mlp_out above it, or a config.json with hf_hook_point_in",
        prepend_bos=True,
        layer=layer,
    )


def _place(leaf: _Leaf, settings: dict[str, Any]) -> tuple[str, int]:
    """The kind of tensor and the layer: what the config names, and what the folders say."""
    hook = settings.get("hf_hook_point_in")
    if hook is None:
        return leaf.kind, leaf.layer
    found = _HOOK.fullmatch(str(hook))
    kind = _HOOKS.get(found[2]) if found else None
    if found is None or kind is None:
        raise BadDictionary(
            f"{leaf.name} reads {hook!r}, which is at no site",
            expected=" or ".join(f"model.layers.L.{name}" for name in _HOOKS),
            mend="use a dictionary of one of these tensors",
        )
    layer = int(found[1])
    if (leaf.kind and leaf.kind != kind) or layer != leaf.layer:
        raise BadDictionary(
            f"{leaf.name} is in the place of {leaf.kind or 'a dictionary'} of layer {leaf.layer}, but its config "
            f"says that it reads {hook!r}",
            expected="a folder and a config that agree",
            mend="fetch the folder again, under its published name",
        )
    return kind, layer


def _refuse_other(leaf: _Leaf, settings: dict[str, Any]) -> None:
    """Refuse what is not a sparse autoencoder of one tensor with a JumpReLU."""
    source, target = settings.get("hf_hook_point_in"), settings.get("hf_hook_point_out")
    if leaf.affine or settings.get("affine_connection") or (target is not None and target != source):
        raise refuse_transcoder(leaf.name)
    architecture = settings.get("architecture", HOLDS[0])
    if architecture not in HOLDS:
        raise BadDictionary(
            f"{leaf.name} has architecture {architecture!r}",
            expected=" or ".join(HOLDS),
            mend="use a dictionary of a supported kind",
        )


def _read_one(path: Path, tensor: str | None) -> Dictionary:
    weights = {name.lower(): value.float() for name, value in read_tensors(path).items()}
    if "affine_skip_connection" in weights:
        raise refuse_transcoder(str(path))
    if missing := [name for name in _KEYS if name not in weights]:
        raise BadDictionary(
            f"{path} lacks {', '.join(missing)}",
            expected=", ".join(_KEYS),
            mend="the file is damaged or has another format",
        )
    kept = {name: weights[name] for name in _KEYS}
    return build("jumprelu", {**kept, "w_enc": rows(kept["w_enc"])}, {}, where=str(path), tensor=tensor)
