"""top_contexts against a computation that runs every context alone and encodes every feature densely."""

from __future__ import annotations

import json
from dataclasses import asdict

import pytest
import torch
from toys import KINDS, toy_dictionaries

from circuitscope.dashboards import contexts, top_contexts
from circuitscope.dictionaries import Dictionaries
from circuitscope.dictionaries.affine import ReluDictionary
from circuitscope.errors import BadInput
from circuitscope.model import TokenBatch
from circuitscope.results import FeatureContexts, TokenContext
from circuitscope.results.plain import from_plain
from circuitscope.terms import Site
from circuitscope.work import InMemory

CONTEXT = 8


def documents() -> list[str]:
    """Documents of 2 to 25 words; the last two are the same."""
    draw = torch.Generator().manual_seed(3)
    found = []
    for length in (5, 25, 2, 9, 14, 8, 3, 17, 6):
        found.append(" ".join(f"w{int(i)}" for i in torch.randint(2, 40, (length,), generator=draw)))
    return [*found, found[-1]]


def alone(model, dictionaries, bos):
    """(words, site → dense activations) of every context, run by itself without padding."""
    room = CONTEXT - bos
    found = []
    for document in documents():
        words = document.split()
        for start in range(0, len(words), room):
            piece = words[start : start + room]
            if len(piece) < 2:
                continue
            ids = torch.tensor([[0] * bos + [int(word[1:]) for word in piece]])
            tokens = TokenBatch(ids, torch.ones_like(ids, dtype=torch.bool), has_bos=bool(bos))
            x = model.capture(tokens, dictionaries.taps(model), ids[:, :1] * 0).x
            dense = {site: dictionaries[site].encode(x[site][0, bos:]) for site in dictionaries}
            found.append((tuple(piece), dense))
    return found


@pytest.mark.parametrize("bos", [0, 1])
@pytest.mark.parametrize("kind", KINDS)
def test_contexts_are_those_of_a_dense_computation(reader, kind, bos):
    model = reader()
    dictionaries = toy_dictionaries(model, kind)
    features = [(site, index) for site in model.sites for index in (0, 3, 11)]
    found = top_contexts(
        model, dictionaries, features, documents(), count=5, context=CONTEXT,
        bos="yes" if bos else "no", batch_size=4,
    )  # fmt: skip
    assert [(item.site, item.feature) for item in found] == [(site.name, i) for site, i in features]
    everywhere = alone(model, dictionaries, bos)
    compared = 0
    for item, (site, index) in zip(found, features, strict=True):
        every = [(words, dense[site][:, index].tolist()) for words, dense in everywhere]
        values = [value for _, row in every for value in row]
        assert item.tokens_read == len(values)
        assert item.density == sum(value != 0 for value in values) / len(values)
        different = {words: row for words, row in every if any(row)}
        # Contexts may tie, at embed most of all: the heights are compared in order, the rows by their words.
        best = sorted((max(row) for row in different.values()), reverse=True)[:5]
        torch.testing.assert_close(
            torch.tensor([context.highest for context in item.contexts]),
            torch.tensor(best),
            atol=1e-5,
            rtol=1e-5,
        )
        shown = [tuple(token.strip() for token in context.tokens) for context in item.contexts]
        assert len(set(shown)) == len(shown)
        for context, words in zip(item.contexts, shown, strict=True):
            row = torch.tensor(different[words])
            torch.testing.assert_close(torch.tensor(context.activations), row, atol=1e-5, rtol=1e-5)
            assert context.highest == max(context.activations)
            compared += 1
        assert item.max_activation == (item.contexts[0].highest if best else 0)
    assert compared > 50


@pytest.mark.parametrize("bos", ["yes", "no"])
def test_padding_and_bos_are_neither_counted_nor_shown(reader, bos):
    """Features that are always active, most of all where there is only padding or BOS: density is exactly 1."""
    model = reader()
    site = Site("resid", 1)
    weights = toy_dictionaries(model, "relu")[site].weights()
    always = ReluDictionary(
        w_enc=1e-3 * weights["w_enc"],
        b_enc=weights["b_enc"] * 0 + 5,
        w_dec=weights["w_dec"],
        b_dec=weights["b_dec"],
    )
    dictionaries = Dictionaries({site: always}, name="always active")
    (found,) = top_contexts(model, dictionaries, [(site, 2)], documents(), context=CONTEXT, bos=bos, count=50)
    assert found.density == 1
    assert found.tokens_read == sum(len(document.split()) for document in documents()) - words_alone(bos)
    assert all(len(context.tokens) == len(context.activations) for context in found.contexts)
    assert all(token.strip().startswith("w") for context in found.contexts for token in context.tokens)
    assert max(len(context.tokens) for context in found.contexts) == CONTEXT - (bos == "yes")


def words_alone(bos: str) -> int:
    """Words that would stand alone in a context, and are left out."""
    room = CONTEXT - (bos == "yes")
    return sum(len(document.split()) % room == 1 for document in documents())


def test_the_batch_size_changes_nothing(reader):
    model = reader("neox-parallel")
    dictionaries = toy_dictionaries(model, "topk")
    features = [(site, 5) for site in model.sites]
    first, second = (
        top_contexts(model, dictionaries, features, documents(), context=CONTEXT, batch_size=size)
        for size in (1, 7)
    )
    for one, other in zip(first, second, strict=True):
        assert (one.density, len(one.contexts)) == (other.density, len(other.contexts))
        assert [c.tokens for c in one.contexts] == [c.tokens for c in other.contexts]


