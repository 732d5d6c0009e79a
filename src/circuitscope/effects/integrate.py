"""Integrated gradients: the gradient of the metric averaged along each site's line from clean to patch.

The points of one layer's sites go through the model together, or those of all layers (``wave.py``). Where the effects
of a site do not add up to its total effect (the quadrature gap), the next nested rule adds points, and only for the
sites and examples that are off.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from circuitscope.effects.at_clean import gradients_at_clean
from circuitscope.effects.clean_to_patch import CleanToPatch
from circuitscope.effects.quadrature import TOLERANCE, Level, schedule
from circuitscope.effects.replayer import Replayer
from circuitscope.terms import Site

_ROUNDINGS = 1000
"""How many roundings add up on the way through a model, with room to spare."""

log = logging.getLogger("circuitscope")


@dataclass(frozen=True)
class Integral:
    """ḡ of one site, and how well it adds up."""

    gradient: Float[Tensor, "batch position width"]
    points: int
    """Points that the example with the most of them took."""
    gap: float
    """mean |Σ effects − (m(do(site = patch)) − m(clean))|, relative to mean |m(patch) − m(clean)|."""


def integrate(
    replayer: Replayer,
    lines: Mapping[Site, CleanToPatch],
    clean_metric: Float[Tensor, " batch"],
    patch_metric: Float[Tensor, " batch"] | None,
    rule: str,
    points: int | None,
) -> dict[Site, Integral]:
    """ḡ of every site; each line covers the whole batch, in order."""
    levels = schedule(rule, points)
    totals = _total_effects(replayer, lines, clean_metric, patch_metric)
    scale = max(_scale(totals, clean_metric, patch_metric), _rounding(clean_metric))
    first = _clean_end(replayer, lines, levels[0])
    copies = {site: len(line.rows) * len(levels[0].alphas) for site, line in lines.items()}
    done: dict[Site, Integral] = {}
    for sites in replayer.plan.together(copies):
        here = {site: lines[site] for site in sites}
        done |= _level_by_level(replayer, here, levels, first, totals, scale)
    return {site: done[site] for site in lines}


def _clean_end(replayer: Replayer, lines: Mapping[Site, CleanToPatch], level: Level) -> dict[Site, Tensor]:
    """The gradients at α = 0 if the rule looks there: one pass has them for all sites."""
    if level.alphas[0] != 0:
        return {}
    taps = {site: line.tap for site, line in lines.items()}
    return gradients_at_clean(replayer.model, replayer.inputs, replayer.metric, taps)


def _total_effects(
    replayer: Replayer,
    lines: Mapping[Site, CleanToPatch],
    clean_metric: Tensor,
    patch_metric: Tensor | None,
) -> dict[Site, Tensor]:
    """m(do(site = patch)) − m(clean) per example. Where the site is the whole stream of a pair it is m(patch)."""
    totals, asked = {}, dict(lines)
    if patch_metric is not None:
        for site in lines:
            if site.kind in ("embed", "resid"):
                totals[site] = patch_metric - clean_metric
                del asked[site]
    for site, value in zip(asked, replayer.values_at_patch(list(asked.values())), strict=True):
        totals[site] = value - clean_metric
    return totals


def _scale(totals: Mapping[Site, Tensor], clean_metric: Tensor, patch_metric: Tensor | None) -> float:
    """What a gap is compared with: mean |m(patch) − m(clean)|.

    Single inputs have no m(patch); there the largest total effect of a site says what is large.
    """
    if patch_metric is not None:
        return float((patch_metric - clean_metric).abs().mean())
    return float(torch.stack(list(totals.values())).abs().mean(dim=1).max())


def _rounding(clean_metric: Tensor) -> float:
    """What differences of the metric may owe to rounding alone: a gap is not to be compared with less.

    A metric is a difference of logits, each of which is rounded, so it counts as no smaller than 1.
    """
    return _ROUNDINGS * torch.finfo(clean_metric.dtype).eps * max(1.0, float(clean_metric.abs().mean()))


def _level_by_level(
    replayer: Replayer,
    lines: Mapping[Site, CleanToPatch],
    levels: list[Level],
    first: Mapping[Site, Tensor],
    totals: Mapping[Site, Tensor],
    scale: float,
) -> dict[Site, Integral]:
    """Sites that go through together, level by level, until their gaps are within the tolerance."""
    sums = {site: line.start.new_zeros(len(levels), *line.start.shape) for site, line in lines.items()}
    gradients = {site: torch.empty_like(line.start) for site, line in lines.items()}
    waiting = {site: line.rows for site, line in lines.items()}
    done: dict[Site, Integral] = {}
    for number, level in enumerate(levels):
        _add_level(replayer, lines, waiting, level, first, {site: sums[site][number:] for site in waiting})
        for site, rows in waiting.items():
            gradients[site][rows] = sums[site][number, rows]
        off = {
            site: ((gradients[site] * lines[site].delta).sum(dim=(1, 2)) - totals[site]).abs() / scale
            for site in waiting
        }
        waiting = {}
        # The device is asked once per level, for all sites.
        for site, of_rows in zip(off, torch.stack(list(off.values())).tolist(), strict=True):
            done[site] = Integral(gradients[site], level.points, sum(of_rows) / len(of_rows))
            if done[site].gap > TOLERANCE:
                still = torch.tensor([row for row, missing in enumerate(of_rows) if missing > TOLERANCE])
                waiting[site] = still.to(lines[site].rows.device, non_blocking=True)
        if not waiting:
            break
    for site in waiting:
        log.debug("the quadrature gap of %s is %.1e with %d points", site, done[site].gap, done[site].points)
    return done


def _add_level(
    replayer: Replayer,
    lines: Mapping[Site, CleanToPatch],
    waiting: Mapping[Site, Tensor],
    level: Level,
    first: Mapping[Site, Tensor],
    sums: Mapping[Site, Tensor],
) -> None:
    """Add a level's points to the running sums of this level's rule and of all later ones."""
    alphas, weights = level.alphas, level.weights
    if first:
        for site in waiting:
            for total, of_rule in zip(sums[site], weights, strict=True):
                total += of_rule[0] * first[site]
        alphas, weights = alphas[1:], [of_rule[1:] for of_rule in weights]
    if alphas:
        asked = [lines[site].only(rows) for site, rows in waiting.items()]
        found = replayer.mean_gradients(asked, alphas, weights)
        for (site, rows), total in zip(waiting.items(), found, strict=True):
            sums[site][:, rows] += total
