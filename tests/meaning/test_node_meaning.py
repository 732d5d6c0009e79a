"""What node effects mean: they add up, and the three methods agree where they must."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from toys import EVERY_FAMILY, KINDS, linear_model, toy_dictionaries, toy_hf, toy_inputs, toy_model

from circuitscope.effects import node_effects
from circuitscope.effects.nodes import line_of
from circuitscope.effects.quadrature import quadrature
from circuitscope.effects.replayer import Replayer
from circuitscope.model import load_model
from circuitscope.tasks.metrics import LOG_PROBABILITY, LOGIT_DIFFERENCE
from circuitscope.terms import Site


def by_example(side) -> torch.Tensor:
    """Σ of a site's effects for every example."""
    total = side.error_effect.sum(dim=1)
    example = side.features.token // side.clean.x.shape[1]
    return total.index_add(0, example, side.feature_effect)


@pytest.mark.parametrize("kind", KINDS)
def test_all_methods_agree_on_a_linear_model(kind):
    model = linear_model()
    dictionaries, inputs = toy_dictionaries(model, kind), toy_inputs([5, 5])
    found = {
        method: node_effects(model, dictionaries, inputs, LOGIT_DIFFERENCE, method=method)
        for method in ("exact", "atp", "ig")
    }
    for site in dictionaries:
        exact = found["exact"].sites[site]
        assert exact.feature_effect.abs().max() > 1e-3
        for method in ("atp", "ig"):
            side = found[method].sites[site]
            torch.testing.assert_close(side.feature_effect, exact.feature_effect, atol=1e-6, rtol=1e-6)
            torch.testing.assert_close(side.error_effect, exact.error_effect, atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize("pair", [True, False], ids=["pairs", "singles"])
@pytest.mark.parametrize("family", EVERY_FAMILY)
def test_effects_add_up_to_the_sites_total_effect(family, pair):
    model = toy_model(family)
    dictionaries, inputs = toy_dictionaries(model, "relu"), toy_inputs([6, 6, 6], pair=pair)
    metric = LOGIT_DIFFERENCE if pair else LOG_PROBABILITY
    effects = node_effects(model, dictionaries, inputs, metric, points=256)
    replayer = Replayer(model, inputs, metric, effects.clean_cache)
    for site, side in effects.sites.items():
        (value,) = replayer.values_at_patch([line_of(site, side)])
        total = value - effects.clean_metric
        scale = float(total.abs().max())
        assert (by_example(side) - total).abs().max() <= 2e-4 * max(scale, 0.1), site


@pytest.mark.parametrize("family", EVERY_FAMILY)
def test_the_gap_falls_with_points(family):
    model = toy_model(family)
    dictionaries, inputs = toy_dictionaries(model, "relu"), toy_inputs([6, 6])
    gaps = {}
    for points in (1, 64):
        effects = node_effects(model, dictionaries, inputs, LOGIT_DIFFERENCE, points=points)
        gaps[points] = max(side.gap for side in effects.sites.values())
    assert gaps[64] < 0.1 * gaps[1]
    assert gaps[64] < 2e-3


def test_points_grow_until_the_gap_is_small():
    model = toy_model("llama", seed=3)
    dictionaries, inputs = toy_dictionaries(model, "relu"), toy_inputs([6, 6])
    effects = node_effects(model, dictionaries, inputs, LOGIT_DIFFERENCE)
    for side in effects.sites.values():
        assert side.gap <= 1e-2 or side.points == 31
    assert len({side.points for side in effects.sites.values()}) > 1


def test_rounding_is_no_gap():
    """Where nothing changes from clean to patch, totals of 1e-7 are rounding, and nothing to compare a gap with."""
    for family in EVERY_FAMILY:
        model = load_model(toy_hf(family, layers=2, seed=0), dtype="float32", device="cpu")
        inputs = toy_inputs([6, 9, 7, 12])
        same = replace(inputs, patch=inputs.clean)
        effects = node_effects(model, toy_dictionaries(model, "identity"), same, LOGIT_DIFFERENCE)
        assert max(side.gap for side in effects.sites.values()) <= 1e-2, family
        assert all(side.points == 3 for side in effects.sites.values()), family


def test_a_resid_site_of_a_pair_carries_everything():
    """Its total effect is m(patch) − m(clean), which is why no extra run is needed for it."""
    model = toy_model("neox-sequential")
    inputs = toy_inputs([6, 6], bos=True)
    dictionaries = toy_dictionaries(model, "topk", [Site("resid", 0), Site("embed", -1)])
    effects = node_effects(model, dictionaries, inputs, LOGIT_DIFFERENCE)
    replayer = Replayer(model, inputs, LOGIT_DIFFERENCE, effects.clean_cache)
    for site, side in effects.sites.items():
        line = line_of(site, side)
        moved = replayer.value(site, side.tap, line.start + line.delta, torch.arange(2))
        torch.testing.assert_close(moved, effects.patch_metric, atol=1e-9, rtol=1e-9)


@pytest.mark.parametrize("family", EVERY_FAMILY)
@pytest.mark.parametrize("kind", ["relu", "topk"])
def test_exact_is_an_intervention(family, kind):
    """The exact effect of a feature is what editing it in a run of the whole model does."""
    model = toy_model(family)
    dictionaries, inputs = toy_dictionaries(model, kind), toy_inputs([5, 5])
    effects = node_effects(model, dictionaries, inputs, LOGIT_DIFFERENCE, method="exact")
    for site, side in effects.sites.items():
        entry = int(side.feature_effect.abs().argmax())
        token, feature = int(side.features.token[entry]), int(side.features.feature[entry])
        example, position = divmod(token, 5)
        change = side.features.delta[entry] * side.dictionary.write_vectors(torch.tensor([feature]))[0]

        def edit(x, example=example, position=position, change=change):
            x = x.clone()
            x[example, position] += change
            return x

        logits = model.logits(inputs.clean, inputs.clean.last[:, None], {site: (side.tap, edit)})
        moved = LOGIT_DIFFERENCE(logits, inputs)[example] - effects.clean_metric[example]
        torch.testing.assert_close(moved, side.feature_effect[entry], atol=1e-8, rtol=1e-8)


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("pair", [True, False], ids=["pairs", "singles"])
@pytest.mark.parametrize("family", EVERY_FAMILY)
def test_padding_changes_nothing(family, side, pair):
    """A short example in a batch with longer ones has the effects that it has alone."""
    model = toy_model(family)
    dictionaries = toy_dictionaries(model, "relu")
    lengths = [3, 7, 5]
    metric = LOGIT_DIFFERENCE if pair else LOG_PROBABILITY
    batch = toy_inputs(lengths, pair=pair, side=side, bos=True)
    together = node_effects(model, dictionaries, batch, metric, points=3)
    for row, length in enumerate(lengths):
        alone = toy_inputs(lengths, pair=pair, side=side, bos=True).take(torch.tensor([row]))
        keep = alone.clean.mask[0]
        alone = _cut(alone, keep)
        assert alone.clean.positions == length + 1
        single = node_effects(model, dictionaries, alone, metric, points=3)
        for site in dictionaries:
            ours, theirs = together.sites[site], single.sites[site]
            errors = ours.error_effect[row][batch.clean.mask[row]]
            torch.testing.assert_close(errors, theirs.error_effect[0], atol=1e-6, rtol=1e-5)
            mine = ours.features.token // batch.clean.positions == row
            torch.testing.assert_close(ours.feature_effect[mine], theirs.feature_effect, atol=1e-6, rtol=1e-5)
            assert torch.equal(ours.features.feature[mine], theirs.features.feature)


def _cut(inputs, keep):
    from dataclasses import replace

    def cut(tokens):
        return None if tokens is None else replace(tokens, ids=tokens.ids[:, keep], mask=tokens.mask[:, keep])

    return replace(inputs, clean=cut(inputs.clean), patch=cut(inputs.patch))


@pytest.mark.parametrize("pair", [True, False], ids=["pairs", "singles"])
def test_bos_is_never_a_node(pair):
    model = toy_model("gemma2")
    dictionaries, inputs = (
        toy_dictionaries(model, "relu"),
        toy_inputs([4, 6], pair=pair, bos=True, side="left"),
    )
    effects = node_effects(model, dictionaries, inputs, LOGIT_DIFFERENCE if pair else LOG_PROBABILITY)
    first = torch.tensor([2, 0 + inputs.clean.positions])  # columns of BOS: after two of padding, and none
    for side in effects.sites.values():
        assert not torch.isin(side.features.token, first).any()
        assert (side.error_effect.flatten()[first] == 0).all()
        assert (side.error_effect[0, :2] == 0).all()


def test_the_memory_budget_changes_nothing():
    model = toy_model("llama")
    dictionaries, inputs = toy_dictionaries(model, "jumprelu"), toy_inputs([6, 6, 6])
    wide = node_effects(model, dictionaries, inputs, LOGIT_DIFFERENCE)
    narrow = node_effects(model, dictionaries, inputs, LOGIT_DIFFERENCE, budget=1)
    for site in dictionaries:
        torch.testing.assert_close(wide.sites[site].feature_effect, narrow.sites[site].feature_effect)


def test_ig_does_not_collapse_to_the_gradient_at_clean():
    """P1: the published code's integrated gradients equal one left point; ours do not."""
    model = toy_model("neox-parallel")
    dictionaries, inputs = toy_dictionaries(model, "relu"), toy_inputs([6, 6])
    ig = node_effects(model, dictionaries, inputs, LOGIT_DIFFERENCE, rule="left", points=10)
    one = node_effects(model, dictionaries, inputs, LOGIT_DIFFERENCE, rule="left", points=1)
    atp = node_effects(model, dictionaries, inputs, LOGIT_DIFFERENCE, method="atp")
    for site in dictionaries:
        difference = (ig.sites[site].feature_effect - one.sites[site].feature_effect).abs().max()
        assert difference > 1e-2 * one.sites[site].feature_effect.abs().max()
        torch.testing.assert_close(one.sites[site].gradient, atp.sites[site].gradient, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("points", [1, 2, 5, 12])
def test_gauss_integrates_polynomials_exactly(points):
    alphas, weights = quadrature("gauss", points)
    for degree in range(2 * points):
        integral = sum(w * a**degree for a, w in zip(alphas, weights, strict=True))
        assert integral == pytest.approx(1 / (degree + 1), rel=1e-12)
