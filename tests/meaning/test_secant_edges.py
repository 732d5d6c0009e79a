"""What a secant edge means: a share of what happens between clean and patch, so that in-edges add up.

The references know nothing of the implementation: dictionaries are dense functions, a feature is replaced by the line
through its two values, and autograd runs through the whole model with hooks that hold every site on its way.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch
from test_edge_meaning import SUBSETS, direction
from toys import (
    EVERY_FAMILY,
    FAMILIES,
    KINDS,
    linear_model,
    toy_dictionaries,
    toy_hf,
    toy_inputs,
    toy_model,
)

from circuitscope.dictionaries import neuron_dictionaries
from circuitscope.effects import Rows, edge_effects, node_effects, output_effects
from circuitscope.effects.row_vectors import row_effects, secant_rows
from circuitscope.model import load_model
from circuitscope.tasks.metrics import LOGIT_DIFFERENCE
from circuitscope.terms import ERROR


def every_row(effects):
    """Every feature that is active on either side of a token, and every error."""
    found, live = {}, effects.inputs.clean.live.flatten().nonzero()[:, 0]
    for site, side in effects.sites.items():
        positions = side.clean.x.shape[1]
        token = torch.cat([side.features.token, live])
        feature = torch.cat([side.features.feature, torch.full_like(live, ERROR)])
        found[site] = Rows(token // positions, token % positions, feature)
    return found


def in_edges(model, dictionaries, inputs, **options):
    effects = node_effects(model, dictionaries, inputs, LOGIT_DIFFERENCE, points=4)
    rows = every_row(effects)
    return effects, rows, edge_effects(model, dictionaries, effects, rows, at="secant", **options)


def summed(rows, edges, target):
    """The sum of every row's in-edges, entry by entry."""
    total = torch.zeros(len(rows[target]), dtype=torch.float64)
    for (_, down), entries in edges.items():
        if down == target:
            total.index_add_(0, entries.row, entries.effect)
    return total


def off(rows, edges, target):
    """The edge gap of a site, from the edges themselves."""
    effect, elsewhere = edges.inflow[target].effect, edges.inflow[target].elsewhere
    return float((summed(rows, edges, target) + elsewhere - effect).abs().sum() / effect.abs().sum())


# -- rows ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_the_rows_of_a_token_sum_to_its_gradient(kind):
    model = toy_model("gemma2")
    dictionaries, inputs = toy_dictionaries(model, kind), toy_inputs([5, 4], bos=True)
    effects = node_effects(model, dictionaries, inputs, LOGIT_DIFFERENCE, points=4)
    for site, rows in every_row(effects).items():
        side = effects.sites[site]
        vector, _ = secant_rows(side, rows)
        positions = side.clean.x.shape[1]
        total = torch.zeros_like(side.clean.flat).index_add_(
            0, rows.example * positions + rows.position, vector
        )
        live = inputs.clean.live.flatten()
        torch.testing.assert_close(total[live], side.gradient.flatten(0, 1)[live], atol=1e-9, rtol=1e-9)


@pytest.mark.parametrize("kind", KINDS)
def test_a_row_applied_to_the_whole_change_is_the_nodes_effect(kind):
    """For silent features, errors, jumps and displaced features alike."""
    model = toy_model("llama")
    dictionaries, inputs = toy_dictionaries(model, kind), toy_inputs([5, 4], bos=True)
    effects = node_effects(model, dictionaries, inputs, LOGIT_DIFFERENCE, points=4)
    for site, rows in every_row(effects).items():
        side = effects.sites[site]
        vector, _ = secant_rows(side, rows)
        change = (side.patch.x - side.clean.x)[rows.example, rows.position]
        n = len(side.features)
        expected = torch.cat([side.feature_effect, side.error_effect.flatten()[inputs.clean.live.flatten()]])
        torch.testing.assert_close((vector * change).sum(dim=1), expected, atol=1e-9, rtol=1e-9)
        torch.testing.assert_close(row_effects(side, rows)[:n], side.feature_effect, atol=1e-12, rtol=1e-9)


