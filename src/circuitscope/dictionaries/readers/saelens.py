"""Folders of SAELens, version 6 and earlier: ``cfg.json`` beside ``sae_weights.safetensors``, one folder per SAE.

    sae_in = n(x) − b_dec            n: none, or a normalisation; b_dec only with ``apply_b_dec_to_input``
    pre    = sae_in W_enc + b_enc    W_enc: (width, features), W_dec: (features, width)
    x̂      = n⁻¹(f W_dec + b_dec)

Constant scalings are folded into the weights: ``rescale_acts_by_decoder_norm``, ``scaling_factor`` of fine-tuning,
the scale of ``activation_scaler.json`` beside a checkpoint. So is ``center_writing_weights``, with which the
dictionary reads x − mean(x). Normalisations that depend on x make a kind of their own (``normalised.py``).
The site and its tensor come from the hook's name.
"""

from __future__ import annotations

import logging
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

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
    rows,
    unit_write_vectors,
)
from circuitscope.dictionaries.readers.saelens_config import (
    ARCHITECTURES,
    SCALED_ON_AVERAGE,
    SaeConfig,
    parse_config,
)
from circuitscope.dictionaries.readers.site_names import (
    hook_place,
    module_place,
    named_place,
    no_site,
    refuse_contradiction,
)
from circuitscope.errors import BadDictionary
from circuitscope.terms import Site

NAME = "SAELens"
LAYOUT = "cfg.json beside sae_weights.safetensors (SAELens)"
HOLDS = tuple(ARCHITECTURES)

WEIGHTS = "sae_weights.safetensors"
_SCALER = "activation_scaler.json"
_NAMES = {
    "W_enc": "w_enc",
    "W_dec": "w_dec",
    "b_gate": "b_enc",
    "log_threshold": "threshold",
    "topk_threshold": "threshold",
}
_FACTORS = ("scaling_factor", "finetuning_scaling_factor")
_UNCENTRED = ("attn.hook_z", "mlp.hook_post")
"""Hooks that come before a writing weight, where centring the weight changes nothing."""
_log = logging.getLogger("circuitscope")


def recognises(folder: Path) -> bool:
    return bool(files_named(folder, WEIGHTS))


def read(folder: Path, site: Site | None = None) -> Dictionaries:
    found = [_found(path) for path in files_named(folder, WEIGHTS)]
    unknown = sum(one.settings["scale"] is None for one in found)
    if unknown:
        _log.warning(
            "%d dictionaries in %s were trained on inputs scaled by a constant (%s) and do not say which; "
            "they are read unchanged",
            unknown, folder, SCALED_ON_AVERAGE,
        )  # fmt: skip
    return gather(folder, found, site)


def _found(path: Path) -> FoundDictionary:
    raw = read_object(path.with_name("cfg.json"))
    config = parse_config(raw, str(path.with_name("cfg.json")))
    place = hook_place(config.hook_name) or module_place(config.hook_name)
    if config.hook_name and place is None:
        raise no_site(config.hook_name)
    if place is None:
        place = named_place(path.parent.name)
    else:
        refuse_contradiction(path, path.parent.name, config.hook_name, place)
    scale = _scale(path, config)
    return FoundDictionary(
        path,
        place.site if place else None,
        partial(read_one, path, config, place.tensor if place else None, 1.0 if scale is None else scale),
        hint="a hook_name in its cfg.json",
        prepend_bos=config.prepend_bos,
        settings={"config": repr(config), "scale": scale},
    )


def read_one(path: Path, config: SaeConfig, tensor: str | None, scale: float) -> Dictionary:
    """Read one SAE that was trained on scale · x."""
    state = read_tensors(path)
    factors = [state.pop(name) for name in _FACTORS if name in state]
    weights = _named(state, config, str(path))
    for factor in factors:
        weights = _with_factor(weights, factor, config, str(path))
    if config.by_decoder_norm:
        weights = unit_write_vectors(weights)
    if config.reads_centred:
        weights["pre_bias"] = weights["b_dec"]
    weights = _with_scale(weights, scale)
    weights = _with_processing(weights, config, str(path))
    settings = {} if config.k is None else {"k": config.k}
    return build(config.kind, weights, settings, where=str(path), tensor=tensor)


