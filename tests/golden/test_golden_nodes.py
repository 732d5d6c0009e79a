"""Activations and node effects equal the published code's, in float64."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from circuitscope.activations import read_sites
from circuitscope.effects import SiteEffects, node_effects
from circuitscope.tasks.metrics import LOGIT, LOGIT_DIFFERENCE


def dense(site: SiteEffects, values: Tensor) -> Tensor:
    """Sparse values as (batch, position, feature)."""
    batch, positions, _ = site.clean.x.shape
    out = values.new_zeros(batch * positions, site.features.n_features)
    out[site.features.token, site.features.feature] = values
    return out.view(batch, positions, -1)


def compare_effects(golden, effects, theirs: dict[str, Tensor], sites=None) -> None:
    for site in sites or golden.sites:
        ours = effects.sites[site]
        act, resc = theirs[f"{site}.effect.act"], theirs[f"{site}.effect.resc"]
        scale = float(max(act.abs().max(), resc.abs().max()))
        golden.assert_close(dense(ours, ours.feature_effect), act, f"features of {site}", scale)
        golden.assert_close(ours.error_effect, resc.view_as(ours.error_effect), f"error of {site}", scale)


@pytest.mark.parametrize("side", ["clean", "patch"])
def test_activations(golden, side):
    inputs = golden.inputs()
    tokens = inputs.clean if side == "clean" else inputs.patch
    positions = torch.arange(tokens.positions).expand(tokens.batch, -1)
    cache, states = read_sites(golden.model, golden.dictionaries, tokens, positions)
    theirs = golden.tensors("acts")
    golden.assert_close(cache.logits, theirs[f"{side}.logits"], "logits")
    for site, state in states.items():
        golden.assert_close(state.x, theirs[f"{side}.{site}.x"], f"x of {site}")
        act = theirs[f"{side}.{site}.act"]
        golden.assert_close(state.active.to_dense().view_as(act), act, f"features of {site}")
        golden.assert_close(state.error, theirs[f"{side}.{site}.res"], f"error of {site}")


@pytest.mark.parametrize("points", [10, 4])
def test_ig_with_the_left_rule(golden, points):
    effects = node_effects(
        golden.model, golden.dictionaries, golden.inputs(), LOGIT_DIFFERENCE, rule="left", points=points
    )
    compare_effects(golden, effects, golden.tensors(f"effects-ig{points}"))


def test_ig_of_single_inputs(golden):
    effects = node_effects(
        golden.model, golden.dictionaries, golden.inputs(pair=False), LOGIT, rule="left", points=10
    )
    compare_effects(golden, effects, golden.tensors("effects-ig10-nopair"))


def test_exact(golden):
    effects = node_effects(
        golden.model, golden.dictionaries, golden.inputs(), LOGIT_DIFFERENCE, method="exact"
    )
    compare_effects(golden, effects, golden.tensors("effects-exact"))


def test_total_effect(golden):
    effects = node_effects(
        golden.model, golden.dictionaries, golden.inputs(), LOGIT_DIFFERENCE, rule="left", points=1
    )
    theirs = golden.tensors("effects-ig10")["total_effect"]
    golden.assert_close(effects.patch_metric - effects.clean_metric, theirs, "total effect")


def test_published_ig_is_one_left_point(golden):
    """P1: as published, every invoke reads the first one's rows, so ig is the gradient at clean."""
    effects = node_effects(
        golden.model, golden.dictionaries, golden.inputs(), LOGIT_DIFFERENCE, rule="left", points=1
    )
    compare_effects(golden, effects, golden.tensors("effects-ig10-asis"))