def test_kinds_of_one_direction_leave_no_remainder_but_where_it_says_nothing():
    model, inputs = toy_model("llama"), toy_inputs([6, 6])
    shares = {}
    for kind in ("relu", "identity", "jumprelu", "gated", "topk"):
        effects = node_effects(model, toy_dictionaries(model, kind), inputs, LOGIT_DIFFERENCE, points=4)
        rows = every_row(effects)
        found = {site: secant_rows(side, rows[site])[1] for site, side in effects.sites.items()}
        effect = {site: row_effects(side, rows[site]) for site, side in effects.sites.items()}
        shares[kind] = sum(float(part.abs().sum()) for part in found.values()) / sum(
            float(part.abs().sum()) for part in effect.values()
        )
    assert shares["relu"] < 1e-12
    assert shares["identity"] < 1e-12
    assert shares["jumprelu"] < 0.1
    assert shares["gated"] < 0.1
    assert 0.01 < shares["topk"] < 0.5  # others displace them


# -- edges ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_in_edges_sum_to_the_effect_where_the_path_is_linear(kind):
    model = linear_model()
    dictionaries = toy_dictionaries(model, kind)
    _, rows, edges = in_edges(model, dictionaries, toy_inputs([5, 5]), points=1)
    assert set(edges.inflow) == set(rows) - {model.sites[0]}
    for target in edges.inflow:
        assert off(rows, edges, target) < 1e-9, target
        assert edges.inflow[target].gap < 1e-9


@pytest.mark.parametrize("family", EVERY_FAMILY)
def test_in_edges_sum_to_the_effect_as_points_grow(family):
    check_growing_points(toy_model(family), "jumprelu")


@pytest.mark.parametrize("subset", SUBSETS)
@pytest.mark.parametrize("family", FAMILIES)
def test_they_do_so_where_sites_have_no_dictionary(family, subset):
    """Paths through several blocks at once; gentler blocks, or hundreds of points would be needed."""
    model = toy_model(family, layers=3)
    with torch.no_grad():
        for block in model.blocks:
            for weight in block.parameters():
                weight.mul_(0.5 if weight.dim() > 1 else 1.0)
    check_growing_points(model, "relu", [site for site in model.sites if SUBSETS[subset](site)])


def check_growing_points(model, kind, sites=None):
    dictionaries, inputs = toy_dictionaries(model, kind, sites), toy_inputs([5, 4], bos=True)
    gaps = {}
    for points in (1, 32):
        _, rows, edges = in_edges(model, dictionaries, inputs, points=points)
        gaps[points] = max(off(rows, edges, target) for target in edges.inflow)
    assert gaps[32] < 1e-3
    assert gaps[32] < 0.05 * gaps[1]


def test_points_are_added_where_they_are_needed():
    model = toy_model("neox-sequential")
    dictionaries, inputs = toy_dictionaries(model, "relu"), toy_inputs([5, 4], bos=True)
    _, rows, edges = in_edges(model, dictionaries, inputs)
    for target, inflow in edges.inflow.items():
        assert inflow.gap <= 1e-2
        assert off(rows, edges, target) == pytest.approx(inflow.gap, abs=1e-9)
        if target.kind == "resid":  # a sum, and so linear
            assert int(inflow.points.max()) == 1
        else:
            assert len(inflow.points.unique()) > 1
    assert max(int(inflow.points.max()) for inflow in edges.inflow.values()) > 3


def test_points_change_little_once_the_edges_add_up():
    model = toy_model("llama")
    dictionaries, inputs = toy_dictionaries(model, "relu"), toy_inputs([5, 4], bos=True)
    _, _, ours = in_edges(model, dictionaries, inputs)
    _, _, fine = in_edges(model, dictionaries, inputs, points=64)
    for pair, entries in fine.items():
        assert len(ours[pair].row) == len(entries.row)
        difference = (ours[pair].effect - entries.effect).abs().sum()
        assert float(difference / entries.effect.abs().sum()) < 0.03, pair


def test_other_tensors_of_a_module_add_up():
    model = toy_model("llama")
    hidden = [site for site in model.sites if site.kind == "mlp"]
    dictionaries = neuron_dictionaries(model, hidden, tensor="hidden neurons of the MLP")
    _, rows, edges = in_edges(model, dictionaries, toy_inputs([5, 5]), points=32)
    inflow = edges.inflow[hidden[1]]
    assert off(rows, edges, hidden[1]) < 1e-3
    # Everything else comes from the input of the model, which has no dictionary.
    assert float(inflow.elsewhere.abs().sum()) > 0.1 * float(inflow.effect.abs().sum())


