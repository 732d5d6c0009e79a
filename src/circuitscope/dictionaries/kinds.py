"""From a kind's word and its tensors to a dictionary: the one place that knows every kind."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from circuitscope.dictionaries.affine import JumpReluDictionary, ReluDictionary, TopKDictionary
from circuitscope.dictionaries.base import Dictionary
from circuitscope.dictionaries.identity import IdentityDictionary
from circuitscope.errors import BadDictionary

KINDS = (ReluDictionary.kind, TopKDictionary.kind, JumpReluDictionary.kind)
_REQUIRED = ("w_enc", "b_enc", "w_dec", "b_dec")


def build(
    kind: str,
    weights: Mapping[str, Tensor],
    settings: Mapping[str, object],
    *,
    where: str,
    tensor: str | None = None,
) -> Dictionary:
    """Make a dictionary of ``kind`` from named weights; ``where`` names the file in errors."""
    if kind == IdentityDictionary.kind:
        return IdentityDictionary(_read_whole(settings, "width", where), tensor=tensor)
    if kind not in KINDS:
        raise BadDictionary(
            f"{where} is a dictionary of kind {kind!r}",
            expected=" or ".join(KINDS),
            mend="this kind is not supported",
        )
    required = (*_REQUIRED, "threshold") if kind == "jumprelu" else _REQUIRED
    missing = [name for name in required if name not in weights]
    unknown = [name for name in weights if name not in (*required, "pre_bias")]
    if missing or unknown:
        raise BadDictionary(
            f"{where} lacks {missing} and has unknown {unknown}",
            expected=f"the tensors {', '.join(required)} and perhaps pre_bias",
            mend="the file is damaged or of another kind",
        )
    _check_shapes(weights, where)
    if kind == "topk":
        return TopKDictionary(k=_read_whole(settings, "k", where), tensor=tensor, **weights)
    if kind == "jumprelu":
        return JumpReluDictionary(tensor=tensor, **weights)
    return ReluDictionary(tensor=tensor, **weights)


def _read_whole(settings: Mapping[str, object], name: str, where: str) -> int:
    value = settings.get(name)
    if not isinstance(value, int):
        raise BadDictionary(f"{where} has {name} = {value!r}", expected="a whole number")
    return value


def _check_shapes(weights: Mapping[str, Tensor], where: str) -> None:
    n_features, width = weights["b_enc"].numel(), weights["b_dec"].numel()
    expected = {
        "w_enc": (n_features, width),
        "w_dec": (n_features, width),
        "b_enc": (n_features,),
        "b_dec": (width,),
        "pre_bias": (width,),
        "threshold": (n_features,),
    }
    for name, weight in weights.items():
        if tuple(weight.shape) != expected[name]:
            raise BadDictionary(
                f"{where}: {name} has shape {tuple(weight.shape)}",
                expected=f"{expected[name]}, for {n_features} features of width {width}",
                mend="the file is damaged, or was written with another layout",
            )
