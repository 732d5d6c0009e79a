"""From a kind's word and its tensors to a dictionary: the one place that knows every kind.

A kind is ``relu``, ``topk``, ``jumprelu``, ``gated`` or ``identity``; one whose input is normalised has the
normalisation's word in front, such as ``layer_norm relu``.
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from circuitscope.dictionaries.affine import (
    AffineDictionary,
    JumpReluDictionary,
    ReluDictionary,
    TopKDictionary,
)
from circuitscope.dictionaries.base import Dictionary
from circuitscope.dictionaries.gated import GatedDictionary
from circuitscope.dictionaries.identity import IdentityDictionary
from circuitscope.dictionaries.normalised import NORMALISATIONS, NormalisedDictionary
from circuitscope.errors import BadDictionary

SHARED = ("w_enc", "b_enc", "w_dec", "b_dec")
"""The tensors that every kind has; pre_bias, which is subtracted from the input, is optional."""
OWN: Mapping[str, tuple[str, ...]] = {
    ReluDictionary.kind: (),
    TopKDictionary.kind: (),
    JumpReluDictionary.kind: ("threshold",),
    GatedDictionary.kind: ("r_mag", "b_mag"),
}
"""The tensors that each kind has besides the shared ones."""
KINDS = tuple(OWN)


def build(
    kind: str,
    weights: Mapping[str, Tensor],
    settings: Mapping[str, object],
    *,
    where: str,
    tensor: str | None = None,
) -> Dictionary:
    """Make a dictionary of ``kind`` from named weights; ``where`` names the file in errors.

    Args:
        kind: one of ``KINDS``, optionally with a normalisation's word in front; or ``identity``.
        weights: w_enc and w_dec (feature, width), b_enc (feature), b_dec and optionally pre_bias (width), and per
            feature: threshold for jumprelu, r_mag and b_mag for gated.
        settings: k for topk, width for the identity.
        tensor: the tap that it reads, if that is not the usual one of its site.

    Raises:
        BadDictionary: the kind is unknown, or a tensor is missing, unknown or of another shape.
    """
    if kind == IdentityDictionary.kind:
        return IdentityDictionary(_read_whole(settings, "width", where), tensor=tensor)
    *normalisation, plain = kind.split(" ")
    if plain not in OWN or len(normalisation) > 1 or not set(normalisation) <= set(NORMALISATIONS):
        raise BadDictionary(
            f"{where} is a dictionary of kind {kind!r}",
            expected=f"{' or '.join(KINDS)}, optionally after {' or '.join(NORMALISATIONS)}",
            mend="this kind is not supported",
        )
    _check_names(plain, weights, where)
    _check_shapes(weights, where)
    inner = _build_plain(plain, weights, settings, where, tensor)
    return NormalisedDictionary(inner, normalisation[0]) if normalisation else inner


def _build_plain(
    kind: str, weights: Mapping[str, Tensor], settings: Mapping[str, object], where: str, tensor: str | None
) -> AffineDictionary:
    if kind == TopKDictionary.kind:
        return TopKDictionary(k=_read_whole(settings, "k", where), tensor=tensor, **weights)
    if kind == JumpReluDictionary.kind:
        return JumpReluDictionary(tensor=tensor, **weights)
    if kind == GatedDictionary.kind:
        return GatedDictionary(tensor=tensor, **weights)
    return ReluDictionary(tensor=tensor, **weights)


def _read_whole(settings: Mapping[str, object], name: str, where: str) -> int:
    value = settings.get(name)
    if not isinstance(value, int) or isinstance(value, bool):
        raise BadDictionary(f"{where} has {name} = {value!r}", expected="a whole number")
    return value


def _check_names(kind: str, weights: Mapping[str, Tensor], where: str) -> None:
    required = (*SHARED, *OWN[kind])
    missing = [name for name in required if name not in weights]
    unknown = [name for name in weights if name not in (*required, "pre_bias")]
    if missing or unknown:
        raise BadDictionary(
            f"{where} lacks {missing} and has unknown {unknown}",
            expected=f"the tensors {', '.join(required)} and optionally pre_bias",
            mend="the file is damaged or of another kind",
        )


def _check_shapes(weights: Mapping[str, Tensor], where: str) -> None:
    n_features, width = weights["b_enc"].numel(), weights["b_dec"].numel()
    if n_features == 0 or width == 0:
        raise BadDictionary(
            f"{where} has {n_features} features of width {width}", expected="at least one of each"
        )
    whole = sorted(name for name, weight in weights.items() if not weight.is_floating_point())
    if whole:
        raise BadDictionary(
            f"{where}: {whole[0]} holds numbers of type {str(weights[whole[0]].dtype).removeprefix('torch.')}",
            expected="floating-point numbers",
            mend="the file is damaged, or was written with another layout",
        )
    expected: dict[str, tuple[int, ...]] = {"w_enc": (n_features, width), "w_dec": (n_features, width)}
    expected |= {"b_dec": (width,), "pre_bias": (width,)}
    for name, weight in weights.items():
        wanted = expected.get(name, (n_features,))
        if tuple(weight.shape) != wanted:
            raise BadDictionary(
                f"{where}: {name} has shape {tuple(weight.shape)}",
                expected=f"{wanted}, for {n_features} features of width {width}",
                mend="the file is damaged, or was written with another layout",
            )
