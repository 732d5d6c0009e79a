"""The mathematics of every intervention: new activations for some features of a site, and a factor for its error.

A dictionary writes a site's tensor as x = Σ f_i(x) v_i + b + ε(x). An intervention gives each feature i that it
names the activation a_i = s_i f_i(x) + t_i, and multiplies the error by s_ε; everything else of the site stays:

    x' = x + Σ_i (a_i − f_i(x)) v_i + (s_ε − 1) ε(x)
       = x + Σ_i ((s_i − 1) f_i(x) + t_i) v_i + (s_ε − 1) ε(x)

* to hold at a value a: s = 0 and t = a; an error can only be removed, s_ε = 0;
* to scale by a factor s: t = 0; an error can be scaled too;
* to steer by an amount t: s = 1, so f_i(x) is not needed; an error has no write vector to steer along.

All terms read the same x, which is the site's tensor as it is in the run by then. So the nodes of one intervention
have no order, and an intervention that comes after another reads what that one has left. What changes is
the term f_i v_i of x, as in published ablations (Marks et al. 2024, section 4): the features of a dictionary overlap,
so encoding x' again may give somewhat other activations, of this feature and of others.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from jaxtyping import Bool, Float, Int
from torch import Tensor

from circuitscope.dictionaries import Dictionary
from circuitscope.terms import SUMMED


@dataclass(frozen=True)
class SiteChange:
    """What becomes of one site; a row per feature and position, and per position of the error."""

    feature: Int[Tensor, " row"]
    position: Int[Tensor, " row"]
    """The token positions, from 0 with BOS included; ``SUMMED`` for every one."""
    factor: Float[Tensor, " row"] | None
    """s_i; None where all are 1, so that nothing need be encoded."""
    amount: Float[Tensor, " row"]
    """t_i, in the model's own units."""
    error_position: Int[Tensor, " error"]
    error_factor: Float[Tensor, " error"]
    """s_ε."""


def changed(
    dictionary: Dictionary,
    change: SiteChange,
    x: Float[Tensor, "token width"],
    position: Int[Tensor, " token"],
) -> Float[Tensor, "token width"]:
    """x' for tokens at some positions of their texts."""
    new = x
    if len(change.feature):
        where = _at(change.position, position)
        new = with_features_at(dictionary, x, change.feature, change.factor, change.amount, where)
    if len(change.error_position):
        error = x - dictionary.decode(dictionary.encode_active(x), x)
        times = (_at(change.error_position, position) * (change.error_factor - 1)).sum(dim=1)
        new = new + error * times[:, None]
    return new


def with_features_at(
    dictionary: Dictionary,
    x: Float[Tensor, "token width"],
    features: Int[Tensor, " some"],
    factor: Float[Tensor, " some"] | None,
    amount: Float[Tensor, " some"],
    where: Bool[Tensor, "token some"] | None = None,
) -> Float[Tensor, "token width"]:
    """x + Σ_i ((s_i − 1) f_i(x) + t_i) v_i.

    Args:
        factor: s_i; None for 1 everywhere.
        amount: t_i.
        where: at which tokens each feature changes; None for all.
    """
    difference = amount.expand(len(x), -1)
    if factor is not None:
        difference = difference + (factor - 1) * dictionary.encode_some(x, features)
    if where is not None:
        difference = difference * where
    return x + difference @ dictionary.write_vectors(features)


def at_live(
    x: Float[Tensor, "batch position width"],
    live: Bool[Tensor, "batch position"],
    new: Callable[[Float[Tensor, "token width"]], Float[Tensor, "token width"]],
) -> Float[Tensor, "batch position width"]:
    """x with its live tokens replaced by what becomes of them; BOS and padding stay to the last bit."""
    flat = x[live]
    return x.masked_scatter(live[:, :, None], new(flat)) if len(flat) else x


def _at(wanted: Int[Tensor, " row"], position: Int[Tensor, " token"]) -> Bool[Tensor, "token row"]:
    """Whether a row is about a token's position."""
    return (wanted == SUMMED) | (wanted == position[:, None])
