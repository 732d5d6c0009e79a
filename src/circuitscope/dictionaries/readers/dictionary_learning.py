"""Folders of the dictionary_learning library: ``ae.pt`` (a torch state_dict) beside ``config.json``.

Below one root there may be any tree: the Pythia release has ``attn_out_layer3/10_32768/ae.pt``, in places without a
``config.json``. The site comes from the config's submodule name and layer, or from a folder's name.
Files are loaded with ``weights_only=True``, memory-mapped, on the CPU.

Where the library reports features times the length of their decoder column (AutoEncoder on loading,
AutoEncoderNew, GatedAutoEncoder), write vectors get length 1 here and features get that factor, which is the same.
"""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

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
    is_there,
    read_object,
    rows,
    unit_write_vectors,
)
from circuitscope.dictionaries.readers.shapes import check_tensors
from circuitscope.dictionaries.readers.site_names import SiteTensor, named_place, refuse_contradiction
from circuitscope.errors import BadDictionary, BadFile
from circuitscope.terms import Site

NAME = "dictionary_learning"
LAYOUT = "ae.pt files, each perhaps beside a config.json (dictionary_learning)"

WEIGHTS = "ae.pt"


def recognises(folder: Path) -> bool:
    return bool(files_named(folder, WEIGHTS))


def read(folder: Path, site: Site | None = None) -> Dictionaries:
    return gather(folder, [_found(folder, path) for path in files_named(folder, WEIGHTS)], site)


def _found(folder: Path, path: Path) -> FoundDictionary:
    config = _read_config(path.parent / "config.json")
    _refuse_inputs(config, path)
    bos = config.get("buffer", {}).get("add_special_tokens")
    place = _place(folder.resolve().name / path.parent.relative_to(folder), config, path)
    return FoundDictionary(
        path,
        place.site if place else None,
        partial(read_one, path, config, place.tensor if place else None),
        hint="a folder such as resid_out_layer3, attn_3 or embed, or trainer.submodule_name in config.json",
        prepend_bos=bos if isinstance(bos, bool) else None,
    )


def read_one(path: Path, config: Mapping[str, Any], tensor: str | None = None) -> Dictionary:
    """Read one ``ae.pt``; ``tensor`` is the word for what it reads, None for its site's usual tensor."""
    state = _read_state(path)
    name = config.get("trainer", {}).get("dict_class")
    name = _guess_class(state, path) if name is None else name
    if not isinstance(name, str) or name not in _CLASSES:
        raise BadDictionary(
            f"{path} is of class {name}",
            expected=" or ".join(_CLASSES),
            mend="this class of dictionary_learning is not supported",
        )
    try:
        found = _CLASSES[name](state, config, path)
        found.tensor = tensor
        return found
    except KeyError as error:
        raise BadDictionary(
            f"{path} is of class {name}, but lacks the tensor {error}",
            expected="every tensor of that class",
            mend="the file is damaged or of another class",
        ) from error


def _auto_encoder(state: dict[str, Tensor], config: Mapping[str, Any], path: Path) -> Dictionary:
    """x − bias goes in, bias is added back; decoder columns are re-normalised, as the library does on loading."""
    bias = state["bias"]
    weights = _unit_write_vectors(
        state["encoder.weight"], state["encoder.bias"], rows(state["decoder.weight"])
    )
    return build("relu", {**weights, "b_dec": bias, "pre_bias": bias}, {}, where=str(path))


def _auto_encoder_new(state: dict[str, Tensor], config: Mapping[str, Any], path: Path) -> Dictionary:
    """Without a pre-bias; a feature is scaled by its decoder norm, which is what unit write vectors do."""
    weights = _unit_write_vectors(
        state["encoder.weight"], state["encoder.bias"], rows(state["decoder.weight"])
    )
    return build("relu", {**weights, "b_dec": state["decoder.bias"]}, {}, where=str(path))


def _top_k(state: dict[str, Tensor], config: Mapping[str, Any], path: Path) -> Dictionary:
    weights = {
        "w_enc": state["encoder.weight"],
        "b_enc": state["encoder.bias"],
        "w_dec": rows(state["decoder.weight"]),
        "b_dec": state["b_dec"],
        "pre_bias": state["b_dec"],
    }
    return build("topk", weights, {"k": _whole(state["k"], path)}, where=str(path))


