"""On which texts a node is active, in words: "Active on 100 % of the texts that ask for are or do, on 0 % …"."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

from circuitscope.results.features import NodeActivity, Share

_TELLING = 0.3
"""By how much, at least, the shares on the two sides of a cut must differ, relative to the larger one."""
_SURE = 4.0
"""And by how many standard errors; many, since the best of several cuts is taken."""
_LISTED = 4


def split_by_share(shares: Sequence[Share]) -> tuple[list[Share], list[Share]]:
    """The kinds of text on which a node is active more, and those on which less.

    Of all cuts through the kinds by decreasing share, the one whose two sides differ by the most standard errors.
    Both sides are empty if the node does not tell the kinds apart: they differ little, or it may well be chance.
    """
    ranked = sorted(shares, key=lambda share: -share.active)
    cuts = [(ranked[:cut], ranked[cut:]) for cut in range(1, len(ranked))]
    if not cuts:
        return [], []
    more, less = max(cuts, key=lambda cut: _deviations(*cut))
    return (more, less) if _deviations(more, less) >= _SURE and _differ(more, less) else ([], [])


def _deviations(more: Sequence[Share], less: Sequence[Share]) -> float:
    """The difference of two pooled shares in standard errors (the usual test of two proportions)."""
    (n, high), (m, low) = (_pooled(side) for side in (more, less))
    both = (n * high + m * low) / (n + m)
    error = max(0.0, both * (1 - both) * (1 / n + 1 / m)) ** 0.5  # a mean of shares may round above 1
    return (high - low) / error if error > 0 else 0.0


def _differ(more: Sequence[Share], less: Sequence[Share]) -> bool:
    (_, high), (_, low) = (_pooled(side) for side in (more, less))
    return high - low >= _TELLING * abs(high)


def _pooled(shares: Sequence[Share]) -> tuple[int, float]:
    """How many texts, and on what part of them the node is active."""
    texts = sum(share.texts for share in shares)
    return texts, sum(share.texts * share.active for share in shares) / texts


def active_sentence(activity: NodeActivity) -> str:
    """On which of the task's texts a node is active, split by the answer that they ask for if that matters."""
    for shares, kind in ((activity.answers, "texts that ask for"), (activity.cases, "clean texts of case")):
        more, less = split_by_share(shares)
        if more:
            return (
                f"Active on {_percent(more)} of the {kind} {_names(more)}, on {_percent(less)} of those "
                f"{kind.removeprefix('texts ').removeprefix('clean texts ')} {_names(less)}."
            )
    _, share = _pooled(activity.answers) if activity.answers else (0, activity.clean)
    if share == 0:
        return "Silent on all of the task's texts."
    if share < 1:
        return f"Active on {round(100 * share)} % of the task's texts, whichever answer they ask for."
    return _by_strength(activity)


def _by_strength(activity: NodeActivity) -> str:
    """Where a node is active on every text, as neurons are, only its strength can differ."""
    ranked = sorted(activity.answers, key=lambda share: -share.mean)
    gaps = [first.mean - second.mean for first, second in pairwise(ranked)]
    cut = gaps.index(max(gaps)) + 1 if gaps else 0
    more, less = ranked[:cut], ranked[cut:]
    if not cut or not _differ(
        *([replace(share, active=share.mean) for share in side] for side in (more, less))
    ):
        return "Active on all of the task's texts, whichever answer they ask for."
    high, low = (
        sum(share.texts * share.mean for share in side) / sum(share.texts for share in side)
        for side in (more, less)
    )
    return (
        f"Active on all of the task's texts: {high:.3g} on average on those that ask for {_names(more)}, "
        f"{low:.3g} on those that ask for {_names(less)}."
    ).replace("-", "−")


def _percent(shares: Sequence[Share]) -> str:
    low, high = (round(100 * part(share.active for share in shares)) for part in (min, max))
    return f"{high} %" if low == high else f"{low} to {high} %"


def _names(shares: Sequence[Share]) -> str:
    """``is, has or does``; if there are many, the first and how many more."""
    names = [share.kind for share in shares]
    if len(names) > _LISTED + 1:
        return f"{', '.join(names[:_LISTED])} and {len(names) - _LISTED} more"
    return " or ".join(filter(None, (", ".join(names[:-1]), names[-1])))
