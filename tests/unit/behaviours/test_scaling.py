"""What goes before the cosine, against what scikit-learn and plain formulas say."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse
from sklearn.covariance import ledoit_wolf_shrinkage

from circuitscope.behaviours import Vectors
from circuitscope.behaviours.vectors import ColumnPart, VectorColumns, scaling
from circuitscope.errors import BadInput


def loud(rows: int = 400, columns: int = 30, seed: int = 0) -> np.ndarray:
    """Rows that share a mean and a few loud directions."""
    draw = np.random.default_rng(seed)
    mixing = draw.standard_normal((columns, columns)) * np.geomspace(30, 0.1, columns)
    return (draw.standard_normal((rows, columns)) @ mixing + 50).astype(np.float32)


def some_zeros(rows: int = 60, columns: int = 40, seed: int = 0) -> sparse.csr_matrix:
    draw = np.random.default_rng(seed)
    return sparse.csr_matrix(
        draw.standard_normal((rows, columns)) * (draw.random((rows, columns)) < 0.2), dtype=np.float32
    )


def unit(rows: np.ndarray) -> np.ndarray:
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.divide(rows, lengths, out=np.zeros_like(rows), where=lengths > 0)


def whitened(x: np.ndarray, shrinkage: float, rank: int) -> np.ndarray:
    """By the formula, in float64."""
    centred = x.astype(np.float64) - x.mean(axis=0, dtype=np.float64)
    covariance = centred.T @ centred / len(x)
    values, vectors = np.linalg.eigh(covariance)
    values, vectors = values[::-1][:rank], vectors[:, ::-1][:, :rank]
    level = np.trace(covariance) / x.shape[1]
    return unit(centred @ vectors / np.sqrt((1 - shrinkage) * values + shrinkage * level))


def test_whitening_is_what_the_formula_says_with_the_shrinkage_of_ledoit_and_wolf():
    x = loud()
    ready = Vectors.of(x).prepared("whiten")
    shrinkage = float(ledoit_wolf_shrinkage(x.astype(np.float64)))
    assert 0 < shrinkage < 0.2
    expected = whitened(x, shrinkage, 30)
    found = ready.rows()
    assert ready.shape == found.shape == (400, 30)
    assert np.allclose(found @ found.T, expected @ expected.T, atol=1e-4)  # signs of directions are free


def test_whitening_leaves_no_loud_direction():
    x = loud(2000)
    raw, found = unit(x), np.asarray(Vectors.of(x).prepared("whiten").rows())
    assert (raw @ raw.T).mean() > 0.3
    assert abs((found @ found.T).mean()) < 0.01
    spread = np.linalg.eigvalsh(found.T @ found)
    assert spread.max() / np.median(spread) < 5
    assert np.linalg.eigvalsh(raw.T @ raw).max() / np.median(np.linalg.eigvalsh(raw.T @ raw)) > 100


def test_few_rows_are_shrunk_more():
    few, many = loud(20), loud(2000)
    assert float(ledoit_wolf_shrinkage(few)) > 5 * float(ledoit_wolf_shrinkage(many))
    ready = Vectors.of(few).prepared("whiten")
    assert ready.shape == (20, 19)  # centred rows span no more
    assert np.allclose(ready.rows() @ ready.rows().T, cosines(few, 19), atol=1e-4)


def cosines(x: np.ndarray, rank: int) -> np.ndarray:
    expected = whitened(x, float(ledoit_wolf_shrinkage(x.astype(np.float64))), rank)
    return expected @ expected.T


def test_the_rank_is_bounded():
    ready = Vectors.of(loud()).prepared("whiten", rank=5)
    assert ready.shape == (400, 5)
    with pytest.raises(BadInput, match="rank=0"):
        Vectors.of(loud()).prepared("whiten", rank=0)


def test_many_columns_are_whitened_without_their_covariance(monkeypatch: pytest.MonkeyPatch):
    x = loud()
    exact = np.asarray(Vectors.of(x).prepared("whiten", rank=8).rows())
    monkeypatch.setattr(scaling, "EXACT", 10)
    found = np.asarray(Vectors.of(x).prepared("whiten", rank=8).rows())
    again = np.asarray(Vectors.of(x).prepared("whiten", rank=8).rows())
    assert np.array_equal(found, again)
    assert np.allclose(found @ found.T, exact @ exact.T, atol=1e-3)


def test_sparse_vectors_can_be_whitened_too(monkeypatch: pytest.MonkeyPatch):
    x = some_zeros()
    expected = np.asarray(Vectors.of(x.toarray()).prepared("whiten").rows())
    for exact in (2048, 10):
        monkeypatch.setattr(scaling, "EXACT", exact)
        found = np.asarray(Vectors.of(x, kind="activations").prepared("whiten").rows())
        assert np.allclose(found @ found.T, expected @ expected.T, atol=2e-3)


def test_idf_is_what_the_formula_says():
    x = some_zeros()
    ready = Vectors.of(x, kind="effects").prepared()
    assert (ready.scale, ready.is_sparse, ready.shape) == ("idf", True, x.shape)
    table = x.toarray()
    weights = np.log(1 + len(table) / np.maximum((table != 0).sum(axis=0), 1))
    assert np.allclose(ready.rows().toarray(), unit(table * weights), atol=1e-5)


def test_none_changes_only_the_length():
    x, y = loud(), some_zeros()
    assert np.allclose(Vectors.of(x).prepared("none").rows(), unit(x), atol=1e-6)
    assert np.allclose(Vectors.of(y).prepared("none").rows().toarray(), unit(y.toarray()), atol=1e-6)


@pytest.mark.parametrize("scale", ["none", "idf", "whiten"])
def test_two_kinds_beside_each_other_count_the_same(scale: str):
    """However much larger the numbers of one kind are."""
    x = some_zeros()
    columns = VectorColumns((ColumnPart("activations", "resid_0", 25), ColumnPart("effects", "resid_0", 15)))
    louder = x @ sparse.diags([1000.0] * 25 + [1.0] * 15)
    one, other = (
        Vectors.of(rows, kind="both", columns=columns).prepared(scale).rows() for rows in (x, louder)
    )
    one, other = ((part.toarray() if scale != "whiten" else part) for part in (one, other))
    assert np.allclose(one @ one.T, other @ other.T, atol=1e-4)
    if scale != "whiten":
        halves = np.linalg.norm(one[:, :25], axis=1), np.linalg.norm(one[:, 25:], axis=1)
        full = (halves[0] > 0) & (halves[1] > 0)
        assert full.sum() > 50
        assert np.allclose(halves[0][full], halves[1][full], atol=1e-5)


@pytest.mark.parametrize("scale", ["auto", "none", "whiten"])
def test_rows_have_length_one_and_zeros_stay_zero(scale: str):
    for rows in (loud(), some_zeros().toarray()):
        rows[3] = 0
        for vectors in (Vectors.of(rows), Vectors.of(sparse.csr_matrix(rows), kind="effects")):
            ready = vectors.prepared(scale)
            found = ready.rows().toarray() if ready.is_sparse else np.asarray(ready.rows())
            lengths = np.linalg.norm(found, axis=1)
            assert lengths[3] == 0
            assert np.allclose(np.delete(lengths, 3), 1, atol=1e-5)
            parts = [part.toarray() if ready.is_sparse else part for part in ready.chunks(7)]
            assert np.allclose(np.concatenate(parts), found, atol=1e-6)
            assert found.dtype == np.float32


def test_what_does_not_fit_is_refused():
    with pytest.raises(BadInput, match="scale='idf' for dense vectors"):
        Vectors.of(loud()).prepared("idf")
    with pytest.raises(BadInput, match="scale='louder'"):
        Vectors.of(loud()).prepared("louder")


def test_one_vector_and_equal_vectors():
    for rows in (np.ones((1, 5)), np.ones((4, 5))):
        found = np.asarray(Vectors.of(rows).prepared("whiten").rows())
        assert np.isfinite(found).all()


@pytest.mark.parametrize("kind", ["effects", "gradients"])
def test_the_size_of_effects_says_nothing(kind: str):
    """They are as large as the answer is unlikely; whitened, a context is where its direction puts it."""
    x = loud() - 50
    sizes = np.geomspace(1e-4, 1, len(x))[np.random.default_rng(1).permutation(len(x))]
    one, other = (whitened_as(kind, rows) for rows in (x, x * sizes[:, None]))
    assert np.allclose(one @ one.T, other @ other.T, atol=1e-3)
    sized = whitened_as("dense", x * sizes[:, None])
    assert abs((one @ one.T).mean()) < 0.02 < (sized @ sized.T).mean()


def whitened_as(kind: str, rows: np.ndarray) -> np.ndarray:
    return np.asarray(Vectors.of(rows, kind=kind).prepared("whiten").rows())
