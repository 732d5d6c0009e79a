"""Contexts: their losses are the model's own, what is left out is counted, no more text is read than is needed."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_world import NOUNS, World
from torch.nn.functional import cross_entropy

import circuitscope as cs
from circuitscope.behaviours.contexts import ContextCounts, Search, search
from circuitscope.behaviours.contexts.induction import repeats_bigram, repeats_skip_trigram
from circuitscope.config import ContextSearch
from circuitscope.errors import BadInput, NothingFound
from circuitscope.model import LanguageModel, load_model
from circuitscope.work import InMemory, silent

WORDS = ["The", "old", "near", "the", *NOUNS, *(f"{noun}s" for noun in NOUNS), "is", "are", "has", "have"]
ALL = {
    "context": 32,
    "loss": 1e3,
    "per_document": 0,
    "contexts": 0,
    "bigrams": False,
    "skip_trigrams": False,
    "progress": False,
}


def documents(count: int, words: int = 20, seed: int = 0) -> list[str]:
    draw = np.random.default_rng(seed)
    return [" ".join(draw.choice(WORDS, words)) for _ in range(count)]


@pytest.fixture(scope="module")
def model(world: World) -> LanguageModel:
    return load_model(world.model, device="cpu")


def own_loss(model: LanguageModel, tokens: list[int], answer: int) -> float:
    with torch.no_grad():
        logits = model.hf(torch.tensor([tokens])).logits[0, -1]
    return float(cross_entropy(logits.double()[None], torch.tensor([answer])))


@pytest.mark.parametrize("bos", ["yes", "no"])
def test_losses_are_the_models_own_cross_entropy_of_just_these_tokens(model: LanguageModel, bos: str):
    found = cs.behaviours.find_contexts(model, documents(5, 13), bos=bos, **(ALL | {"context": 8}))
    assert len(found) == 5 * 12  # a document's first token has nothing before it
    for row in range(len(found)):
        loss = own_loss(model, found.tokens(row), int(found.answers[row]))
        assert found.losses[row] == pytest.approx(loss, abs=1e-5)
    assert found.lengths.max() == 8


def test_a_context_ends_just_before_its_answer_in_its_document(model: LanguageModel):
    texts = documents(4, 13)
    found = cs.behaviours.find_contexts(model, texts, bos="yes", **(ALL | {"context": 8}))
    for row in range(len(found)):
        ids = model.tokenizer(texts[found.documents[row]], add_special_tokens=False)["input_ids"]
        position, tokens = int(found.positions[row]), found.tokens(row)
        assert ids[position] == found.answers[row]
        assert tokens[0] == model.tokenizer.bos_token_id
        assert ids[position - len(tokens) + 1 : position] == tokens[1:]
    assert sorted(found.positions[found.documents == 2]) == list(range(1, 13))


def test_only_tokens_below_the_loss(model: LanguageModel):
    texts = documents(20)
    every = cs.behaviours.find_contexts(model, texts, **ALL)
    limit = float(np.median(every.losses))
    found = cs.behaviours.find_contexts(model, texts, **(ALL | {"loss": limit}))
    assert len(found) == (every.losses < np.float32(limit)).sum()
    assert found.losses.max() < limit


def test_what_induction_explains_is_left_out(model: LanguageModel):
    texts = documents(20)
    every = cs.behaviours.find_contexts(model, texts, **ALL)
    explained = {"bigrams": [], "skip_trigrams": []}
    for row in range(len(every)):
        tokens, end = every.tokens(row), np.array([every.lengths[row] - 1])
        explained["bigrams"].append(bool(repeats_bigram(tokens, end, every.answers[[row]])[0]))
        explained["skip_trigrams"].append(bool(repeats_skip_trigram(tokens, end, every.answers[[row]])[0]))
    for name, seen in explained.items():
        assert any(seen)
        found = cs.behaviours.find_contexts(model, texts, **(ALL | {name: True}))
        assert found.losses.tolist() == every.losses[~np.array(seen)].tolist()


def test_every_so_many_th_is_counted_over_the_whole_text(model: LanguageModel):
    texts = documents(600, 3)  # more documents than a portion has
    every = cs.behaviours.find_contexts(model, texts, **ALL)
    found = cs.behaviours.find_contexts(model, texts, **(ALL | {"every": 7}))
    assert np.array_equal(found.losses, every.losses[::7])
    assert np.array_equal(found.documents, every.documents[::7])


def test_at_most_so_many_of_a_document_drawn_by_the_seed(model: LanguageModel):
    texts = documents(30)
    found = [
        cs.behaviours.find_contexts(model, texts, **(ALL | {"per_document": 3, "seed": seed}))
        for seed in (0, 0, 1)
    ]
    assert set(np.unique(found[0].documents, return_counts=True)[1]) == {3}
    assert found[0].fingerprint == found[1].fingerprint
    assert found[0].fingerprint != found[2].fingerprint
    assert len(np.unique(found[0].positions)) > 10  # from anywhere in a document


def test_answers_with_too_little_before_them(model: LanguageModel):
    found = cs.behaviours.find_contexts(model, documents(3), shortest=5, bos="yes", **ALL)
    assert found.lengths.min() == 6  # BOS and five


def counted(model: LanguageModel, texts: list[str], **changed: object) -> ContextCounts:
    settings = {name: value for name, value in (ALL | changed).items() if name != "progress"}
    total = ContextCounts()
    for _, arrays in search(Search(model, ContextSearch(**settings)), texts, InMemory(), silent):
        total += ContextCounts.of(arrays)
    return total


def test_every_token_is_counted_once(model: LanguageModel):
    texts = [*documents(300, 12), "  ", documents(1, 12)[0], ""]
    found = counted(
        model, texts, loss=3.5, bigrams=True, skip_trigrams=True, every=2, per_document=1, shortest=4
    )
    assert (found.documents, found.duplicates, found.empty) == (301, 1, 2)
    dropped = (
        found.short,
        found.high_loss,
        found.bigram,
        found.skip_trigram,
        found.thinned,
        found.over_limit,
    )
    assert all(dropped)
    assert sum(dropped) + found.kept == found.tokens == 300 * 11
    assert sum(count for reason, count in found.reasons() if "documents" not in reason) == sum(dropped)


def test_documents_that_came_before_are_left_out_however_far_away(model: LanguageModel):
    texts = documents(700, 3)
    twice = [*texts, *texts]
    once = cs.behaviours.find_contexts(model, texts, **ALL)
    assert cs.behaviours.find_contexts(model, twice, **ALL).fingerprint == once.fingerprint
    assert counted(model, twice).duplicates >= 700


def test_an_endless_text_is_read_no_further_than_needed(model: LanguageModel):
    read = 0

    def endless() -> Iterator[str]:
        nonlocal read
        for number in itertools.count():
            read += 1
            yield documents(1, 12, seed=number)[0]

    found = cs.behaviours.find_contexts(model, endless(), **(ALL | {"contexts": 40}))
    assert len(found) == 40
    assert read <= 256


def test_ids_stay_in_subsets(model: LanguageModel):
    found = cs.behaviours.find_contexts(model, documents(5), **ALL)
    some = found.subset([7, 3, 11, 3])
    assert some.context_ids.tolist() == [3, 7, 11]
    assert [some.tokens(row) for row in range(3)] == [found.tokens(row) for row in (3, 7, 11)]
    assert some.subset([7]).tokens(0) == found.tokens(7)
    with pytest.raises(BadInput, match="there is no context 4"):
        some.subset([3, 4])
    with pytest.raises(BadInput, match="there is no context 12"):
        some.subset([12])
    assert len(some.subset([])) == 0
    assert some.texts(model.tokenizer)[0] == " ".join(
        documents(5)[0].split()[: found.lengths[3] - found.has_bos]
    )


def test_a_subset_is_another_thing(model: LanguageModel):
    found = cs.behaviours.find_contexts(model, documents(5), **ALL)
    assert found.subset([1, 2]).fingerprint != found.subset([1, 3]).fingerprint
    assert found.subset(range(len(found))).fingerprint == found.fingerprint


@pytest.mark.parametrize("text", ["", "  \n ", [], ["", " "]])
def test_an_empty_text(model: LanguageModel, text: str | list[str]):
    with pytest.raises(NothingFound, match="the text is empty"):
        cs.behaviours.find_contexts(model, text, context=32, progress=False)


def test_documents_of_one_word(model: LanguageModel):
    with pytest.raises(NothingFound, match="no document of 2 has two tokens"):
        cs.behaviours.find_contexts(model, ["cat", "dog"], context=32, bos="no", progress=False)


def test_no_token_under_the_loss(model: LanguageModel):
    with pytest.raises(NothingFound) as refused:
        cs.behaviours.find_contexts(model, documents(3), context=32, loss=1e-9, progress=False)
    assert (
        "none of the 57 tokens of the text became a context: 57 tokens that are not predicted"
        in refused.value.got
    )
    assert "loss" in refused.value.mend


def test_a_context_longer_than_the_model(model: LanguageModel):
    with pytest.raises(BadInput, match="context=64"):
        cs.behaviours.find_contexts(model, documents(3), context=64, progress=False)


def test_a_file_and_its_text_are_the_same(model: LanguageModel, tmp_path: Path):
    texts = documents(6)
    (tmp_path / "text.txt").write_text("<|endoftext|>".join(texts))
    of_file = cs.behaviours.find_contexts(model, tmp_path / "text.txt", **ALL)
    assert of_file.fingerprint == cs.behaviours.find_contexts(model, texts, **ALL).fingerprint
    assert (
        of_file.fingerprint
        == cs.behaviours.find_contexts(model, "<|endoftext|>".join(texts), **ALL).fingerprint
    )
