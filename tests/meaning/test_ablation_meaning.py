"""What ablated runs mean: everything kept is the model, nothing kept is the baseline, and the rest is between."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from toys import EVERY_FAMILY, FAMILIES, KINDS, toy_dictionaries, toy_inputs, toy_model

from circuitscope.evaluation.ablated_metric import ablated_metric
from circuitscope.evaluation.baseline import make_baseline
from circuitscope.evaluation.node_set import node_set
from circuitscope.results import Nodes
from circuitscope.tasks.metrics import LOGIT_DIFFERENCE
from circuitscope.terms import ERROR, SUMMED, Site

BASELINES = ("mean", "clean-mean", "zero", "resample")


def nodes_of(rows: list[tuple[int, int, int]]) -> Nodes:
    columns = np.array(rows, np.int64).reshape(-1, 3).T
    return Nodes(*columns, np.ones(len(rows)), np.zeros(len(rows)))


def everything(dictionaries, positions=(SUMMED,)) -> Nodes:
    return nodes_of(
        [
            (index, feature, position)
            for index, site in enumerate(dictionaries)
            for feature in (*range(dictionaries[site].n_features), ERROR)
            for position in positions
        ]
    )


def run(model, dictionaries, inputs, nodes, *, kind="mean", places=1, batches=None, **options):
    baseline = make_baseline(kind, model, dictionaries, batches or [inputs], places=places)
    kept = node_set(nodes, dictionaries, places=places, device=model.device)
    options.setdefault("sites", list(dictionaries))
    return ablated_metric(model, dictionaries, inputs, LOGIT_DIFFERENCE, kept, baseline, **options)


def plain(model, inputs):
    return LOGIT_DIFFERENCE(model.logits(inputs.clean, inputs.clean.last[:, None]), inputs)


@pytest.mark.parametrize("baseline", BASELINES)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("family", FAMILIES)
def test_keeping_everything_is_the_model(family, kind, baseline):
    model = toy_model(family)
    dictionaries = toy_dictionaries(model, kind)
    inputs = toy_inputs([4, 6, 6, 4], bos=True, side="left")
    kept = run(model, dictionaries, inputs, everything(dictionaries), kind=baseline)
    torch.testing.assert_close(kept, plain(model, inputs), atol=1e-6, rtol=1e-6)
    rest = run(model, dictionaries, inputs, Nodes.none(), kind=baseline, complement=True)
    torch.testing.assert_close(rest, plain(model, inputs), atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize("baseline", BASELINES)
@pytest.mark.parametrize("errors", ["circuit", "keep", "remove"])
@pytest.mark.parametrize("kind", KINDS)
def test_the_complement_is_the_other_nodes(kind, errors, baseline):
    """Keeping M∖C, written with the features of C, equals keeping all the other nodes one by one."""
    model = toy_model("neox-sequential")
    dictionaries, inputs = toy_dictionaries(model, kind), toy_inputs([5, 5, 5])
    every = everything(dictionaries, range(5))
    some = np.random.default_rng(0).random(len(every)) < 0.3
    options = {"kind": baseline, "places": 5, "errors": errors}
    rest = run(model, dictionaries, inputs, every.take(some), complement=True, **options)
    others = run(model, dictionaries, inputs, every.take(~some), **options)
    torch.testing.assert_close(rest, others, atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize("family", EVERY_FAMILY)
def test_under_zero_nothing_is_left_but_the_bias(family):
    model = toy_model(family)
    sites = [Site("resid", 0), Site("mlp", 1)]
    dictionaries, inputs = toy_dictionaries(model, "relu", sites), toy_inputs([5, 4], bos=True)
    taps, live = dictionaries.taps(model), inputs.clean.live[:, :, None]
    edits = {
        site: (taps[site], lambda x, site=site: torch.where(live, dictionaries[site].b_dec.expand_as(x), x))
        for site in sites
    }
    logits = model.logits(inputs.clean, inputs.clean.last[:, None], edits)
    ours = run(model, dictionaries, inputs, Nodes.none(), kind="zero")
    torch.testing.assert_close(ours, LOGIT_DIFFERENCE(logits, inputs), atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize("side", ["left", "right"])
def test_the_mean_counts_neither_padding_nor_bos(side):
    model = toy_model("llama")
    site = Site("resid", 0)
    dictionaries = toy_dictionaries(model, "relu", [site])
    inputs = toy_inputs([3, 6], bos=True, side=side)
    baseline = make_baseline("mean", model, dictionaries, [inputs], places=1)
    cache = model.capture(inputs.patch, dictionaries.taps(model), inputs.patch.last[:, None])
    tokens = cache.x[site][inputs.patch.live]
    assert len(tokens) == 9
    torch.testing.assert_close(baseline.x[site][0], tokens.mean(dim=0), atol=1e-6, rtol=1e-6)


def test_positions_have_means_of_their_own():
    model = toy_model("neox-parallel")
    site = Site("mlp", 0)
    dictionaries, inputs = toy_dictionaries(model, "topk", [site]), toy_inputs([5, 5, 5])
    baseline = make_baseline("mean", model, dictionaries, [inputs], places=5)
    cache = model.capture(inputs.patch, dictionaries.taps(model), inputs.patch.last[:, None])
    torch.testing.assert_close(baseline.x[site], cache.x[site].mean(dim=0), atol=1e-9, rtol=1e-9)


def test_batches_do_not_matter():
    model = toy_model("gemma2")
    dictionaries, inputs = toy_dictionaries(model, "jumprelu"), toy_inputs([5, 5, 5, 5])
    nodes = everything(dictionaries).take(np.arange(0, 120, 3))
    halves = [inputs.take(torch.tensor(rows)) for rows in ([0, 1], [2, 3])]
    whole = run(model, dictionaries, inputs, nodes)
    parts = [run(model, dictionaries, half, nodes, batches=halves) for half in halves]
    torch.testing.assert_close(torch.cat(parts), whole, atol=1e-7, rtol=1e-7)


def test_sites_that_are_not_ablated_are_untouched():
    model = toy_model("llama")
    dictionaries, inputs = toy_dictionaries(model, "relu"), toy_inputs([5, 5])
    none = run(model, dictionaries, inputs, Nodes.none(), sites=[])
    torch.testing.assert_close(none, plain(model, inputs))
    some = run(model, dictionaries, inputs, Nodes.none(), sites=[Site("mlp", 1)])
    assert (some - plain(model, inputs)).abs().max() > 1e-3


def test_the_arguments_are_not_changed():
    """P7: the published code leaves its own objects in the caller's nodes, so that a second call crashes."""
    model = toy_model("llama")
    dictionaries, inputs = toy_dictionaries(model, "relu"), toy_inputs([5, 5])
    nodes = everything(dictionaries).take(np.arange(0, 100, 2))
    kept = node_set(nodes, dictionaries, places=1, device=model.device)
    baseline = make_baseline("mean", model, dictionaries, [inputs], places=1)
    values = [
        ablated_metric(
            model,
            dictionaries,
            inputs,
            LOGIT_DIFFERENCE,
            kept,
            baseline,
            sites=list(dictionaries),
            errors=errors,
        )
        for errors in ("circuit", "remove", "keep", "circuit")
    ]
    assert torch.equal(values[0], values[-1])


def test_resample_takes_another_examples_values():
    model = toy_model("neox-parallel")
    site = Site("resid", 1)
    dictionaries, inputs = toy_dictionaries(model, "relu", [site]), toy_inputs([5, 5])
    ablated = run(model, dictionaries, inputs, Nodes.none(), kind="resample")
    other = inputs.take(torch.tensor([1, 0]))
    logits = model.logits(other.patch, other.patch.last[:, None])
    torch.testing.assert_close(ablated, LOGIT_DIFFERENCE(logits, inputs), atol=1e-6, rtol=1e-6)
