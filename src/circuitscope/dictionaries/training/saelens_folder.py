"""Writing dictionaries the way SAELens (6 and later) stores them: one folder per site.

``<site>/cfg.json`` and ``<site>/sae_weights.safetensors`` with W_enc (width, features), W_dec (features,
width), b_enc, b_dec, and ``threshold`` for jumprelu. SAELens knows our relu as ``standard``, our topk as
``topk``, and stores BatchTopK for inference as ``jumprelu`` with one threshold for all features, as we do.
Sites are named in TransformerLens's words.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from circuitscope.dictionaries.affine import AffineDictionary
from circuitscope.dictionaries.base import Dictionary
from circuitscope.dictionaries.collection import Dictionaries
from circuitscope.errors import BadDictionary
from circuitscope.model import LanguageModel, Tap
from circuitscope.runs import write_arrays, write_json
from circuitscope.terms import Site

FORMAT = "6.0.0"
"""The version whose layout this is; without one, SAELens reads a config as an older one and drops its metadata."""
ARCHITECTURES = {"relu": "standard", "topk": "topk", "jumprelu": "jumprelu"}
_HOOKS = {"attn": "hook_attn_out", "mlp": "hook_mlp_out", "resid": "hook_resid_post"}
_INPUT_HOOKS = {"attn": "attn.hook_z", "mlp": "mlp.hook_post"}


def write_saelens(
    dictionaries: Dictionaries, model: LanguageModel, folder: Path, *, context_size: int
) -> None:
    """Write one SAELens folder per site into ``folder``."""
    taps = dictionaries.taps(model)
    for site, dictionary in dictionaries.items():
        place = folder / site.name
        place.mkdir(parents=True)
        weights, reads_centred = saelens_weights(dictionary)
        write_arrays(place / "sae_weights.safetensors", {n: w.cpu().numpy() for n, w in weights.items()})
        metadata = {
            "model_name": model.name,
            "hook_name": hook_name(site, taps[site]),
            "hook_head_index": None,
            "prepend_bos": bool(dictionaries.prepend_bos),
            "context_size": context_size,
            "sae_lens_version": FORMAT,
        }
        write_json(place / "cfg.json", _config(site, dictionary, taps[site], reads_centred, metadata))


def hook_name(site: Site, tap: Tap) -> str:
    """What TransformerLens calls a site's tensor."""
    if site.kind == "embed":
        return "blocks.0.hook_resid_pre"
    names = _INPUT_HOOKS if tap.side == "input" else _HOOKS
    return f"blocks.{site.layer}.{names[site.kind]}"


def saelens_weights(dictionary: Dictionary) -> tuple[Mapping[str, Tensor], bool]:
    """Tensors by SAELens's names, and whether SAELens has to subtract b_dec from the input."""
    if not isinstance(dictionary, AffineDictionary) or dictionary.kind not in ARCHITECTURES:
        raise BadDictionary(
            f"a dictionary of kind {dictionary.kind!r} has no SAELens form here",
            expected=" or ".join(ARCHITECTURES),
        )
    own = {name: weight.detach() for name, weight in dictionary.weights().items()}
    b_enc, pre_bias = own["b_enc"], own.get("pre_bias")
    reads_centred = pre_bias is not None and torch.equal(pre_bias, own["b_dec"])
    if pre_bias is not None and not reads_centred:
        # SAELens subtracts b_dec or nothing; any other bias moves into the encoder's.
        b_enc = b_enc - own["w_enc"] @ pre_bias
    weights = {"W_enc": own["w_enc"].T, "b_enc": b_enc, "W_dec": own["w_dec"], "b_dec": own["b_dec"]}
    if "threshold" in own:
        weights["threshold"] = own["threshold"]
    return {name: weight.contiguous() for name, weight in weights.items()}, reads_centred


def _config(
    site: Site, dictionary: Dictionary, tap: Tap, reads_centred: bool, metadata: Mapping[str, Any]
) -> dict[str, Any]:
    splits_heads = site.kind == "attn" and tap.side == "input"
    config: dict[str, Any] = {
        "d_in": dictionary.width,
        "d_sae": dictionary.n_features,
        "dtype": str(dictionary.dtype).removeprefix("torch."),
        "device": "cpu",
        "apply_b_dec_to_input": reads_centred,
        "normalize_activations": "none",
        "reshape_activations": "hook_z" if splits_heads else "none",
        "architecture": ARCHITECTURES[dictionary.kind],
        "metadata": dict(metadata),
    }
    if dictionary.kind == "topk":
        config |= {"k": dictionary.settings()["k"], "rescale_acts_by_decoder_norm": False}
    return config
