"""What a SAELens ``cfg.json`` says, from any version of SAELens.

From version 6 on, what concerns the language model is nested in ``metadata``. Before that, all keys were side by
side, some with other names (``hook_point``, ``activation_fn_str``), and top-k was an activation function of the
standard architecture. What is missing has the defaults that SAELens gives it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from circuitscope.dictionaries.normalised import NORMALISATIONS
from circuitscope.dictionaries.readers.gather import refuse_transcoder
from circuitscope.errors import BadDictionary

ARCHITECTURES = {
    "standard": "relu",
    "topk": "topk",
    "jumprelu": "jumprelu",
    "gated": "gated",
    "batchtopk": "jumprelu",
    "matryoshka_batchtopk": "jumprelu",
}
"""SAELens's word to our kind. BatchTopK is saved for inference as jumprelu, with one threshold for all."""

_RENAMED = {
    "hook_point": "hook_name",
    "hook_point_out": "hook_name_out",
    "hook_point_head_index": "hook_head_index",
    "activation_fn_str": "activation_fn",
}
SCALED_ON_AVERAGE = "expected_average_only_in"
_NOT_NORMALISED = ("none", SCALED_ON_AVERAGE)


@dataclass(frozen=True)
class SaeConfig:
    """The parts of a config that matter for what the dictionary computes."""

    architecture: str
    hook_name: str
    normalisation: str
    """``none``, ``expected_average_only_in``, ``layer_norm`` or ``constant_norm_rescale``."""
    reads_centred: bool
    """Whether b_dec is subtracted from the input."""
    k: int | None
    by_decoder_norm: bool
    """Whether pre-activations are multiplied by the lengths of the decoder's rows."""
    finetuned: bool
    """Whether features are multiplied by a scaling factor before decoding."""
    prepend_bos: bool | None
    processing: Mapping[str, Any]
    """How TransformerLens changed the model's weights before training (``model_from_pretrained_kwargs``)."""

    @property
    def kind(self) -> str:
        """Our word for the kind."""
        plain = ARCHITECTURES[self.architecture]
        return plain if self.normalisation in _NOT_NORMALISED else f"{self.normalisation} {plain}"


def parse_config(raw: Mapping[str, Any], where: str) -> SaeConfig:
    """Understand a config of any version; raises BadDictionary for what is not supported."""
    flat = _flat(raw, where)
    architecture = str(flat.get("architecture", "standard"))
    normalisation = flat.get("normalize_activations")
    if normalisation is None or isinstance(normalisation, bool):  # a bool in the first versions
        normalisation = SCALED_ON_AVERAGE if normalisation else "none"
    if "transcoder" in architecture or flat.get("is_transcoder") or _writes_elsewhere(flat):
        raise refuse_transcoder(where)
    _refuse_unknown("architecture", architecture, tuple(ARCHITECTURES), where)
    _refuse_unknown("normalize_activations", normalisation, (*_NOT_NORMALISED, *NORMALISATIONS), where)
    _refuse_unknown("activation_fn", flat.get("activation_fn", "relu"), ("relu", "topk"), where)
    if flat.get("hook_head_index") is not None:
        raise BadDictionary(
            f"{where} reads one attention head alone: hook_head_index is {flat['hook_head_index']!r}",
            expected="null: the heads side by side",
            mend="this is not supported",
        )
    k = flat.get("k")
    if k is not None and (not isinstance(k, int) or isinstance(k, bool)):
        raise BadDictionary(f"{where} has k = {k!r}", expected="a whole number", mend="correct the file")
    if k is not None and architecture == "standard":
        raise BadDictionary(
            f"{where} has k = {k}, but no activation or architecture that takes a k",
            expected="topk, or no k",
            mend="correct the file: without topk it computes something else",
        )
    return SaeConfig(
        architecture,
        str(flat.get("hook_name") or ""),
        normalisation,
        _flag(flat, "apply_b_dec_to_input", True, where),
        k,
        _flag(flat, "rescale_acts_by_decoder_norm", False, where),
        _flag(flat, "finetuning_scaling_factor", False, where),
        flat["prepend_bos"] if isinstance(flat.get("prepend_bos"), bool) else None,
        _object(flat, "model_from_pretrained_kwargs", where),
    )


def _flat(raw: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Every key side by side under its current name, with the defaults of the file's version."""
    nested = raw.get("metadata")
    flat = {_RENAMED.get(name, name): value for name, value in raw.items() if name != "metadata"}
    if isinstance(nested, Mapping):
        return {**nested, **flat}
    flat.setdefault("prepend_bos", True)
    flat.setdefault("k", _object(flat, "activation_fn_kwargs", where).get("k"))
    if flat.get("activation_fn") == "topk":
        flat["architecture"] = "topk"
    return flat


def _writes_elsewhere(flat: Mapping[str, Any]) -> bool:
    """Whether the config names another tensor to write than the one that is read."""
    return flat.get("hook_name_out") not in (None, "", flat.get("hook_name"))


def _flag(flat: Mapping[str, Any], name: str, missing: bool, where: str) -> bool:
    """A bool; what is only true or false by Python's rules, such as the text "false", is refused."""
    value = flat.get(name, missing)
    if value is not None and not isinstance(value, bool):
        raise BadDictionary(
            f"{where} has {name} {value!r}", expected="true or false", mend="correct the file"
        )
    return bool(value)


def _object(flat: Mapping[str, Any], name: str, where: str) -> Mapping[str, Any]:
    value = flat.get(name)
    if value is not None and not isinstance(value, Mapping):
        raise BadDictionary(f"{where} has {name} {value!r}", expected="an object", mend="correct the file")
    return value or {}


def _refuse_unknown(name: str, value: Any, known: tuple[str, ...], where: str) -> None:
    if value not in known:
        raise BadDictionary(
            f"{where} has {name} {value!r}",
            expected=" or ".join(known),
            mend=f"this {name} is not supported",
        )