# -- against autograd of the secant model ----------------------------------------------------------------


def secant_value(side, example, position, feature, x):
    """The row's secant activation × its averaged gradient at x; the line is made from dense encodings."""
    before, after = (state.x[example, position] for state in (side.clean, side.patch))
    dictionary, gradient = side.dictionary, side.gradient[example, position]
    f_before, f_after = (dictionary.encode(end[None])[0] for end in (before, after))
    jacobians = [
        torch.autograd.functional.jacobian(lambda at: dictionary.encode(at[None])[0], end)
        for end in (before, after)
    ]
    change, lines = after - before, {}
    for i in ((f_before != 0) | (f_after != 0)).nonzero()[:, 0].tolist():
        on = [jacobian[i] for jacobian, f in zip(jacobians, (f_before, f_after), strict=True) if f[i] != 0]
        read, delta = torch.stack(on).mean(dim=0), f_after[i] - f_before[i]
        slope = torch.tensor(1.0, dtype=torch.float64)
        if len(on) == 1:
            most = len(change) ** 0.5 * delta.abs() / (read.norm() * change.norm())
            slope = (delta / (read @ change)).clamp(0.0, max(1.0, float(most)))
        left = delta - slope * (read @ change)
        lines[i] = f_before[i] + (slope * read + left * change / (change @ change)) @ (x - before)
    write = {i: dictionary.write_vectors(torch.tensor([i]))[0] for i in lines}
    if feature != ERROR:
        return (gradient @ write[feature]) * lines[feature]
    return gradient @ x - sum((gradient @ write[i]) * lines[i] for i in lines)


def gradient_at(model, dictionaries, effects, source, target, row, alpha):
    """∂(secant value)/∂(the source's tensor) with the source and every site between on their way at alpha."""
    taps, clean, patch = dictionaries.taps(model), effects.clean_cache, effects.patch_cache
    example, position, feature = row
    at = {site: clean.x[site] + alpha * (patch.x[site] - clean.x[site]) for site in dictionaries}
    leaf, seen = at[source].detach().requires_grad_(), {}

    def look(x):
        seen["x"] = x
        return x

    # Every earlier site is held as well, so a path that should not be there would show.
    edits = {site: (taps[site], lambda _, site=site: at[site]) for site in dictionaries if site < target}
    edits[source] = (taps[source], lambda _: leaf)
    edits[target] = (taps[target], look)
    with torch.enable_grad():
        model.logits(effects.inputs.clean, effects.inputs.clean.last[:, None], edits)
        value = secant_value(effects.sites[target], example, position, feature, seen["x"][example, position])
        (gradient,) = torch.autograd.grad(value, leaf, allow_unused=True)
    return torch.zeros_like(leaf) if gradient is None else gradient


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("family", FAMILIES)
def test_an_edge_is_the_mean_gradient_of_the_secant_model(family, kind):
    model = toy_model(family)
    dictionaries, inputs = toy_dictionaries(model, kind), toy_inputs([5, 4], bos=True)
    effects = node_effects(model, dictionaries, inputs, LOGIT_DIFFERENCE, points=4)
    rows = some_rows(effects)
    edges = edge_effects(model, dictionaries, effects, rows, at="secant", points=3)
    nodes, weights = np.polynomial.legendre.leggauss(3)
    compared = 0
    for (source, target), entries in edges.items():
        scale = float(entries.effect.abs().max())
        if scale < 1e-9:
            continue
        asked = rows[target]
        for entry in entries.effect.abs().argsort(descending=True)[:2].tolist():
            row = tuple(
                int(part[entries.row[entry]]) for part in (asked.example, asked.position, asked.feature)
            )
            feature, position = int(entries.feature[entry]), int(entries.position[entry])
            mean = sum(
                weight / 2 * gradient_at(model, dictionaries, effects, source, target, row, (node + 1) / 2)
                for node, weight in zip(nodes, weights, strict=True)
            )
            expected = float(mean[row[0], position] @ direction(effects, source, feature, row[0], position))
            assert float(entries.effect[entry]) == pytest.approx(expected, abs=1e-6 * scale), (source, target)
            compared += 1
    assert compared > 10


