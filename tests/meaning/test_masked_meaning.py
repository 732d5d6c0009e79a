"""Masked runs: shares of 0 and 1 are ablated runs, and slopes are what finite differences say."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from toys import FAMILIES, KINDS, toy_dictionaries, toy_inputs, toy_model

from circuitscope.evaluation.ablated_runs import AblatedRuns
from circuitscope.evaluation.baseline import make_baseline
from circuitscope.pruning.masked import MaskedRuns
from circuitscope.results import Nodes
from circuitscope.tasks.metrics import LOGIT_DIFFERENCE
from circuitscope.terms import ERROR, SUMMED


def bench_of(model, dictionaries, batches, *, baseline="mean", places=1, errors="circuit") -> AblatedRuns:
    values = make_baseline(baseline, model, dictionaries, batches, places=places)
    return AblatedRuns(model, dictionaries, LOGIT_DIFFERENCE, batches, values, places, errors, {})


def some_nodes(dictionaries, positions=(SUMMED,), share=0.3, seed=0) -> Nodes:
    rows = [
        (index, feature, position)
        for index, site in enumerate(dictionaries)
        for feature in (*range(dictionaries[site].n_features), ERROR)
        for position in positions
    ]
    draw = np.random.default_rng(seed)
    chosen = [row for row in rows if draw.random() < share]
    columns = np.array(chosen, np.int64).T
    return Nodes(*columns, np.ones(len(chosen)), np.zeros(len(chosen)))


def both(bench, nodes, sites, shares):
    """Masked and ablated −m of every example."""
    masked = MaskedRuns(bench, nodes, sites).values(torch.from_numpy(shares)).numpy()
    return masked, bench.run(nodes.take(np.flatnonzero(shares)), sites)


@pytest.mark.parametrize("kind", KINDS)
def test_whole_shares_are_ablated_runs(kind):
    model = toy_model("neox-sequential")
    dictionaries = toy_dictionaries(model, kind)
    for errors in ("circuit", "keep", "remove"):
        bench = bench_of(model, dictionaries, [toy_inputs([4, 6], bos=True, side="left")], errors=errors)
        _check_whole_shares(bench, dictionaries)


def _check_whole_shares(bench, dictionaries):
    nodes = some_nodes(dictionaries, share=0.6)
    shares = (np.random.default_rng(1).random(len(nodes)) < 0.5).astype(float)
    masked, ablated = both(bench, nodes, bench.sites(0), shares)
    np.testing.assert_allclose(masked, ablated, atol=1e-9, rtol=1e-9)
    everything, _ = both(bench, nodes, bench.sites(0), np.ones(len(nodes)))
    assert np.abs(everything - masked).max() > 1e-3, "the test would not see a mask"


@pytest.mark.parametrize(
    ("family", "baseline"), list(zip(FAMILIES, ["mean", "clean-mean", "zero", "resample"], strict=True))
)
def test_whole_shares_are_ablated_runs_at_positions_and_in_batches(family, baseline):
    model = toy_model(family)
    dictionaries, inputs = toy_dictionaries(model, "topk"), toy_inputs([5, 5, 5, 5])
    halves = [inputs.take(torch.tensor(rows)) for rows in ([0, 1], [2, 3])]
    bench = bench_of(model, dictionaries, halves, baseline=baseline, places=5)
    nodes = some_nodes(dictionaries, range(5))
    shares = (np.random.default_rng(1).random(len(nodes)) < 0.5).astype(float)
    masked, ablated = both(bench, nodes, bench.sites(1), shares)
    np.testing.assert_allclose(masked, ablated, atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_slopes_are_finite_differences(kind):
    model = toy_model("llama")
    dictionaries, inputs = toy_dictionaries(model, kind), toy_inputs([5, 4, 6], bos=True)
    halves = [inputs.take(torch.tensor(rows)) for rows in ([0, 1], [2])]
    bench = bench_of(model, dictionaries, halves)
    nodes = some_nodes(dictionaries, share=0.25)
    runs, sites = MaskedRuns(bench, nodes, bench.sites(0)), bench.sites(0)
    shares = np.random.default_rng(2).uniform(0.2, 0.8, len(nodes))
    values, slopes = MaskedRuns(bench, nodes, sites).slopes(shares)
    errors = np.flatnonzero(nodes.feature == ERROR)[:2]
    strongest = np.argsort(-np.abs(slopes))[:4]
    for row in {*errors.tolist(), *strongest.tolist()}:
        step = np.zeros(len(nodes))
        step[row] = 1e-4  # not less: attention weights are float32 in this family
        above, below = (runs.values(torch.from_numpy(shares + sign * step)).mean() for sign in (1, -1))
        assert slopes[row] == pytest.approx(float(above - below) / 2e-4, rel=1e-3, abs=2e-4)
    np.testing.assert_allclose(values, runs.values(torch.from_numpy(shares)).numpy(), atol=1e-9)
    assert np.abs(slopes).max() > 1e-2
