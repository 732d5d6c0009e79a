"""A behaviour whose smallest circuit is known: every method must find it, and thresholding cannot.

Width 6, one block in which nothing happens. The embedding writes six coordinates, which features of embed and of
resid_0 read and write, one each; the answers' logits add them up. So the behaviour is a sum, of what the clean token
has in each coordinate, and a circuit has a term of it if it keeps the coordinate at both sites:

    4 − 3.9 + 3.8 − 3.7 + 3 + 2.5 = 5.7

The two largest terms that help make 7.8, the largest alone 0.70 of 5.7. So 90 % takes two coordinates, which are four
nodes. By falling size the terms add up to at least 90 % only when all six are there; one strong term undoes another.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn
from transformers import AutoModelForCausalLM, GPTNeoXConfig

from circuitscope.config import PruneConfig
from circuitscope.dictionaries import Dictionaries
from circuitscope.dictionaries.affine import ReluDictionary
from circuitscope.errors import NothingFound
from circuitscope.evaluation.ablated_runs import AblatedRuns
from circuitscope.evaluation.baseline import make_baseline
from circuitscope.evaluation.faithfulness_scale import FaithfulnessScale
from circuitscope.model import load_model
from circuitscope.pruning.greedy import eliminate
from circuitscope.pruning.masked import share_slopes
from circuitscope.pruning.search import GREEDY, MASKS, THRESHOLDING, NodeSearch
from circuitscope.pruning.thresholding import most_faithful, threshold
from circuitscope.pruning.trials import Trials, Watch
from circuitscope.results import Nodes
from circuitscope.tasks.inputs import Encoded, make_inputs
from circuitscope.tasks.metrics import LOGIT_DIFFERENCE
from circuitscope.terms import SUMMED, Site
from circuitscope.work import silent

TERMS = (4.0, -3.9, 3.8, -3.7, 3.0, 2.5)
WIDTH = len(TERMS)
CLEAN, PATCH, CLEAN_ANSWER, PATCH_ANSWER = range(4)
WANTED = {(site, feature) for site in (0, 1) for feature in (0, 2)}


@pytest.fixture(scope="module")
def scale() -> FaithfulnessScale:
    config = GPTNeoXConfig(
        vocab_size=4,
        hidden_size=WIDTH,
        num_hidden_layers=1,
        num_attention_heads=1,
        intermediate_size=1,
        max_position_embeddings=8,
        attn_implementation="eager",
    )
    hf = AutoModelForCausalLM.from_config(config).double()
    with torch.no_grad():
        for weight in hf.parameters():
            weight.zero_()
        hf.gpt_neox.embed_in.weight[CLEAN] = torch.tensor(TERMS).abs()
        hf.lm_head.weight[CLEAN_ANSWER] = torch.tensor(TERMS).sign()
    layer = hf.gpt_neox.layers[0]
    layer.input_layernorm = layer.post_attention_layernorm = nn.Identity()
    hf.gpt_neox.final_layer_norm = nn.Identity()
    model = load_model(hf, dtype="float64", device="cpu")
    by_site = {site: _reading() for site in (Site("embed", -1), Site("resid", 0))}
    dictionaries = Dictionaries(by_site, name="planted")
    inputs = [make_inputs([Encoded((CLEAN,), (PATCH,), (CLEAN_ANSWER,), (PATCH_ANSWER,))] * 3, has_bos=False)]
    baseline = make_baseline("mean", model, dictionaries, inputs, places=1)
    runs = AblatedRuns(model, dictionaries, LOGIT_DIFFERENCE, inputs, baseline, 1, "circuit", {})
    return FaithfulnessScale(runs, 0)


def _reading() -> ReluDictionary:
    vectors, zeros = torch.eye(WIDTH, dtype=torch.float64), torch.zeros(WIDTH, dtype=torch.float64)
    return ReluDictionary(w_enc=vectors, b_enc=zeros, w_dec=vectors.clone(), b_dec=zeros.clone())


def ranked() -> Nodes:
    """Every feature of both sites with its effect, by falling size."""
    site, feature = np.repeat([0, 1], WIDTH), np.tile(np.arange(WIDTH), 2)
    nodes = Nodes(site, feature, np.full(2 * WIDTH, SUMMED), np.tile(TERMS, 2), np.zeros(2 * WIDTH))
    return nodes.take(nodes.strongest())


def found(scale, *, candidates=None):
    config = PruneConfig(faithfulness=0.9, candidates=candidates, steps=40)
    search = NodeSearch(scale, ranked(), [0.5, 0.9], config, Watch(), silent)
    search.run()
    assert search.ended == ""
    return search.table


def names(rows) -> set[tuple[int, int]]:
    some = ranked().take(rows)
    return set(zip(some.site.tolist(), some.feature.tolist(), strict=True))


def test_the_scale_is_the_sum(scale):
    assert scale.full == pytest.approx(5.7)
    assert scale.empty == pytest.approx(0)
    nodes = ranked()
    assert scale.faithfulness(nodes.take(np.arange(4))) == pytest.approx(0.1 / 5.7)


def test_the_slope_of_a_share_is_the_term_if_the_other_site_keeps_it(scale):
    nodes = ranked()
    value, slopes = share_slopes(scale, nodes, np.ones(len(nodes)))
    assert value == pytest.approx(1)
    assert slopes == pytest.approx(nodes.effect / 5.7)
    _, alone = share_slopes(scale, nodes.take(np.array([0])), np.ones(1))
    assert alone == pytest.approx(0), "by itself it does nothing, whatever its effect in the whole model"


@pytest.fixture(scope="module")
def table(scale):
    return found(scale)


@pytest.mark.parametrize("method", [GREEDY, MASKS])
def test_the_smallest_circuit_is_found(table, method):
    assert len(table[THRESHOLDING][0.9].rows) == 2 * WIDTH
    assert names(table[method][0.9].rows) == WANTED
    assert names(table[method][0.5].rows) == {(0, 0), (1, 0)}


def test_the_same_again_is_the_same(scale, table):
    again = found(scale)
    for method, by_level in table.items():
        for level, one in by_level.items():
            np.testing.assert_array_equal(one.rows, again[method][level].rows)


def test_thresholding_finds_the_first_size(scale):
    nodes = ranked()
    assert len(threshold(Trials(scale, nodes, 0.5))) == 2  # 4 / 5.7
    assert threshold(Trials(scale, nodes, 1.5)) is None
    assert most_faithful(scale, nodes.take(np.arange(4))) == (pytest.approx(4 / 5.7), 2)


def test_what_cannot_be_reached_is_said(scale):
    few = ranked().take(np.arange(4))
    with pytest.raises(
        NothingFound, match=r"keeps a faithfulness of 0\.9; the best found has 0\.702, with 2 nodes"
    ):
        NodeSearch(
            scale, few, [0.9], PruneConfig(faithfulness=0.9, by=GREEDY, steps=1), Watch(), silent
        ).run()


def test_too_few_candidates_find_nothing(scale):
    table = found(scale, candidates=4)
    assert table[GREEDY][0.9].rows is None
    assert table[MASKS][0.9].rows is None
    assert names(table[GREEDY][0.5].rows) == {(0, 0), (1, 0)}


class Clock:
    """Seconds pass only when somebody looks."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        self.now += 1
        return self.now