def _whole(k: Tensor, path: Path) -> int:
    value = k.item() if k.numel() == 1 else k.tolist()
    if isinstance(value, bool) or not isinstance(value, int | float) or value % 1 != 0:
        raise BadDictionary(f"{path} has k = {value!r}", expected="a whole number")
    return int(value)


def _jump_relu(state: dict[str, Tensor], config: Mapping[str, Any], path: Path) -> Dictionary:
    weights = {
        "w_enc": rows(state["W_enc"]),
        "b_enc": state["b_enc"],
        "w_dec": state["W_dec"],
        "b_dec": state["b_dec"],
        "threshold": state["threshold"],
    }
    if config.get("trainer", {}).get("apply_b_dec_to_input", False):
        weights["pre_bias"] = state["b_dec"]
    return build("jumprelu", weights, {}, where=str(path))


def _gated(state: dict[str, Tensor], config: Mapping[str, Any], path: Path) -> Dictionary:
    """The decoder's norm scales the magnitude alone: exp(r_mag) and mag_bias."""
    w_dec = rows(state["decoder.weight"])
    norm = torch.linalg.vector_norm(w_dec, dim=1)
    norm = torch.where(norm == 0, 1.0, norm)
    weights = {
        "w_enc": state["encoder.weight"],
        "b_enc": state["gate_bias"],
        "r_mag": state["r_mag"] + norm.log(),
        "b_mag": state["mag_bias"] * norm,
        "w_dec": w_dec / norm[:, None],
        "b_dec": state["decoder_bias"],
        "pre_bias": state["decoder_bias"],
    }
    return build("gated", weights, {}, where=str(path))


def _batch_top_k(state: dict[str, Tensor], config: Mapping[str, Any], path: Path) -> Dictionary:
    """k features per token on average: at inference those above one threshold, which training has measured."""
    weights = {"w_enc": state["encoder.weight"], "w_dec": rows(state["decoder.weight"])}
    return _thresholded(weights, state["encoder.bias"], state, path)


def _matryoshka(state: dict[str, Tensor], config: Mapping[str, Any], path: Path) -> Dictionary:
    """BatchTopK whose first groups of features were trained to suffice by themselves; at inference all are used."""
    weights = {"w_enc": rows(state["W_enc"]), "w_dec": state["W_dec"]}
    return _thresholded(weights, state["b_enc"], state, path)


def _thresholded(
    weights: dict[str, Tensor], b_enc: Tensor, state: Mapping[str, Tensor], path: Path
) -> Dictionary:
    threshold = state.get("threshold")
    if threshold is None or not bool((threshold >= 0).all()):
        said = "no threshold" if threshold is None else f"the threshold {threshold.flatten()[0].item():g}"
        raise BadDictionary(
            f"{path} has {said}: it cannot be used one token at a time",
            expected="a threshold of at least 0, which the trainer measures after its first steps",
            mend="the training stopped before that, or an old version made it; train it longer",
        )
    shared = {"b_enc": b_enc, "b_dec": state["b_dec"], "pre_bias": state["b_dec"]}
    per_feature = threshold.to(b_enc).expand_as(b_enc).clone()
    return build("jumprelu", {**weights, **shared, "threshold": per_feature}, {}, where=str(path))


_CLASSES = {
    "AutoEncoder": _auto_encoder,
    "AutoEncoderNew": _auto_encoder_new,
    "AutoEncoderTopK": _top_k,
    "JumpReluAutoEncoder": _jump_relu,
    "GatedAutoEncoder": _gated,
    "BatchTopKSAE": _batch_top_k,
    "MatryoshkaBatchTopKSAE": _matryoshka,
}
HOLDS = tuple(_CLASSES)


def _unit_write_vectors(w_enc: Tensor, b_enc: Tensor, w_dec: Tensor) -> dict[str, Tensor]:
    """Write vectors of length 1; those that have it already stay as they are, to the last bit."""
    weights = {"w_enc": w_enc, "b_enc": b_enc, "w_dec": w_dec}
    norm = torch.linalg.vector_norm(w_dec, dim=1)
    return weights if torch.allclose(norm, torch.ones_like(norm), atol=1e-4) else unit_write_vectors(weights)