def test_what_follows_the_peak_is_known_past_the_end_of_a_context(reader):
    model = reader()
    dictionaries = toy_dictionaries(model, "identity")
    text = " ".join(f"w{number}" for number in range(2, 18))
    features = [(Site("embed", -1), index) for index in range(16)]
    found = top_contexts(model, dictionaries, features, [text], context=CONTEXT, bos="no")
    ends = set()
    for item in found:
        for context in item.contexts:
            last = context.peak == len(context.tokens) - 1
            number = int(context.peak_token.strip()[1:])
            assert context.following.strip() == ("" if number == 17 else f"w{number + 1}")
            ends.add((last, number == 17))
    assert {(True, True), (True, False), (False, False)} <= ends


def test_only_so_much_of_a_text_is_read(reader):
    model = reader()
    dictionaries = toy_dictionaries(model, "relu")
    feature = [(Site("resid", 0), 1)]
    (found,) = top_contexts(model, dictionaries, feature, documents(), context=CONTEXT, bos="no", tokens=6)
    assert found.tokens_read == 5 + 24, "to the end of the document; a word alone in its context is left out"
    joined = "<|endoftext|>".join(documents())
    whole, listed = (
        top_contexts(model, dictionaries, feature, text, context=CONTEXT, bos="no")
        for text in (joined, documents())
    )
    assert whole == listed


def test_contexts_are_no_longer_than_the_model_can_read(reader):
    model = reader()
    text = " ".join(f"w{2 + number % 38}" for number in range(70))
    dictionaries = toy_dictionaries(model, "identity")
    (found,) = top_contexts(model, dictionaries, [(Site("resid", 0), 1)], text, context=500, bos="yes")
    assert {len(context.tokens) for context in found.contexts} == {31, 8}


def test_what_cannot_be_is_refused(reader):
    model = reader()
    dictionaries = toy_dictionaries(model, "relu", [Site("resid", 0)])
    good = [(Site("resid", 0), 1)]
    for features, text, changed, said in (
        ([(Site("resid", 0), 20)], "w2 w3", {}, "there is no feature 20 at resid_0"),
        ([(Site("mlp", 0), 1)], "w2 w3", {}, "there is no feature 1 at mlp_0"),
        (good, "w2", {}, "no two tokens in a row"),
        (good, "w2 w3", {"context": 2}, "context = 2"),
        (good, "w2 w3", {"count": 0}, "count = 0"),
    ):
        with pytest.raises(BadInput, match=said):
            top_contexts(model, dictionaries, features, text, **{"context": CONTEXT, **changed})


def test_results_survive_json(reader):
    model = reader()
    (found,) = top_contexts(
        model, toy_dictionaries(model, "relu"), [(Site("resid", 0), 3)], documents(), context=CONTEXT
    )
    assert found.contexts
    assert from_plain(FeatureContexts, json.loads(json.dumps(asdict(found)))) == found


def test_a_part_of_a_word_is_shown_in_it():
    tokens = (" t", "a", "il", ".", "\n", "He", " s", "aid", " 'no", "'")
    words = [str(TokenContext(tokens, (0.0,) * 10, peak, "").peak_word) for peak in range(10)]
    assert words == ["[t]ail", "t[a]il", "ta[il]", ".", "", "He", "[s]aid", "s[aid]", "'no", "'"]


class Stopped(Exception):
    """The machine went down."""


@pytest.mark.parametrize("stop", [1, 3])
def test_a_search_goes_on_from_what_it_kept(reader, monkeypatch, stop):
    """Stopped after a batch, it reads only the batches that are left, and finds the same."""
    model = reader()
    dictionaries = toy_dictionaries(model, "topk")
    features = [(site, index) for site in model.sites for index in (0, 3, 11)]
    options = {"count": 4, "context": CONTEXT, "bos": "yes", "batch_size": 4}
    whole = top_contexts(model, dictionaries, features, documents(), **options)
    monkeypatch.setattr(contexts, "KEPT_EVERY", 0.0)
    kept, told = InMemory(), []

    def until(done, total, what):
        told.append(done)
        if len(told) == stop:
            raise Stopped

    with pytest.raises(Stopped):
        top_contexts(model, dictionaries, features, documents(), kept=kept, progress=until, **options)
    before, runs = told[-1], []
    captured = type(model).capture
    monkeypatch.setattr(
        type(model), "capture", lambda self, tokens, *rest, **more: (
            runs.append(tokens.batch), captured(self, tokens, *rest, **more))[1]
    )  # fmt: skip
    again = top_contexts(model, dictionaries, features, documents(), kept=kept, progress=False, **options)
    assert again == whole
    every = sum(1 for _ in alone_words(model))
    assert sum(runs) == every - before
    other = [(site, 5) for site in model.sites]
    runs.clear()
    top_contexts(model, dictionaries, other, documents(), kept=kept, progress=False, **options)
    assert sum(runs) == every, "another question is answered from the beginning"


def alone_words(model):
    """The contexts that the documents are cut into."""
    for document in documents():
        words = document.split()
        yield from (
            1 for start in range(0, len(words), CONTEXT - 1) if len(words[start : start + CONTEXT - 1]) > 1
        )
