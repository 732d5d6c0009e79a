"""ActiveFeatures hold what a dense matrix holds, and the two sides of a pair meet on common entries."""

from __future__ import annotations

from math import prod

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from circuitscope.sparse import ActiveFeatures, align, concatenate, merge

quick = settings(deadline=None, max_examples=50)


def matrices(shape: tuple[int, int]) -> st.SearchStrategy[Tensor]:
    values = st.lists(
        st.sampled_from([0.0, 0.0, 0.0, 1.0, 2.5, -1.5]), min_size=prod(shape), max_size=prod(shape)
    )
    return values.map(lambda drawn: torch.tensor(drawn).view(shape))


shapes = st.tuples(st.integers(1, 5), st.integers(1, 6))
dense = shapes.flatmap(matrices)
both_sides = shapes.flatmap(lambda shape: st.tuples(matrices(shape), matrices(shape)))


def every(matrix: Tensor) -> tuple[Tensor, Tensor]:
    """All (token, feature) pairs of a matrix."""
    token, feature = torch.ones_like(matrix).nonzero(as_tuple=True)
    return token, feature


@quick
@given(dense)
def test_dense_to_sparse_and_back_changes_nothing(matrix):
    active = ActiveFeatures.from_dense(matrix)
    assert torch.equal(active.to_dense(), matrix)
    assert len(active) == int((matrix != 0).sum())


@quick
@given(dense)
def test_entries_are_sorted_by_token_and_feature(matrix):
    key = ActiveFeatures.from_dense(matrix).key
    assert bool((key[1:] > key[:-1]).all())


@quick
@given(dense)
def test_lookup_finds_what_is_active_and_0_elsewhere(matrix):
    token, feature = every(matrix)
    assert torch.equal(ActiveFeatures.from_dense(matrix).lookup(token, feature), matrix.flatten())


@quick
@given(dense, st.integers(1, 3))
def test_chunks_of_tokens_join_to_the_whole(matrix, step):
    parts = [
        ActiveFeatures.from_dense(matrix[start : start + step], start)
        for start in range(0, len(matrix), step)
    ]
    assert torch.equal(concatenate(parts, *matrix.shape).to_dense(), matrix)


@quick
@given(dense, st.data())
def test_only_live_tokens_are_left(matrix, data):
    live = torch.tensor(data.draw(st.lists(st.booleans(), min_size=len(matrix), max_size=len(matrix))))
    left = ActiveFeatures.from_dense(matrix).on_tokens(live).to_dense()
    assert torch.equal(left, matrix * live[:, None])


@quick
@given(both_sides)
def test_aligned_sides_cover_what_is_active_in_either(pair):
    clean, patch = pair
    both = align(ActiveFeatures.from_dense(clean), ActiveFeatures.from_dense(patch))
    token, feature = ((clean != 0) | (patch != 0)).nonzero(as_tuple=True)
    assert torch.equal(both.token, token)
    assert torch.equal(both.feature, feature)
    assert torch.equal(both.clean, clean[token, feature])
    assert torch.equal(both.delta, (patch - clean)[token, feature])


@quick
@given(dense)
def test_without_a_patch_every_feature_goes_to_0(matrix):
    active = ActiveFeatures.from_dense(matrix)
    assert torch.equal(align(active, None).delta, -active.value)


def test_sides_of_different_shapes_are_refused():
    with pytest.raises(ValueError, match="must match"):
        align(ActiveFeatures.from_dense(torch.ones(2, 3)), ActiveFeatures.from_dense(torch.ones(3, 3)))


def test_selected_entries_keep_both_sides():
    both = align(ActiveFeatures.from_dense(torch.eye(3)), ActiveFeatures.from_dense(2 * torch.eye(3)))
    some = both.select(torch.tensor([True, False, True]))
    assert (some.token.tolist(), some.clean.tolist(), some.patch.tolist()) == ([0, 2], [1, 1], [2, 2])


@quick
@given(dense, st.data())
def test_merging_parts_of_a_batch_gives_the_whole(matrix, data):
    whole = ActiveFeatures.from_dense(matrix)
    ours = torch.tensor(data.draw(st.lists(st.booleans(), min_size=len(matrix), max_size=len(matrix))))
    merged = merge(whole.on_tokens(ours), whole.on_tokens(~ours))
    for name, column in vars(whole).items():
        assert torch.equal(torch.as_tensor(getattr(merged, name)), torch.as_tensor(column)), name
