"""TokenBatch: padding is known by the mask alone, on either side, with or without a BOS."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from circuitscope.model import TokenBatch, pad

quick = settings(deadline=None, max_examples=50)
texts = st.lists(st.lists(st.integers(0, 9), min_size=1, max_size=6), min_size=1, max_size=4)
sides = st.sampled_from(["left", "right"])


@quick
@given(texts, st.booleans(), sides)
def test_the_mask_gives_every_text_back(sequences, has_bos, side):
    batch = pad(sequences, has_bos=has_bos, side=side)
    assert (batch.batch, batch.positions) == (len(sequences), max(map(len, sequences)))
    assert [row[mask].tolist() for row, mask in zip(batch.ids, batch.mask, strict=True)] == sequences


@quick
@given(texts, st.booleans(), sides)
def test_position_ids_count_the_real_tokens_from_0(sequences, has_bos, side):
    batch = pad(sequences, has_bos=has_bos, side=side)
    for row, mask, sequence in zip(batch.position_ids, batch.mask, sequences, strict=True):
        assert row[mask].tolist() == list(range(len(sequence)))
        assert bool((row >= 0).all())


@quick
@given(texts, st.booleans(), sides)
def test_live_tokens_are_neither_padding_nor_bos(sequences, has_bos, side):
    batch = pad(sequences, has_bos=has_bos, side=side)
    live = [row[mask].tolist() for row, mask in zip(batch.ids, batch.live, strict=True)]
    assert live == [sequence[int(has_bos) :] for sequence in sequences]


@quick
@given(texts, st.booleans(), sides)
def test_last_is_the_column_of_the_last_real_token(sequences, has_bos, side):
    batch = pad(sequences, has_bos=has_bos, side=side)
    assert [int(row[c]) for row, c in zip(batch.ids, batch.last, strict=True)] == [s[-1] for s in sequences]
    if side == "left":
        assert set(batch.last.tolist()) == {batch.positions - 1}


@quick
@given(texts, sides, st.data())
def test_examples_may_be_taken_more_than_once(sequences, side, data):
    rows = data.draw(st.lists(st.integers(0, len(sequences) - 1), min_size=1))
    taken = pad(sequences, has_bos=True, side=side).take(torch.tensor(rows))
    assert taken.has_bos
    assert [row[m].tolist() for row, m in zip(taken.ids, taken.mask, strict=True)] == [
        sequences[r] for r in rows
    ]


def test_a_text_with_the_padding_id_in_it_stays_whole():
    assert pad([[0, 0, 0], [5]], has_bos=False).mask.tolist() == [[True] * 3, [True, False, False]]


def test_a_gap_in_the_mask_moves_no_position():
    mask = torch.tensor([[True, False, True, True]])
    batch = TokenBatch(torch.tensor([[7, 0, 8, 9]]), mask, has_bos=True)
    assert batch.position_ids[mask].tolist() == [0, 1, 2]
    assert batch.live.tolist() == [[False, False, True, True]]
    assert batch.last.tolist() == [3]


@pytest.mark.parametrize("side", ["left", "right"])
def test_padding_ids_are_0_and_fit_any_vocabulary(side):
    batch = pad([[5, 6], [7]], has_bos=False, side=side)
    assert batch.ids[~batch.mask].tolist() == [0]
