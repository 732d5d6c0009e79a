"""What is taken from the cache is what would be computed, to the last bit, and only what is missing is computed."""

from __future__ import annotations

import sqlite3

import pytest
import torch
from toys import KINDS, toy_dictionaries

from circuitscope.dashboards import (
    Reading,
    known,
    known_contexts,
    known_tokens,
    promoted_tokens,
    top_contexts,
)
from circuitscope.dictionaries import Dictionaries, neuron_dictionaries
from circuitscope.dictionaries.affine import ReluDictionary
from circuitscope.errors import BadInput
from circuitscope.interventions import ablate
from circuitscope.model import load_model
from circuitscope.terms import NodeId, Site
from circuitscope.workspace import DashboardCache

READING = Reading(count=4, context=8, bos="no")
TEXT = " ".join(f"w{2 + number * number % 37}" for number in range(120))


@pytest.fixture
def cache(tmp_path):
    return DashboardCache(tmp_path / "home")


@pytest.fixture
def asked(monkeypatch):
    """Which features were computed, call by call."""
    calls = []

    def count(name):
        compute = getattr(known, name)

        def counted(model, dictionaries, features, *rest, **settings):
            calls.append(list(features))
            return compute(model, dictionaries, features, *rest, **settings)

        monkeypatch.setattr(known, name, counted)

    count("top_contexts")
    count("promoted_tokens")
    return calls


def computed(model, dictionaries, features, text=TEXT, reading=READING):
    found = top_contexts(
        model, dictionaries, features, text, count=reading.count, context=reading.context,
        tokens=reading.tokens, bos=reading.bos, batch_size=reading.batch_size, progress=False,
    )  # fmt: skip
    return found, promoted_tokens(model, dictionaries, features, count=3)


def both(model, dictionaries, features, cache, text=TEXT, reading=READING):
    return (
        known_contexts(model, dictionaries, features, text, reading, cache=cache, progress=False),
        known_tokens(model, dictionaries, features, count=3, cache=cache),
    )


@pytest.mark.parametrize("kind", KINDS)
def test_cached_is_computed(reader, cache, asked, kind):
    model = reader()
    dictionaries = toy_dictionaries(model, kind)
    first = [(site, index) for site in model.sites for index in (0, 3)]
    more = [*first, (Site("resid", 0), 7), (Site("embed", -1), 7), first[0]]
    assert both(model, dictionaries, first, cache) == computed(model, dictionaries, first)
    assert both(model, dictionaries, more, cache) == computed(model, dictionaries, more)
    assert asked == [first, first, more[-3:-1], more[-3:-1]]
    assert both(model, dictionaries, more[::-1], cache) == computed(model, dictionaries, more[::-1])
    assert len(asked) == 4
    assert both(model, dictionaries, first, None) == computed(model, dictionaries, first)
    assert len(asked) == 6  # without a cache all is computed


@pytest.mark.parametrize("count", [1, 5, 33, 40])
def test_what_is_found_of_a_feature_does_not_depend_on_the_others(reader, count):
    """In float32, where a matrix product of another shape is rounded in another way."""
    model = load_model(reader().hf.float(), dtype="float32", device="cpu", tokenizer=reader().tokenizer)
    draw = torch.Generator().manual_seed(5)
    site = Site("resid", 1)
    w_enc, w_dec = torch.randn(2, 64, model.width, generator=draw)
    wide = ReluDictionary(w_enc=w_enc, b_enc=torch.zeros(64), w_dec=w_dec, b_dec=torch.zeros(model.width))
    dictionaries = Dictionaries({site: wide}, name="wide")
    features = [(site, index) for index in range(64)]
    every = computed(model, dictionaries, features)
    some = features[count::-1][:count]
    assert computed(model, dictionaries, some) == tuple(
        tuple(found[features.index(feature)] for feature in some) for found in every
    )