def _named(state: dict[str, Tensor], config: SaeConfig, where: str) -> dict[str, Tensor]:
    """Tensors by our names; what a trainer stores in another form is brought into the form for inference."""
    missing = [name for name in ("W_enc", "W_dec", "b_dec") if name not in state]
    if missing:
        raise BadDictionary(
            f"{where} lacks {', '.join(missing)}",
            expected=f"the tensors of a SAELens {config.architecture}",
            mend="the file is damaged or has another format",
        )
    weights = {_NAMES.get(name, name): value for name, value in state.items()}
    weights["w_enc"] = rows(weights["w_enc"])
    if "log_threshold" in state:
        weights["threshold"] = state["log_threshold"].exp()
    if "topk_threshold" in state:
        weights["threshold"] = (
            state["topk_threshold"].to(weights["b_enc"]).expand_as(weights["b_enc"]).clone()
        )
    return weights


def _with_factor(
    weights: dict[str, Tensor], factor: Tensor, config: SaeConfig, where: str
) -> dict[str, Tensor]:
    """Features of a fine-tuned SAE are each multiplied by a factor before they are decoded."""
    if not config.finetuned and not torch.allclose(factor, torch.ones_like(factor)):
        raise BadDictionary(
            f"{where} has a scaling_factor, but its cfg.json says that it was not fine-tuned",
            expected="finetuning_scaling_factor true, or a factor of ones",
            mend="the two files do not belong together",
        )
    return {**weights, "w_dec": weights["w_dec"] * factor[:, None]}


def _scale(path: Path, config: SaeConfig) -> float | None:
    """What inputs were multiplied by in training, so that their mean length is √width; None if nothing says so."""
    if config.normalisation != SCALED_ON_AVERAGE:
        return 1.0
    beside = path.with_name(_SCALER)
    scale = read_object(beside).get("scaling_factor") if is_there(beside) else None
    number = isinstance(scale, int | float) and not isinstance(scale, bool)
    if scale is not None and not (number and 1e-30 < scale < 1e30):  # float32 holds it, and 1 by it
        raise BadDictionary(
            f"{beside} has scaling_factor {scale!r}", expected="a number above 0", mend="fetch the file again"
        )
    return None if scale is None else float(scale)


def _with_scale(weights: dict[str, Tensor], scale: float) -> dict[str, Tensor]:
    """A dictionary of scale · x as one of x."""
    if scale == 1.0:
        return weights
    change = {"w_enc": scale, "w_dec": 1 / scale, "b_dec": 1 / scale, "pre_bias": 1 / scale}
    return {name: weight * change.get(name, 1.0) for name, weight in weights.items()}


def _with_processing(weights: dict[str, Tensor], config: SaeConfig, where: str) -> dict[str, Tensor]:
    """A dictionary of a model whose weights TransformerLens has changed, as one of the model itself.

    ``center_writing_weights`` takes the mean out of the stream, so w · (x − mean(x)) = (w − mean(w)) · x.
    """
    changed = [name for name, value in config.processing.items() if value is True]
    before_projection = config.hook_name.endswith(_UNCENTRED)
    moved = sorted({"fold_value_biases", "refactor_factored_attn_matrices"} & set(changed))
    if moved and config.hook_name.endswith("hook_z"):
        raise BadDictionary(
            f"{where} was trained on a model that TransformerLens changed: {', '.join(moved)}",
            expected="attention outputs as the model itself has them",
            mend="this is not supported",
        )
    if "center_writing_weights" not in changed or before_projection:
        return weights
    weights = dict(weights)
    pre_bias, w_enc = weights.pop("pre_bias", None), weights["w_enc"]
    if pre_bias is not None:
        shift = w_enc @ pre_bias
        weights["b_enc"] = weights["b_enc"] - shift
        if "b_mag" in weights:
            weights["b_mag"] = weights["b_mag"] - weights["r_mag"].exp() * shift
    weights["w_enc"] = w_enc - w_enc.mean(dim=1, keepdim=True)
    return weights
