"""The benchmark of clustering's growth: what is planted, what is measured, and a bound that can be broken."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.behaviours import growth


def test_nine_in_ten_vectors_are_planted():
    rows, labels = growth.planted(1000)
    assert rows.dtype == np.float32
    assert np.bincount(labels + 1).tolist() == [100] * 10
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    same = unit[labels == 2] @ unit[labels == 2].T
    other = unit[labels == 2] @ unit[labels != 2].T
    assert same.mean() > 0.4 > 5 * abs(other.mean())


@pytest.mark.parametrize("method", growth.METHODS)
def test_a_row_of_figures(method, monkeypatch):
    monkeypatch.setattr(growth, "bound_mb", lambda count: 1e-3)
    row = growth.measure(method, *growth.planted(600))
    assert (row["vectors"], row["planted"]) == (600, 5)
    assert row["ari"] > 0.9
    assert not row["held"]
    assert growth.cells(row)[3].endswith("!")
    others = [row, {**row, "vectors": 1200, "seconds": 4 * row["seconds"]}]
    figures = {"growth": [*others, *({**one, "method": "kmeans"} for one in others),
                          *({**one, "method": "local"} for one in others)]}  # fmt: skip
    assert f"{method} 2.00" in growth.tables(figures)


def test_vectors_in_no_cluster_stand_alone():
    labels = np.array([0, 0, 1, 1, -1])
    assert growth.agreement([np.array([0, 1]), np.array([2, 3, 4])], labels) == 1
    assert growth.agreement([np.array([0, 1])], labels) < 1
