"""Folders of the dictionary_learning library: ``ae.pt`` (a torch state_dict) beside ``config.json``.

Below one root there may be any tree: the Pythia release has ``attn_out_layer3/10_32768/ae.pt`` and no
``config.json`` in places. The site comes from the config's submodule name and layer, or from a folder's name.
Files load with ``weights_only=True``, memory-mapped, on the CPU.
"""

from __future__ import annotations

import json
import pickle  # noqa: TID251  (only to name the error that torch raises on a damaged file)
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from circuitscope.dictionaries.base import Dictionary
from circuitscope.dictionaries.collection import Dictionaries
from circuitscope.dictionaries.kinds import build
from circuitscope.errors import BadDictionary, BadFile
from circuitscope.store import hash_file, hash_json
from circuitscope.terms import Site

LAYOUT = "ae.pt files, each perhaps beside a config.json (dictionary_learning)"

_KIND_WORDS = {
    "attn": ("attn", "attention"),
    "mlp": ("mlp",),
    "resid": ("resid", "residual"),
}
_NEW_KEYS = {"W_enc": "w_enc", "W_dec": "w_dec"}


def recognises(folder: Path) -> bool:
    return next(folder.rglob("ae.pt"), None) is not None


def read(folder: Path) -> Dictionaries:
    by_site: dict[Site, Dictionary] = {}
    origin: dict[Site, Path] = {}
    configs = []
    for path in sorted(folder.rglob("ae.pt")):
        config = _read_config(path.parent / "config.json")
        site = _site(folder.resolve().name / path.parent.relative_to(folder), config, path)
        if site in by_site:
            raise BadFile(
                f"two dictionaries for {site}: {origin[site]} and {path}",
                expected="one dictionary per site",
                mend="name a folder that holds one run of each site",
            )
        by_site[site] = read_one(path, config)
        origin[site] = path
        configs.append(config)
    digest = hash_json({str(site): hash_file(path) for site, path in origin.items()})
    return Dictionaries(by_site, name=str(folder), prepend_bos=_bos(configs), content_hash=digest)


def read_one(path: Path, config: Mapping[str, Any]) -> Dictionary:
    """Read one ``ae.pt``."""
    state = _read_state(path)
    name = config.get("trainer", {}).get("dict_class") or _guess_class(state, path)
    if name not in _CLASSES:
        raise BadDictionary(
            f"{path} is a {name}",
            expected=" or ".join(_CLASSES),
            mend="this class of dictionary_learning is not supported",
        )
    try:
        return _CLASSES[name](state, config, path)
    except KeyError as error:
        raise BadDictionary(
            f"{path} is a {name} without the tensor {error}",
            expected="every tensor of that class",
            mend="the file is damaged or of another class",
        ) from error


def _auto_encoder(state: dict[str, Tensor], config: Mapping[str, Any], path: Path) -> Dictionary:
    """x − bias goes in, bias is added back; decoder columns are re-normalised, as the library does on loading."""
    bias = state["bias"]
    weights = _unit_write_vectors(
        state["encoder.weight"], state["encoder.bias"], _rows(state["decoder.weight"])
    )
    return build("relu", {**weights, "b_dec": bias, "pre_bias": bias}, {}, where=str(path))


def _auto_encoder_new(state: dict[str, Tensor], config: Mapping[str, Any], path: Path) -> Dictionary:
    """Without a pre-bias; a feature is scaled by its decoder norm, which unit write vectors amount to."""
    weights = _unit_write_vectors(
        state["encoder.weight"], state["encoder.bias"], _rows(state["decoder.weight"])
    )
    return build("relu", {**weights, "b_dec": state["decoder.bias"]}, {}, where=str(path))


def _top_k(state: dict[str, Tensor], config: Mapping[str, Any], path: Path) -> Dictionary:
    weights = {
        "w_enc": state["encoder.weight"],
        "b_enc": state["encoder.bias"],
        "w_dec": _rows(state["decoder.weight"]),
        "b_dec": state["b_dec"],
        "pre_bias": state["b_dec"],
    }
    return build("topk", weights, {"k": int(state["k"])}, where=str(path))


def _jump_relu(state: dict[str, Tensor], config: Mapping[str, Any], path: Path) -> Dictionary:
    weights = {
        "w_enc": _rows(state["W_enc"]),
        "b_enc": state["b_enc"],
        "w_dec": state["W_dec"],
        "b_dec": state["b_dec"],
        "threshold": state["threshold"],
    }
    if config.get("trainer", {}).get("apply_b_dec_to_input", False):
        weights["pre_bias"] = state["b_dec"]
    return build("jumprelu", weights, {}, where=str(path))


