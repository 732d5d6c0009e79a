"""Many sets of nodes as one run, and runs that go on from what all begin with, are the runs one by one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from test_masked_meaning import bench_of, some_nodes
from toys import EVERY_FAMILY, FAMILIES, KINDS, toy_dictionaries, toy_inputs, toy_model

from circuitscope.pruning.masked import MaskedRuns
from circuitscope.results import Nodes

CLOSE = {"atol": 1e-6, "rtol": 1e-6}


def sets_of(dictionaries, positions) -> list[Nodes]:
    drawn = [some_nodes(dictionaries, positions, share, seed) for seed, share in enumerate((0.2, 0.5, 0.7))]
    return [*drawn, Nodes.none(), drawn[0]]


def one_by_one(bench, sets, sites, complement) -> np.ndarray:
    return np.stack([bench.run(nodes, sites, complement=complement) for nodes in sets])


@pytest.mark.parametrize("complement", [False, True])
@pytest.mark.parametrize("baseline", ["mean", "zero", "resample"])
@pytest.mark.parametrize("kind", KINDS)
def test_many_sets_are_one_run(kind, baseline, complement):
    model = toy_model("llama")
    dictionaries, inputs = toy_dictionaries(model, kind), toy_inputs([5, 5, 5, 5])
    halves = [inputs.take(torch.tensor(rows)) for rows in ([0, 1, 2], [3, 0])]
    bench = bench_of(model, dictionaries, halves, baseline=baseline, places=5)
    sets, sites = sets_of(dictionaries, range(5)), bench.sites(0)
    expected = one_by_one(replace(bench, together=1), sets, sites, complement)
    for together in (1, 6, 100):
        found = replace(bench, together=together).run_all(sets, sites, complement=complement)
        np.testing.assert_allclose(found, expected, **CLOSE)
    assert np.ptp(expected, axis=0).min() > 1e-3, "the test would not see sets that are mixed up"


@pytest.mark.parametrize("family", EVERY_FAMILY)
def test_padding_and_sums_over_positions(family):
    model = toy_model(family)
    dictionaries, inputs = toy_dictionaries(model, "topk"), toy_inputs([4, 6, 5], bos=True, side="left")
    bench = bench_of(model, dictionaries, [inputs], errors="circuit")
    sets, sites = sets_of(dictionaries, (-1,)), bench.sites(0)
    found = replace(bench, together=100).run_all(sets, sites)
    np.testing.assert_allclose(found, one_by_one(bench, sets, sites, False), **CLOSE)


@pytest.mark.parametrize("family", EVERY_FAMILY)
def test_going_on_from_a_layer(family):
    """From the free layers as they are, and from what another set's run had behind every layer."""
    model = toy_model(family)
    dictionaries, inputs = toy_dictionaries(model, "relu"), toy_inputs([4, 6, 5], bos=True, side="left")
    halves = [inputs.take(torch.tensor(rows)) for rows in ([0, 1], [2])]
    bench = bench_of(model, dictionaries, halves)
    nodes = some_nodes(dictionaries, share=0.5)
    layers = np.array([site.layer for site in dictionaries])
    free = bench.sites(1)
    start = bench.plain_start(0)
    np.testing.assert_allclose(bench.run(nodes, free, start=start), bench.run(nodes, free), **CLOSE)
    starts = bench.starts(nodes, free, start)
    assert [one.layer for one in starts] == list(range(model.n_layers - 1))
    for one in starts:
        late = np.flatnonzero(layers[nodes.site] > one.layer)
        other = nodes.take(np.setdiff1d(np.arange(len(nodes)), late[::2]))
        behind = [site for site in free if site.layer > one.layer]
        np.testing.assert_allclose(
            bench.run(other, behind, start=one), bench.run(other, free), **CLOSE, err_msg=f"layer {one.layer}"
        )


@pytest.mark.parametrize("family", FAMILIES)
def test_slopes_from_a_layer(family):
    model = toy_model(family)
    dictionaries, inputs = toy_dictionaries(model, "jumprelu"), toy_inputs([5, 4, 6], bos=True)
    bench = bench_of(model, dictionaries, [inputs])
    sites, nodes = bench.sites(1), some_nodes(dictionaries, share=0.4)
    nodes = nodes.take(
        np.flatnonzero(np.isin(nodes.site, [list(dictionaries).index(site) for site in sites]))
    )
    shares = np.random.default_rng(1).random(len(nodes))
    plain = MaskedRuns(bench, nodes, sites).slopes(shares)
    going_on = MaskedRuns(bench, nodes, sites, bench.plain_start(0)).slopes(shares)
    for one, other in zip(going_on, plain, strict=True):
        np.testing.assert_allclose(one, other, **CLOSE)
