"""Rows of length 1: what is left out, what is refused, what is counted."""

from __future__ import annotations

import numpy as np
import pytest
from planted_clusters import as_sparse, mixture
from scipy import sparse

from circuitscope.behaviours.clusters.unit_rows import WIDTH, UnitRows
from circuitscope.errors import BadInput, NothingFound


@pytest.mark.parametrize("make", [np.array, sparse.csr_matrix])
def test_lengths_are_one_and_zeros_are_left_out(make):
    found = UnitRows.of(make([[3.0, 4.0], [0.0, 0.0], [0.0, 2.0]]))
    rows = found.rows.toarray() if found.is_sparse else found.rows
    np.testing.assert_allclose(rows, [[0.6, 0.8], [0, 1]], rtol=1e-6)
    assert rows.dtype == np.float32
    assert found.kept.tolist() == [0, 2]
    assert found.zeros == 1


@pytest.mark.parametrize("make", [np.array, sparse.csr_matrix])
def test_vectors_that_point_the_same_way_are_duplicates(make):
    found = UnitRows.of(make([[1.0, 0.0], [4.0, 0.0], [1.0, 1.0], [1.0, 0.0]]))
    assert (found.distinct, found.duplicates) == (2, 2)


@pytest.mark.parametrize("make", [np.array, sparse.csr_matrix])
def test_chunks_give_what_the_whole_gives(make):
    rows = mixture(3, 30)[0]
    rows[[7, 40]] = 0
    whole = UnitRows.of(make(rows))
    parts = UnitRows.of_chunks((make(rows[start : start + 25]) for start in range(0, 90, 25)), 90)
    for one in (whole, parts):
        assert len(one) == 88
    first, second = (one.rows.toarray() if one.is_sparse else one.rows for one in (whole, parts))
    np.testing.assert_array_equal(first, second)
    assert whole.kept.tolist() == parts.kept.tolist()


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_numbers_that_are_none_are_refused(bad):
    rows = np.ones((5000, 2))
    rows[4200, 1] = bad
    with pytest.raises(BadInput, match="vector 4200 holds NaN or infinity"):
        UnitRows.of(rows)


def test_nothing_with_a_direction():
    with pytest.raises(NothingFound, match="all 3 vectors are zero"):
        UnitRows.of(np.zeros((3, 2)))
    with pytest.raises(NothingFound, match="there are no vectors"):
        UnitRows.of(np.zeros((0, 2)))
    with pytest.raises(BadInput, match=r"vectors of shape \(3,\)"):
        UnitRows.of(np.ones(3))


def test_wide_sparse_rows_become_narrow_and_keep_their_cosines():
    rows = mixture(4, 30, width=40)[0]
    wide = UnitRows.of(as_sparse(rows, every=20))
    assert wide.rows.shape[1] > 2 * WIDTH
    narrow = wide.dense()
    assert narrow.shape[1] <= WIDTH
    same = UnitRows.of(rows).rows
    np.testing.assert_allclose(narrow @ narrow.T, same @ same.T, atol=1e-4)