def _guess_class(state: Mapping[str, Tensor], path: Path) -> str:
    """The class of a checkpoint without config.json, from keys that only one class has."""
    if "bias" in state:
        return "AutoEncoder"
    if "decoder_bias" in state:
        return "GatedAutoEncoder"
    if "group_sizes" in state:
        return "MatryoshkaBatchTopKSAE"
    if "threshold" in state and "W_enc" in state and "k" not in state:
        return "JumpReluAutoEncoder"
    if "k" in state and "encoder.weight" in state and "threshold" not in state:
        return "AutoEncoderTopK"
    raise BadDictionary(
        f"{path} has no config.json, and its tensors {sorted(state)} do not show its class",
        expected="a config.json with trainer.dict_class",
        mend="put the config.json of the training run beside it",
    )


def _read_state(path: Path) -> dict[str, Tensor]:
    try:
        state = torch.load(path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path))
    except Exception as error:  # a damaged pickle program can end in anything
        raise BadFile(
            f"{path} cannot be read: {(str(error) or type(error).__name__).splitlines()[0]}",
            expected="a complete torch state_dict",
            mend="the file is truncated or damaged; fetch it again",
        ) from error
    if not isinstance(state, dict):
        raise BadFile(f"{path} contains a {type(state).__name__}", expected="a torch state_dict")
    odd = [name for name, value in state.items() if not isinstance(value, Tensor | int | float)]
    if odd:
        raise BadFile(
            f"{path} has the entry {str(odd[0])!r}, which is a {type(state[odd[0]]).__name__}",
            expected="a plain torch state_dict: tensors and numbers by name",
            mend="save the state_dict of the dictionary by itself",
        )
    tensors = {
        str(name): value if isinstance(value, Tensor) else torch.tensor(value)
        for name, value in state.items()
    }
    whole = in_float32(tensors, str(path))
    check_tensors(whole, str(path))
    return whole


def _read_config(path: Path) -> dict[str, Any]:
    if not is_there(path):
        return {}
    config = read_object(path)
    if not all(isinstance(config.get(name, {}), dict) for name in ("trainer", "buffer")):
        raise BadFile(
            f"{path} is not a dictionary_learning config", expected='{"trainer": {…}, "buffer": {…}}'
        )
    submodule = config.get("trainer", {}).get("submodule_name")
    if submodule is not None and not isinstance(submodule, str):
        raise BadFile(f"{path} has submodule_name {submodule!r}", expected="a name", mend="correct the file")
    return config


def _refuse_inputs(config: Mapping[str, Any], path: Path) -> None:
    """Refuse what reads the input of its submodule: the config calls it by the submodule's name all the same."""
    io = config.get("buffer", {}).get("io", "out")
    if io != "out":
        raise BadDictionary(
            f"{path} was trained with io {io!r}: it reads the input of {_submodule(config) or 'its submodule'}",
            expected="a dictionary that reads and rebuilds an output (io 'out')",
            mend="transcoders and dictionaries of inputs are not supported",
        )


def _submodule(config: Mapping[str, Any]) -> str:
    return str(config.get("trainer", {}).get("submodule_name") or "")


def _place(relative: Path, config: Mapping[str, Any], path: Path) -> SiteTensor | None:
    """What the config names, or else the innermost folder that names a site; the two must not contradict."""
    submodule = _submodule(config)
    if not submodule:
        named = (named_place(name) for name in reversed(relative.parts))
        return next((place for place in named if place is not None), None)
    stated = named_place(submodule, config.get("trainer", {}).get("layer"))
    if stated is None:  # the file says what it reads, so no folder and no line of YAML may say it instead
        raise BadDictionary(
            f"{path}: its config names the submodule {submodule!r}, which means no site",
            expected="a name such as resid_post_layer_3, attn_out_layer3, mlp_3 or embed",
            mend="if it reads one of these tensors, correct trainer.submodule_name in config.json",
        )
    for name in reversed(relative.parts):
        if refuse_contradiction(path, name, submodule, stated):
            break
    return stated
