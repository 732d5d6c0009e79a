"""Metrics are losses for the clean behaviour, per example, at the last real token."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from circuitscope.errors import BadInput
from circuitscope.tasks import Metric, make_inputs, metric_named
from circuitscope.tasks.inputs import Encoded
from circuitscope.tasks.metrics import METRICS

LOGITS = torch.tensor([[[3.0, 1.0, 0.0, -1.0]], [[0.0, 2.0, 5.0, 1.0]]])
PAIRS = make_inputs([Encoded((1, 2), (3, 2), (0,), (1,)), Encoded((1,), (3,), (1, 2), (3,))], has_bos=False)
SINGLES = make_inputs([Encoded((1, 2), None, (0,), ()), Encoded((1,), None, (1, 2), ())], has_bos=False)
P = LOGITS[:, 0].softmax(dim=-1)


@pytest.mark.parametrize(
    ("name", "inputs", "wanted"),
    [
        ("logit-difference", PAIRS, [1.0 - 3.0, 1.0 - torch.tensor([2.0, 5.0]).logsumexp(0)]),
        ("probability-difference", PAIRS, [P[0, 1] - P[0, 0], P[1, 3] - P[1, 1] - P[1, 2]]),
        ("log-probability", SINGLES, [-P[0, 0].log(), -(P[1, 1] + P[1, 2]).log()]),
        ("logit", SINGLES, [-3.0, -torch.tensor([2.0, 5.0]).logsumexp(0)]),
    ],
)
def test_a_metric_is_what_its_name_says(name, inputs, wanted):
    value = metric_named(name, pairs=inputs.is_pair)(LOGITS, inputs)
    torch.testing.assert_close(value, torch.tensor([float(number) for number in wanted]))


@pytest.mark.parametrize("metric", METRICS.values(), ids=METRICS.keys())
def test_a_likelier_clean_answer_is_a_smaller_loss(metric):
    better = LOGITS.clone()
    better[0, 0, 0] += 1
    before, after = metric(LOGITS, PAIRS), metric(better, PAIRS)
    assert after[0] < before[0]
    assert after[1] == before[1]


def test_logits_are_asked_for_at_the_last_real_token():
    assert metric_named("auto", pairs=True).positions(PAIRS).tolist() == [[1], [0]]


@pytest.mark.parametrize(("pairs", "name"), [(True, "logit-difference"), (False, "log-probability")])
def test_auto_is_the_usual_one(pairs, name):
    assert metric_named("auto", pairs=pairs).name == name


def test_a_function_is_a_metric():
    def entropy(logits: Tensor, inputs: object) -> Tensor:
        return -(logits[:, -1].softmax(-1) * logits[:, -1].log_softmax(-1)).sum(-1)

    metric = metric_named(entropy, pairs=False)
    assert isinstance(metric, Metric)
    assert metric.name == "entropy"
    assert metric(LOGITS, SINGLES).shape == (2,)


def test_a_function_that_mixes_examples_is_refused():
    def total(logits: Tensor, inputs: object) -> Tensor:
        return logits.sum()

    with pytest.raises(BadInput, match="'total' returned the shape"):
        metric_named(total, pairs=False)(LOGITS, SINGLES)


def test_an_unknown_metric_lists_those_there_are():
    with pytest.raises(BadInput, match="'loss'") as error:
        metric_named("loss", pairs=True)
    assert all(name in error.value.expected for name in METRICS)


def test_a_metric_of_pairs_is_refused_for_single_inputs():
    with pytest.raises(BadInput, match="compares two answers"):
        metric_named("logit-difference", pairs=False)
