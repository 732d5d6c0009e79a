"""The sparse projection: fixed by its seed, linear, and kind to inner products."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from circuitscope.behaviours.vectors import SparseProjection
from circuitscope.behaviours.vectors.projection import HITS, _add_as_matrix, _add_hit_by_hit


def project(inputs: torch.Tensor, outputs: int, seed: int = 0, step: int = 1000) -> torch.Tensor:
    """Rows × inputs to rows × outputs, some inputs at a time."""
    projection = SparseProjection(outputs, seed)
    into = torch.zeros(outputs, inputs.shape[0])
    for first in range(0, inputs.shape[1], step):
        projection.add(into, inputs[:, first : first + step].T.contiguous(), first)
    return into.T


def rows(count: int, width: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(count, width, generator=torch.Generator().manual_seed(seed))


def test_each_input_has_as_many_entries_of_either_sign():
    output, sign = SparseProjection(30_000).entries(0, 5000)
    assert output.shape == sign.shape == (5000, HITS)
    assert set(sign.unique().tolist()) == {-1.0, 1.0}
    assert abs(float(sign.mean())) < 0.01
    assert (int(output.min()), int(output.max())) == (pytest.approx(0, abs=5), pytest.approx(29_999, abs=5))
    counts = torch.bincount(output.flatten(), minlength=30_000).double()
    assert float(counts.var() / counts.mean()) == pytest.approx(1.0, abs=0.05)  # as if drawn: Poisson


def test_entries_do_not_depend_on_where_one_starts():
    projection = SparseProjection(500, seed=3)
    output, sign = projection.entries(0, 100)
    for first in (1, 17, 99):
        again, signs = projection.entries(first, 100 - first)
        assert torch.equal(again, output[first:])
        assert torch.equal(signs, sign[first:])
    far, _ = projection.entries(2**40, 10)  # more parameters than any model has
    assert not torch.equal(far, output[:10])


def test_the_seed_fixes_everything():
    one = rows(3, 700)
    assert torch.equal(project(one, 500, seed=1), project(one, 500, seed=1))
    assert not torch.equal(project(one, 500, seed=1), project(one, 500, seed=2))


def test_it_is_linear_whatever_the_steps():
    one, other = rows(4, 700), rows(4, 700, seed=1)
    together = project(2 * one - 3 * other, 500)
    assert torch.allclose(together, 2 * project(one, 500) - 3 * project(other, 500), atol=1e-4)
    assert torch.allclose(project(one, 500, step=7), project(one, 500), atol=1e-5)


def test_it_is_the_matrix_that_its_entries_say():
    projection = SparseProjection(50, seed=5)
    output, sign = projection.entries(0, 80)
    matrix = np.zeros((80, 50))
    for number in range(80):
        for hit in range(HITS):
            matrix[number, output[number, hit]] += sign[number, hit] / np.sqrt(HITS)
    one = rows(3, 80)
    assert np.allclose(project(one, 50, seed=5).numpy(), one.numpy() @ matrix, atol=1e-5)


def test_lengths_and_angles_stay_about_what_they_are():
    base = rows(20, 20_000)
    mixed = base + rows(20, 20_000, seed=1) * torch.linspace(0, 2, 20)[:, None]
    every = torch.cat([base, mixed])
    small = project(every, 4096)
    before = torch.nn.functional.normalize(every) @ torch.nn.functional.normalize(every).T
    after = torch.nn.functional.normalize(small) @ torch.nn.functional.normalize(small).T
    assert float((after - before).abs().max()) < 4.5 / np.sqrt(4096)
    assert torch.allclose(small.norm(dim=1), every.norm(dim=1), rtol=0.06)


def test_both_ways_to_add_are_the_same():
    projection = SparseProjection(40)
    output, sign = projection.entries(0, 60)
    inputs, first, second = rows(60, 3), torch.zeros(40, 3), torch.zeros(40, 3)
    _add_hit_by_hit(first, inputs, output, sign)
    _add_as_matrix(second, inputs, output, sign)
    assert torch.allclose(first, second, atol=1e-5)
