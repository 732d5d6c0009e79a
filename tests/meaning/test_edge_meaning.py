"""What an edge means: the change of one downstream activation through the direct path alone.

The reference edits the upstream node in a run of the whole model by hooks, holds every other dictionary's site in
between at its clean value, and looks at the downstream activation times its averaged gradient.
"""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace

import pytest
import torch
from toys import EVERY_FAMILY, FAMILIES, KINDS, linear_model, toy_dictionaries, toy_inputs, toy_model

from circuitscope.dictionaries import neuron_dictionaries
from circuitscope.effects import Rows, edge_effects, node_effects, output_effects
from circuitscope.effects.direct import DirectPath
from circuitscope.effects.output_edges import direct_sites
from circuitscope.effects.replayer import Replayer
from circuitscope.model import linear_rules
from circuitscope.tasks.metrics import LOGIT_DIFFERENCE
from circuitscope.terms import ERROR, Site

STEP = 1e-3


def all_rows(effects, limit=6):
    """Rows of every site: its strongest active features, and its error at two tokens."""
    found = {}
    for site, side in effects.sites.items():
        positions = side.clean.x.shape[1]
        strength = side.feature_effect.abs() * (side.features.clean != 0)
        best = strength.topk(min(limit, len(strength))).indices
        token, feature = side.features.token[best], side.features.feature[best]
        errors = torch.tensor([positions - 1, positions + 1])
        token = torch.cat([token, errors])
        feature = torch.cat([feature, torch.full((2,), ERROR)])
        found[site] = Rows(token // positions, token % positions, feature)
    return found


def downstream_value(effects, site, rows, row, x):
    """The row's activation × its averaged gradient, when the site's tensor is x; and which features are active."""
    side = effects.sites[site]
    example, position, feature = (int(part[row]) for part in (rows.example, rows.position, rows.feature))
    here = x[example, position][None]
    gradient = side.gradient[example, position]
    code = side.dictionary.encode(here)[0]
    if feature == ERROR:
        value = gradient @ (here - side.dictionary.decode(side.dictionary.encode_active(here), here))[0]
    else:
        value = code[feature] * (gradient @ side.dictionary.write_vectors(torch.tensor([feature]))[0])
    return value, code != 0


def run_directly(model, dictionaries, effects, source, target, change, example, position):
    """The target's tensor when the source is moved and the sites in between are held."""
    taps, cache, seen = dictionaries.taps(model), effects.clean_cache, {}

    def move(x):
        x = cache.x[source].clone()
        x[example, position] += change
        return x

    def look(x):
        seen["x"] = x.detach()
        return x

    edits = {
        site: (taps[site], lambda _, site=site: cache.x[site])
        for site in dictionaries
        if source < site < target
    }
    edits |= {source: (taps[source], move), target: (taps[target], look)}
    model.logits(effects.inputs.clean, effects.inputs.clean.last[:, None], edits)
    return seen["x"]


def direction(effects, source, feature, example, position):
    side = effects.sites[source]
    if feature == ERROR:
        return side.error_delta[example, position]
    token = example * side.clean.x.shape[1] + position
    entry = ((side.features.token == token) & (side.features.feature == feature)).nonzero()[0, 0]
    return side.features.delta[entry] * side.dictionary.write_vectors(torch.tensor([feature]))[0]


def check_edges(model, dictionaries, effects, rows, edges, *, step=STEP, most=3):
    """Hold the strongest edges of every pair of sites against the reference; returns how many were compared."""
    compared = 0
    for (source, target), entries in edges.items():
        scale = float(entries.effect.abs().max())
        if scale < 1e-9:
            continue
        found = 0
        for entry in entries.effect.abs().argsort(descending=True)[: 8 * most]:
            if found == most:
                break
            row, feature = int(entries.row[entry]), int(entries.feature[entry])
            position, example = int(entries.position[entry]), int(rows[target].example[row])
            change = direction(effects, source, feature, example, position)
            values, active = [], []
            for sign in (1, -1):
                x = run_directly(
                    model, dictionaries, effects, source, target, sign * step * change, example, position
                )
                value, on = downstream_value(effects, target, rows[target], row, x)
                values.append(value)
                active.append(on)
            if not torch.equal(*active):
                continue  # a feature switches within the step: there is no derivative to compare with
            measured = (values[0] - values[1]) / (2 * step)
            error = abs(float(measured - entries.effect[entry])) / scale
            assert error < 2e-3, f"{source} -> {target}: {float(measured)} and {float(entries.effect[entry])}"
            found += 1
        compared += found
    return compared


def every_edge(model, dictionaries, inputs, **options):
    effects = node_effects(model, dictionaries, inputs, LOGIT_DIFFERENCE, points=4)
    rows = all_rows(effects)
    return effects, rows, edge_effects(model, dictionaries, effects, rows, **options)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("family", FAMILIES)
def test_an_edge_is_a_derivative_of_the_direct_path(family, kind):
    model = toy_model(family)
    dictionaries, inputs = toy_dictionaries(model, kind), toy_inputs([5, 4], bos=True)
    effects, rows, edges = every_edge(model, dictionaries, inputs)
    assert check_edges(model, dictionaries, effects, rows, edges) > 20


@pytest.mark.parametrize("family", [family for family in EVERY_FAMILY if family not in FAMILIES])
def test_an_edge_is_that_in_every_family(family):
    model = toy_model(family)
    dictionaries, inputs = toy_dictionaries(model, "relu"), toy_inputs([5, 4], bos=True)
    effects, rows, edges = every_edge(model, dictionaries, inputs)
    assert check_edges(model, dictionaries, effects, rows, edges) > 20


SUBSETS = {
    "no embed dictionary": lambda site: site.kind != "embed",
    "residual sites only": lambda site: site.kind == "resid",
    "one layer only": lambda site: site.layer == 1,
    "attention and MLP only": lambda site: site.kind in ("attn", "mlp"),
    "embed and the last residual": lambda site: site.name in ("embed", "resid_2"),
    "no MLPs": lambda site: site.kind != "mlp",
}


@pytest.mark.parametrize("family", EVERY_FAMILY)
@pytest.mark.parametrize("subset", SUBSETS)
def test_missing_sites_are_passed_through(family, subset):
    """Where sites have no dictionary, direct paths are longer: through whole blocks and attention."""
    model = toy_model(family, layers=3)
    sites = [site for site in model.sites if SUBSETS[subset](site)]
    dictionaries, inputs = toy_dictionaries(model, "relu", sites), toy_inputs([5, 5])
    effects, rows, edges = every_edge(model, dictionaries, inputs)
    assert check_edges(model, dictionaries, effects, rows, edges, most=2) > 1


def test_other_tensors_of_a_module():
    """Edges into and out of the hidden neurons of MLPs, which no pointwise shortcut covers."""
    model = toy_model("llama")
    hidden = [site for site in model.sites if site.kind == "mlp"]
    dictionaries = neuron_dictionaries(model, hidden, tensor="hidden neurons of the MLP")
    effects, rows, edges = every_edge(model, dictionaries, toy_inputs([5, 5]))
    assert check_edges(model, dictionaries, effects, rows, edges) > 1


def in_order(entries):
    """Effects that are not 0, by (row, position, feature)."""
    return {
        (int(row), int(position), int(feature)): float(effect)
        for row, position, feature, effect in zip(*vars(entries).values(), strict=True)
        if abs(effect) > 1e-12
    }


def assert_same_entries(ours, theirs):
    ours, theirs = in_order(ours), in_order(theirs)
    assert ours.keys() == theirs.keys()
    for key, effect in theirs.items():
        assert ours[key] == pytest.approx(effect, abs=1e-7, rel=1e-6), key


@pytest.mark.parametrize("family", EVERY_FAMILY)
def test_the_pointwise_shortcut_equals_the_general_way(family, monkeypatch):
    model = toy_model(family)
    dictionaries, inputs = toy_dictionaries(model, "relu"), toy_inputs([5, 4])
    effects, rows, fast = every_edge(model, dictionaries, inputs)
    monkeypatch.setattr(DirectPath, "_pointwise", None)
    slow = edge_effects(model, dictionaries, effects, rows)
    for pair, entries in slow.items():
        assert_same_entries(fast[pair], entries)
    assert {pair for pair in fast if fast[pair].effect.abs().max() > 1e-12} <= set(slow)


def test_where_the_path_is_linear_an_edge_is_the_full_patch():
    """In a linear model with neurons as features a whole step gives the edge, not only a small one."""
    model = linear_model()
    dictionaries = toy_dictionaries(model, "identity")
    effects, rows, edges = every_edge(model, dictionaries, toy_inputs([5, 5]))
    assert check_edges(model, dictionaries, effects, rows, edges, step=1.0, most=5) > 30


@pytest.mark.parametrize("family", ["neox-parallel", "gemma2"])
def test_edges_at_patch_are_the_derivative_there(family):
    """Swapping clean and patch turns edges at patch into edges at clean, up to the direction's sign."""
    model = toy_model(family)
    dictionaries, inputs = toy_dictionaries(model, "relu"), toy_inputs([5, 5])
    effects = node_effects(model, dictionaries, inputs, LOGIT_DIFFERENCE, points=4)
    rows = all_rows(effects)
    at_patch = edge_effects(model, dictionaries, effects, rows, at="patch")
    gradients = {site: side.gradient for site, side in effects.sites.items()}
    swapped = node_effects(model, dictionaries, inputs.swapped(), LOGIT_DIFFERENCE, gradients=gradients)
    from_patch = edge_effects(model, dictionaries, swapped, rows)
    both = edge_effects(model, dictionaries, effects, rows, at="both")
    at_clean = edge_effects(model, dictionaries, effects, rows)
    assert at_patch.keys() == from_patch.keys()
    for pair, entries in at_patch.items():
        torch.testing.assert_close(entries.effect, -from_patch[pair].effect, atol=1e-9, rtol=1e-7)
        mean = (at_clean[pair].effect.sum() + entries.effect.sum()) / 2
        torch.testing.assert_close(both[pair].effect.sum(), mean, atol=1e-9, rtol=1e-7)


@pytest.mark.parametrize("family", EVERY_FAMILY)
def test_edges_from_errors_are_real(family):
    """P3: the published code has them always at 0."""
    model = toy_model(family)
    _, _, edges = every_edge(model, toy_dictionaries(model, "relu"), toy_inputs([5, 5]))
    sources = {
        source
        for (source, _), entries in edges.items()
        if (entries.effect[entries.feature == ERROR] != 0).any()
    }
    assert len(sources) == len(model.sites) - 1  # all but the last site, which has no site after it


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("family", EVERY_FAMILY)
def test_padding_changes_no_edge(family, side):
    model = toy_model(family)
    dictionaries = toy_dictionaries(model, "relu")
    inputs = toy_inputs([3, 6], bos=True, side=side)
    plain = toy_inputs([3, 6], bos=True)
    sums = []
    for batch in (inputs, plain):
        _, _, edges = every_edge_everywhere(model, dictionaries, batch)
        sums.append({pair: entries.effect.abs().sum() for pair, entries in edges.items()})
    assert sums[0].keys() == sums[1].keys()
    for pair in sums[0]:
        torch.testing.assert_close(sums[0][pair], sums[1][pair], atol=1e-6, rtol=1e-5)


def every_edge_everywhere(model, dictionaries, inputs):
    effects = node_effects(model, dictionaries, inputs, LOGIT_DIFFERENCE, points=4)
    rows = {}
    for site, side in effects.sites.items():
        positions = side.clean.x.shape[1]
        tokens = inputs.clean.live.flatten().nonzero()[:, 0]
        token = torch.cat([side.features.token, tokens])
        feature = torch.cat([side.features.feature, torch.full_like(tokens, ERROR)])
        rows[site] = Rows(token // positions, token % positions, feature)
    return effects, rows, edge_effects(model, dictionaries, effects, rows)


# -- into the output -----------------------------------------------------------------------------------


@pytest.mark.parametrize("family", EVERY_FAMILY)
def test_edges_into_the_output_of_the_last_residual_are_its_effects(family):
    model = toy_model(family)
    dictionaries = toy_dictionaries(model, "relu")
    effects = node_effects(model, dictionaries, toy_inputs([5, 5]), LOGIT_DIFFERENCE)
    found = output_effects(model, dictionaries, effects)
    assert list(found) == [Site("resid", model.n_layers - 1)]
    (site,) = found
    assert torch.equal(found[site].feature_effect, effects.sites[site].feature_effect)


@pytest.mark.parametrize("family", EVERY_FAMILY)
def test_edges_into_the_output_hold_later_sites(family):
    """Without a residual dictionary many sites reach the logits; the sum is a run with the later ones held."""
    model = toy_model(family)
    sites = [site for site in model.sites if site.kind in ("attn", "mlp")]
    dictionaries, inputs = toy_dictionaries(model, "identity", sites), toy_inputs([5, 5])
    effects = node_effects(model, dictionaries, inputs, LOGIT_DIFFERENCE, points=256)
    found = output_effects(model, dictionaries, effects, points=256)
    assert list(found) == sites
    taps, cache = dictionaries.taps(model), effects.clean_cache
    for site, side in found.items():
        edits = {site: (taps[site], lambda _, site=site: effects.patch_cache.x[site])}
        edits |= {
            later: (taps[later], lambda _, later=later: cache.x[later])
            for later in direct_sites(model, dictionaries)[site]
        }
        logits = model.logits(inputs.clean, inputs.clean.last[:, None], edits)
        measured = LOGIT_DIFFERENCE(logits, inputs) - effects.clean_metric
        example = side.features.token // 5
        ours = torch.zeros(2, dtype=torch.float64).index_add(0, example, side.feature_effect)
        torch.testing.assert_close(ours, measured, atol=2e-4, rtol=2e-3)


@pytest.mark.parametrize("method", ["atp", "atp-graddrop", "relp"])
@pytest.mark.parametrize("family", ["neox-parallel", "llama"])
def test_edges_into_the_output_are_made_as_the_method_makes_effects(family, method):
    """One gradient at clean, under relp's rules for relp, with the later sites held."""
    model = toy_model(family)
    sites = [site for site in model.sites if site.kind in ("attn", "mlp")]
    dictionaries, inputs = toy_dictionaries(model, "identity", sites), toy_inputs([5, 5])
    effects = node_effects(model, dictionaries, inputs, LOGIT_DIFFERENCE, method=method)
    found = output_effects(model, dictionaries, effects)
    taps, cache = dictionaries.taps(model), effects.clean_cache
    for site, later in direct_sites(model, dictionaries).items():
        if not later:
            assert found[site] is effects.sites[site]
            continue
        leaf = cache.x[site].clone().requires_grad_()
        edits = {other: (taps[other], lambda _, other=other: cache.x[other]) for other in later}
        with torch.enable_grad(), linear_rules(model) if method == "relp" else nullcontext():
            edits[site] = (taps[site], lambda _, x=leaf: x)
            logits = model.logits(inputs.clean, inputs.clean.last[:, None], edits)
            (gradient,) = torch.autograd.grad(LOGIT_DIFFERENCE(logits, inputs).sum(), leaf)
        torch.testing.assert_close(found[site].gradient, gradient)


def test_frozen_sites_do_not_leak_into_the_node_effects():
    model = toy_model("llama")
    dictionaries = toy_dictionaries(model, "relu")
    inputs = toy_inputs([5, 5])
    effects = node_effects(model, dictionaries, inputs, LOGIT_DIFFERENCE)
    replayer = Replayer(model, inputs, LOGIT_DIFFERENCE, effects.clean_cache)
    for site, tap in dictionaries.taps(model).items():
        same = replayer.value(site, tap, effects.clean_cache.x[site], torch.arange(2))
        torch.testing.assert_close(same, effects.clean_metric, atol=1e-9, rtol=1e-9)


@pytest.mark.parametrize("family", ["neox-parallel", "llama"])
def test_the_memory_budget_changes_no_edge(family):
    model = toy_model(family)
    dictionaries, inputs = toy_dictionaries(model, "jumprelu"), toy_inputs([5, 4])
    effects, rows, wide = every_edge(model, dictionaries, inputs)
    narrow = edge_effects(model, dictionaries, replace(effects, budget=1), rows)
    assert wide.keys() == narrow.keys()
    for pair, entries in wide.items():
        assert_same_entries(narrow[pair], entries)
