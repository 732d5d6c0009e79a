"""Sums: means and standard errors are numpy's on dense values, however examples are split into batches."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from circuitscope.discovery.sums import Sums, add, sum_examples

quick = settings(deadline=None, max_examples=50)
KEYS = 6
entries = st.tuples(st.integers(0, KEYS - 1), st.floats(-100, 100, width=32))
data_sets = st.lists(st.lists(entries, max_size=8), min_size=1, max_size=7)


def sums(examples: list[list[tuple[int, float]]]) -> Sums:
    """The sums of one batch of examples; a key may come several times in an example."""
    flat = [(number, key, value) for number, example in enumerate(examples) for key, value in example]
    example, key, value = zip(*flat, strict=True) if flat else ((), (), ())
    return sum_examples(
        torch.tensor(example, dtype=torch.long),
        torch.tensor(key, dtype=torch.long),
        torch.tensor(value, dtype=torch.float32),
        KEYS,
    )


def dense(examples: list[list[tuple[int, float]]]) -> np.ndarray:
    table = np.zeros((len(examples), KEYS))
    for row, example in enumerate(examples):
        for key, value in example:
            table[row, key] += value
    return table


@quick
@given(data_sets)
def test_means_and_standard_errors_are_those_of_the_dense_table(examples):
    found, table, n = sums(examples), dense(examples), len(examples)
    assert set(found.key) == {key for example in examples for key, _ in example}
    np.testing.assert_allclose(found.mean(n), table.mean(0)[found.key], rtol=1e-9, atol=1e-9)
    if n > 1:
        wanted = table.std(0, ddof=1)[found.key] / np.sqrt(n)
        np.testing.assert_allclose(found.stderr(n), wanted, rtol=1e-6, atol=1e-4)


@quick
@given(data_sets, st.data())
def test_batches_add_up_to_the_whole(examples, data):
    cuts = sorted(data.draw(st.sets(st.integers(1, max(1, len(examples) - 1)))))
    bounds = [0, *[cut for cut in cuts if cut < len(examples)], len(examples)]
    parts = [sums(examples[a:b]) for a, b in pairwise(bounds)]
    joined, whole = add(parts), sums(examples)
    assert joined.key.tolist() == whole.key.tolist()
    np.testing.assert_allclose(joined.total, whole.total, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(joined.squares, whole.squares, rtol=1e-9, atol=1e-9)


@quick
@given(st.lists(data_sets, min_size=1, max_size=4))
def test_the_same_batches_in_the_same_order_give_the_same_bits(batches):
    first, second = (add([sums(batch) for batch in batches]) for _ in range(2))
    for one, other in zip(vars(first).values(), vars(second).values(), strict=True):
        assert one.tobytes() == other.tobytes()


@quick
@given(data_sets)
def test_keys_come_once_and_in_order(examples):
    key = sums(examples).key
    assert (np.diff(key) > 0).all()


def test_what_an_example_does_not_mention_is_0_and_counts():
    found = sums([[(2, 3.0)], [], []])
    assert found.mean(3).tolist() == [1.0]
    assert found.stderr(3) == pytest.approx(np.std([3, 0, 0], ddof=1) / np.sqrt(3))


def test_entries_of_one_key_in_one_example_are_one_observation():
    found = sums([[(0, 1.0), (0, 1.0)], [(0, 2.0)]])
    assert (found.mean(2).tolist(), found.stderr(2).tolist()) == ([2.0], [0.0])


def test_of_a_single_example_no_error_is_known():
    assert sums([[(0, 5.0)]]).stderr(1).tolist() == [0.0]


def test_large_numbers_of_one_size_have_no_negative_variance():
    value = 1e8 + 0.5
    assert np.isfinite(sums([[(0, value)]] * 7).stderr(7)).all()