def test_every_setting_and_the_text_are_part_of_the_question(reader, cache, asked):
    model = reader()
    dictionaries = toy_dictionaries(model, "relu")
    feature = [(Site("resid", 0), 3)]
    others = [
        (TEXT, Reading(count=5, context=8, bos="no")),
        (TEXT, Reading(count=4, context=9, bos="no")),
        (TEXT, Reading(count=4, context=8, bos="yes")),
        (TEXT, Reading(count=4, context=8, bos="no", tokens=20)),
        (TEXT + " w3", READING),
        ([TEXT[:100], TEXT[100:]], READING),
    ]
    for number, (text, reading) in enumerate([(TEXT, READING), *others], start=1):
        for _ in range(2):
            found = known_contexts(model, dictionaries, feature, text, reading, cache=cache, progress=False)
            assert found == computed(model, dictionaries, feature, text, reading)[0]
        assert len(asked) == number
    # The same documents in other clothes, what "auto" and a context beyond the model's come to, and another batch.
    for text, reading in [
        ([TEXT], READING),
        (f"{TEXT} <|endoftext|> ", READING),
        (TEXT, Reading(count=4, context=8)),
        (TEXT, Reading(count=4, context=8, bos="no", batch_size=1)),
    ]:
        known_contexts(model, dictionaries, feature, text, reading, cache=cache, progress=False)
    assert len(asked) == 1 + len(others)


def test_another_model_tokenizer_dictionary_or_tensor_is_another_question(reader, cache, asked):
    feature = [(Site("attn", 0), 1)]

    def ask(model, dictionaries):
        assert both(model, dictionaries, feature, cache) == computed(model, dictionaries, feature)
        return len(asked) // 2

    model = reader()
    assert ask(model, neuron_dictionaries(model)) == 1
    assert ask(model, neuron_dictionaries(model)) == 1
    assert ask(model, neuron_dictionaries(model, [Site("attn", 0)])) == 1  # whatever other sites there are
    assert ask(reader(words=30), neuron_dictionaries(model)) == 2
    tensors = [tap.name for tap in model.family.taps["attn"]]
    for count, tensor in enumerate(tensors[1:], start=3):
        assert ask(model, neuron_dictionaries(model, [Site("attn", 0)], tensor=tensor)) == count
    before = len(asked) // 2
    other = reader("neox-parallel")
    assert ask(other, neuron_dictionaries(other)) == before + 1
    assert ask(model, toy_dictionaries(model, "relu")) == before + 2


def test_a_model_that_is_being_changed_is_not_asked_of_the_cache(reader, cache, asked):
    model = reader()
    dictionaries = toy_dictionaries(model, "relu")
    feature = [(Site("resid", 1), 3)]
    plain = both(model, dictionaries, feature, cache)
    with ablate(model, dictionaries, [NodeId(Site("resid", 0), index) for index in range(8)]):
        assert both(model, dictionaries, feature, cache)[0] != plain[0]
    assert both(model, dictionaries, feature, cache) == plain
    assert len(asked) == 4


def test_errors_are_those_of_the_computation(reader, cache):
    model = reader()
    dictionaries = toy_dictionaries(model, "relu")
    for features, text, reading in [
        ([(Site("resid", 0), 10**6)], TEXT, READING),
        ([(Site("resid", 0), 0)], "w3", READING),
        ([(Site("resid", 0), 0)], TEXT, Reading(count=0, context=8, bos="no")),
        ([(Site("resid", 0), 0)], TEXT, Reading(count=1, context=8, bos="maybe")),
    ]:
        with pytest.raises(BadInput):
            known_contexts(model, dictionaries, features, text, reading, cache=cache, progress=False)
    assert not cache.path.exists() or rows(cache) == 0


def rows(cache):
    connection = sqlite3.connect(cache.path)
    (found,) = connection.execute("SELECT count(*) FROM dashboards").fetchone()
    connection.close()
    return found
