"""The first pass over parts of the examples is the first pass over each part."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from toys import VOCAB, toy_dictionaries, toy_model

from circuitscope.config import DiscoverySettings
from circuitscope.discovery.job import Job
from circuitscope.discovery.node_pass import node_pass
from circuitscope.discovery.subset_means import part_means
from circuitscope.errors import BadInput
from circuitscope.tasks import metric_named
from circuitscope.tasks.inputs import Encoded
from circuitscope.work.partial import InMemory


def examples(lengths):
    draw = torch.Generator().manual_seed(3)
    found = []
    for length in lengths:
        clean, patch = torch.randint(4, VOCAB, (2, length), generator=draw).tolist()
        found.append(Encoded(tuple(clean), tuple(patch), (2,), (3,)))
    return tuple(found)


def job(keep, lengths):
    model = toy_model("neox-parallel")
    metric = metric_named("logit-difference", pairs=True)
    dictionaries = toy_dictionaries(model, "relu")
    settings = DiscoverySettings(
        points=3, batch_size=3, memory="1GiB", positions="keep" if keep else "sum", bos="no"
    )
    return Job(model, dictionaries, metric, examples(lengths), settings)


def by_name(nodes):
    names = zip(nodes.site.tolist(), nodes.feature.tolist(), nodes.position.tolist(), strict=True)
    # Where the output cannot depend on a node its effect is a rounding error, or 0, as the batch happens to be.
    return {
        name: effect for name, effect in zip(names, nodes.effect.tolist(), strict=True) if abs(effect) > 1e-12
    }


@pytest.mark.parametrize(("keep", "lengths"), [(True, [5] * 7), (False, [4, 6, 5, 3, 6, 4, 5])])
def test_a_part_has_the_means_of_its_examples_alone(keep, lengths):
    whole = job(keep, lengths)
    parts = np.array([[1, 1, 0, 0, 1, 0, 1], [0, 0, 1, 1, 0, 1, 0], [1] * 7, [0, 0, 0, 0, 0, 1, 0]], bool)
    found = part_means(whole, parts)
    assert len({len(nodes) for nodes in found}) == 1
    for part, nodes in zip(parts, found, strict=True):
        alone = tuple(item for item, member in zip(whole.examples, part, strict=True) if member)
        some = replace(
            whole, examples=alone, partial=InMemory()
        )  # or it would find the batches of another part
        wanted, got = by_name(node_pass(some).nodes), by_name(nodes)
        assert len(wanted) > 50
        assert got.keys() == wanted.keys()
        assert got == pytest.approx(wanted, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("parts", [np.ones((2, 4), bool), np.zeros((1, 7), bool)])
def test_parts_that_do_not_fit_are_refused(parts):
    with pytest.raises(BadInput, match="parts of"):
        part_means(job(True, [5] * 7), parts)