_CLASSES = {
    "AutoEncoder": _auto_encoder,
    "AutoEncoderNew": _auto_encoder_new,
    "AutoEncoderTopK": _top_k,
    "JumpReluAutoEncoder": _jump_relu,
}


def _rows(matrix: Tensor) -> Tensor:
    """A (width, features) matrix as (features, width), one feature's vector in one place in memory."""
    return matrix.T.contiguous()


def _unit_write_vectors(w_enc: Tensor, b_enc: Tensor, w_dec: Tensor) -> dict[str, Tensor]:
    """Move each write vector's length into its feature; x̂ stays the same. Zero vectors stay zero."""
    norm = torch.linalg.vector_norm(w_dec, dim=1)
    if torch.allclose(norm, torch.ones_like(norm), atol=1e-4):
        return {"w_enc": w_enc, "b_enc": b_enc, "w_dec": w_dec}
    norm = torch.where(norm == 0, 1.0, norm)
    return {"w_enc": w_enc * norm[:, None], "b_enc": b_enc * norm, "w_dec": w_dec / norm[:, None]}


def _guess_class(state: Mapping[str, Tensor], path: Path) -> str:
    """The class of a checkpoint without config.json, from its keys (AutoEncoder alone has ``bias``)."""
    if "bias" in state:
        return "AutoEncoder"
    if "threshold" in state and "W_enc" in state and "k" not in state:
        return "JumpReluAutoEncoder"
    if "k" in state and "encoder.weight" in state and "threshold" not in state:
        return "AutoEncoderTopK"
    raise BadDictionary(
        f"{path} has no config.json, and its tensors {sorted(state)} do not tell its class",
        expected="a config.json with trainer.dict_class",
        mend="put the config.json of the training run beside it",
    )


def _read_state(path: Path) -> dict[str, Tensor]:
    try:
        state = torch.load(path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path))
    except (OSError, RuntimeError, EOFError, ValueError, pickle.UnpicklingError) as error:
        raise BadFile(
            f"{path} cannot be read: {(str(error) or type(error).__name__).splitlines()[0]}",
            expected="a complete torch state_dict",
            mend="the file is truncated or damaged; fetch it again",
        ) from error
    if not isinstance(state, dict):
        raise BadFile(f"{path} holds a {type(state).__name__}", expected="a torch state_dict")
    return {
        str(name): value if isinstance(value, Tensor) else torch.tensor(value)
        for name, value in state.items()
    }


def _read_config(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        config = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise BadFile(f"{path} is no JSON: {error}", mend="fetch the file again") from error
    parts = [config.get(name, {}) for name in ("trainer", "buffer")] if isinstance(config, dict) else [config]
    if not all(isinstance(part, dict) for part in parts):
        raise BadFile(
            f"{path} is no config of dictionary_learning", expected='{"trainer": {…}, "buffer": {…}}'
        )
    return dict(config)


def _bos(configs: list[dict[str, Any]]) -> bool | None:
    said = {config.get("buffer", {}).get("add_special_tokens") for config in configs}
    answer = said.pop() if len(said) == 1 else None
    return answer if isinstance(answer, bool) else None


def _site(relative: Path, config: Mapping[str, Any], path: Path) -> Site:
    trainer = config.get("trainer", {})
    submodule = str(trainer.get("submodule_name") or "")
    layer = trainer.get("layer")
    for text in (submodule, *reversed(relative.parts)):
        site = _parse_site(text, layer if text == submodule else None)
        if site is not None:
            return site
    raise BadFile(
        f"nothing says which site {path} belongs to",
        expected="a folder such as resid_out_layer3, attn_3 or embed, or trainer.submodule_name in config.json",
        mend="rename its folder to the site's name",
    )


def _parse_site(text: str, layer: object) -> Site | None:
    """Understand ``resid_out_layer3``, ``mlp_3``, ``resid_post_layer_3`` or ``embed``."""
    words = re.findall(r"[a-z]+|\d+", text.lower())
    if words and words[0] in ("embed", "embedding"):
        return Site("embed", -1)
    numbers = [int(word) for word in words if word.isdigit()]
    if not numbers and isinstance(layer, int):
        numbers = [layer]
    for kind, names in _KIND_WORDS.items():
        if len(numbers) == 1 and words and words[0] in names:
            return Site(kind, numbers[0])
    return None