def some_rows(effects):
    """At every site a feature that is active on both sides, one that is silent at clean, and an error."""
    found = {}
    for site, side in effects.sites.items():
        positions, features = side.clean.x.shape[1], side.features
        strength = side.feature_effect.abs()
        picked = []
        for mask in ((features.clean != 0) & (features.patch != 0), (features.clean == 0)):
            (here,) = mask.nonzero(as_tuple=True)
            picked += here[strength[here].argsort(descending=True)[:1]].tolist()
        token = torch.cat([features.token[picked], torch.tensor([positions - 1])])
        feature = torch.cat([features.feature[picked], torch.tensor([ERROR])])
        found[site] = Rows(token // positions, token % positions, feature)
    return found


# -- positions, padding, BOS, precision ------------------------------------------------------------------


def test_silent_features_have_in_edges():
    model = toy_model("neox-parallel")
    dictionaries, inputs = toy_dictionaries(model, "relu"), toy_inputs([5, 5])
    effects, rows, edges = in_edges(model, dictionaries, inputs)
    at_clean = edge_effects(model, dictionaries, effects, rows, at="clean")
    target = model.sites[3]
    silent = (effects.sites[target].features.clean == 0).nonzero()[:, 0]
    assert len(silent)
    assert float(effects.sites[target].feature_effect[silent].abs().max()) > 1e-3
    for found, any_edges in ((edges, True), (at_clean, False)):
        into = [torch.isin(entries.row, silent) for (_, down), entries in found.items() if down == target]
        assert any(bool(part.any()) for part in into) == any_edges


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("family", EVERY_FAMILY)
def test_padding_changes_no_edge_and_bos_has_none(family, side):
    model = toy_model(family)
    dictionaries = toy_dictionaries(model, "relu")
    padded, alone = toy_inputs([3, 6], bos=True, side=side), toy_inputs([3, 6], bos=True)
    sums = []
    for batch in (padded, alone):
        _, rows, edges = in_edges(model, dictionaries, batch, points=4)
        for (_, target), entries in edges.items():
            example = rows[target].example[entries.row]
            assert batch.clean.live[example, entries.position].all()
        sums.append({pair: entries.effect.abs().sum() for pair, entries in edges.items()})
    assert sums[0].keys() == sums[1].keys()
    for pair in sums[0]:
        torch.testing.assert_close(sums[0][pair], sums[1][pair], atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("family", EVERY_FAMILY)
def test_edges_into_the_output_add_up_to_the_whole_effect(family):
    """Also where many sites reach the logits: they go from clean to patch together."""
    model = toy_model(family)
    sites = [site for site in model.sites if site.kind != "resid"]
    dictionaries, inputs = toy_dictionaries(model, "relu", sites), toy_inputs([5, 5])
    effects = node_effects(model, dictionaries, inputs, LOGIT_DIFFERENCE)
    found = output_effects(model, dictionaries, effects, at="secant", points=64)
    assert list(found) == sites
    total = torch.zeros(2, dtype=torch.float64)
    for side in found.values():
        total += side.error_effect.sum(dim=1)
        total.index_add_(0, side.features.token // 5, side.feature_effect)
    torch.testing.assert_close(total, effects.patch_metric - effects.clean_metric, atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float32"])
def test_every_format_gives_finite_edges_that_nearly_add_up(dtype):
    model = load_model(toy_hf("llama"), dtype=dtype, device="cpu")
    dictionaries = toy_dictionaries(model, "jumprelu")
    for dictionary in dictionaries.values():
        dictionary.move("cpu", model.dtype)
    _, _, edges = in_edges(model, dictionaries, toy_inputs([5, 4]))
    for target, inflow in edges.inflow.items():
        assert torch.isfinite(inflow.edges).all()
        assert inflow.edges.dtype == torch.float32, "whatever the model's format"
        assert inflow.gap < (0.02 if dtype == "float32" else 0.2), target
