"""From text to contexts to shuffled activations."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor
from typing import Any

import pytest
import torch

from circuitscope.dictionaries.training import TrainConfig
from circuitscope.dictionaries.training.corpus import read_corpus
from circuitscope.dictionaries.training.stream import ActivationStream
from circuitscope.errors import BadInput
from circuitscope.model import LanguageModel, bos_id

MakeTokenizer = Callable[..., Any]


def test_bos_follows_the_tokenizer(make_tokenizer: MakeTokenizer) -> None:
    with_bos, without = make_tokenizer(adds_bos=True), make_tokenizer(adds_bos=False)
    assert bos_id(with_bos, "auto") == 0
    assert bos_id(with_bos, "no") is None
    assert bos_id(without, "auto") is None
    assert bos_id(without, "yes") == 0
    without.bos_token = None
    with pytest.raises(BadInput, match="no BOS token"):
        bos_id(without, "yes")


def test_the_last_contexts_are_held_out(model: LanguageModel, text: str) -> None:
    config = TrainConfig(context=16, held_out=0.1)
    train, held_out = read_corpus(text, model.tokenizer, config)
    whole = len(train) + len(held_out)
    assert len(held_out) == -(-whole // 10)
    as_list, _ = read_corpus(text.split("<|endoftext|>"), model.tokenizer, config)
    assert as_list.fingerprint == train.fingerprint
    assert held_out.fingerprint != train.fingerprint


def test_texts_that_cannot_be_used_are_refused(model: LanguageModel, text: str) -> None:
    with pytest.raises(BadInput, match="makes 0 contexts"):
        read_corpus(" \n", model.tokenizer, TrainConfig())
    with pytest.raises(BadInput, match="no tokenizer"):
        read_corpus(text, None, TrainConfig())
    config = TrainConfig(batch=10**6, context=16)
    train, _ = read_corpus(text, model.tokenizer, config)
    with pytest.raises(BadInput, match="fewer than one batch"):
        ActivationStream(model, train, model.sites, config)


def test_the_data_of_a_step_does_not_depend_on_where_the_run_began(
    model: LanguageModel, text: str, pool: Executor
) -> None:
    # Small buffers and more tokens than the text has: several buffers, and several epochs.
    config = TrainConfig(tokens=8000, batch=100, buffer=30, context=16)
    train, _ = read_corpus(text, model.tokenizer, config)
    stream = ActivationStream(model, train, model.sites, config)
    every = dict(stream.batches(0, pool))
    assert list(every) == list(range(80))
    for first in (1, 37, 79):
        later = dict(stream.batches(first, pool))
        assert list(later) == list(range(first, 80))
        assert all(torch.equal(later[first][site], every[first][site]) for site in model.sites)


def test_an_epoch_sees_live_tokens_once_and_nothing_else(model: LanguageModel, pool: Executor) -> None:
    documents = [" ".join(f"w{(5 * i + j) % 40}" for j in range(9)) for i in range(20)]
    # The buffer is the whole text and one batch: an epoch is one step.
    config = TrainConfig(tokens=19 * 9, batch=19 * 9, buffer=19, context=12, held_out=0.01)
    train, _ = read_corpus(documents, model.tokenizer, config)
    (_, batch), *rest = ActivationStream(model, train, model.sites, config).batches(0, pool)
    assert not rest
    table = model.hf.get_input_embeddings().weight
    tokens = train.take(range(19))
    expected = table[tokens.ids[tokens.live]]
    embedded = batch[model.sites[0]]
    assert torch.equal(embedded.sort(dim=0).values, expected.sort(dim=0).values)
    assert not torch.equal(embedded, expected)
