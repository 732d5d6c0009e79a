"""Folders of EleutherAI's sparsify: ``HOOKPOINT/cfg.json`` beside ``HOOKPOINT/sae.safetensors``.

    f = the k largest of ReLU(W_enc (x − b_dec) + b_enc), the others 0;  x̂ = f W_dec + b_dec

``encoder.weight`` and ``W_dec`` are both (features, width). A hookpoint is the path of a module in the HuggingFace
model, and the dictionary rebuilds that module's output: ``layers.10`` the stream, ``layers.10.mlp`` what the MLP
puts out before any norm that follows. Models differ in what such a path is; a tensor that the family cannot tap is
refused when the dictionaries meet the model.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from circuitscope.dictionaries.base import Dictionary
from circuitscope.dictionaries.collection import Dictionaries
from circuitscope.dictionaries.kinds import build
from circuitscope.dictionaries.readers.gather import (
    FoundDictionary,
    files_named,
    gather,
    read_object,
    read_tensors,
    refuse_transcoder,
)
from circuitscope.dictionaries.readers.site_names import named_place
from circuitscope.errors import BadDictionary
from circuitscope.terms import Site

NAME = "sparsify"
LAYOUT = "cfg.json beside sae.safetensors (sparsify)"
HOLDS = ("topk",)

WEIGHTS = "sae.safetensors"
_NAMES = {"encoder.weight": "w_enc", "encoder.bias": "b_enc", "W_dec": "w_dec", "b_dec": "b_dec"}


def recognises(folder: Path) -> bool:
    return bool(files_named(folder, WEIGHTS))


def read(folder: Path, site: Site | None = None) -> Dictionaries:
    return gather(folder, [_found(path) for path in files_named(folder.resolve(), WEIGHTS)], site)


def _found(path: Path) -> FoundDictionary:
    config = read_object(path.with_name("cfg.json"))
    where = str(path.with_name("cfg.json"))
    if config.get("transcode") or config.get("skip_connection"):
        raise refuse_transcoder(where)
    activation = config.get("activation", "topk")
    if activation != "topk" or config.get("signed"):
        raise BadDictionary(
            f"{where} has the activation {'signed ' if config.get('signed') else ''}{activation!r}",
            expected="topk, of which only values above 0 count",
            mend="this activation is not supported",
        )
    place = named_place(path.parent.name)
    return FoundDictionary(
        path,
        place.site if place else None,
        partial(read_one, path, config, place.tensor if place else None),
        hint="a folder named like a module of the model, such as layers.10 or layers.10.mlp",
        settings={"k": config.get("k")},
    )


def read_one(path: Path, config: Mapping[str, Any], tensor: str | None) -> Dictionary:
    """Read one SAE."""
    state = read_tensors(path)
    if "W_skip" in state:
        raise refuse_transcoder(str(path))
    weights = {_NAMES.get(name, name): value for name, value in state.items()}
    if "b_dec" in weights:
        weights["pre_bias"] = weights["b_dec"]
    return build("topk", weights, {"k": config.get("k")}, where=str(path), tensor=tensor)