def stopped_after(scale, looks):
    config = PruneConfig(faithfulness=0.9, by=GREEDY)
    search = NodeSearch(scale, ranked(), [0.9], config, Watch.start(looks, Clock()), silent)
    search.run()
    return search


def test_a_search_that_runs_out_of_time_has_the_smallest_set_found_by_then(scale):
    whole = stopped_after(scale, 10_000.0)
    assert whole.ended == ""
    sizes = set()
    for looks in range(1, 60):
        search = stopped_after(scale, float(looks))
        rows = search.table[THRESHOLDING][0.9].rows
        if search.ended == "" or rows is None:
            continue
        assert search.ended == "time"
        smallest = search.table.get(GREEDY, {}).get(0.9)
        best = rows if smallest is None or smallest.rows is None else smallest.rows
        assert scale.faithfulness(ranked().take(best)) >= 0.9
        sizes.add(len(best))
    assert max(sizes) == 2 * WIDTH, "some were stopped early"
    assert min(sizes) < 2 * WIDTH, "and some later"


def test_a_set_without_each_of_its_nodes(scale):
    nodes = ranked()
    trials = Trials(scale, nodes, 0.9)
    rows, places = np.arange(10), np.array([7, 0, 3])
    without = trials.without_each(rows, places)
    for place, faithful in zip(places, without, strict=True):
        assert faithful == pytest.approx(scale.faithfulness(nodes.take(np.delete(rows, place))), abs=1e-9)


def test_single_nodes_are_tried_a_bounded_number_of_times(scale, monkeypatch):
    counts = []
    plain = Trials.without_each

    def counted(self, rows, places):
        counts.append(len(places))
        return plain(self, rows, places)

    monkeypatch.setattr(Trials, "without_each", counted)
    eliminate(Trials(scale, ranked(), 0.9), np.arange(2 * WIDTH))
    assert 0 < len(counts) <= 4
    assert max(counts) <= 2 * WIDTH
