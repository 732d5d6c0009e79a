"""Texts as people bring them: too long, with a BOS that was typed, cut inside a character."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tiny_world import make_world

import circuitscope as cs
from circuitscope.config import DiscoverySettings
from circuitscope.effects.quadrature import quadrature
from circuitscope.errors import BadInput, NothingFound
from circuitscope.model import pad, read_contexts
from circuitscope.pipeline.report import read_text
from circuitscope.results import load, save
from circuitscope.tasks import Example, Prompt, check, top_tokens
from circuitscope.tasks.labelled.text_tokens import encode_texts

POSITIONS = 32
TEXT = "The old cat near the old dogs"
OTHER = "The old cats near the old dogs"


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return make_world(tmp_path_factory.mktemp("world"))


@pytest.fixture(scope="module")
def model(world):
    return cs.load_model(world.model, device="cpu")


@pytest.fixture(scope="module")
def dictionaries(world, model):
    return cs.load_dictionaries(world.dictionaries, model)


def rows(clean: str, patch: str | None = None) -> list[dict[str, str]]:
    line = {"clean_prefix": clean, "clean_answer": " is"}
    return [line if patch is None else {**line, "patch_prefix": patch, "patch_answer": " are"}] * 8


def discovered(model, dictionaries, task, **settings):
    return cs.discover(model, dictionaries, task, nodes=12, progress=False, **settings)


# -- too long ----------------------------------------------------------------------------------------------

FRONT = "The old king near " * 10
"""More than the model has positions."""


@pytest.mark.parametrize("bos", ["yes", "no"])
def test_texts_that_lose_their_beginning_are_those_that_were_cut_by_hand(model, dictionaries, bos):
    room = POSITIONS - (bos == "yes")
    by_hand = [" ".join(f"{FRONT}{text}".split()[-room:]) for text in (TEXT, OTHER)]
    wanted = discovered(model, dictionaries, rows(*by_hand), bos=bos)
    found = discovered(model, dictionaries, rows(FRONT + TEXT, FRONT + OTHER), bos=bos, truncate="left")
    assert found.ids == wanted.ids
    np.testing.assert_array_equal(found.nodes.effect, wanted.nodes.effect)


def test_a_circuit_keeps_how_its_texts_were_cut(model, dictionaries, tmp_path):
    circuit = discovered(model, dictionaries, rows(FRONT + TEXT, FRONT + OTHER), truncate="left")
    save(circuit, tmp_path / "run")
    again = load(tmp_path / "run")
    assert again.made_by.settings.truncate == "left"
    assert cs.evaluate(again, model, dictionaries, progress=False).examples == 2


def test_texts_too_long_are_refused_with_the_way_out(model, dictionaries):
    task = rows(FRONT + TEXT, FRONT + OTHER)
    for refused in (lambda: discovered(model, dictionaries, task), lambda: check(model, task)):
        with pytest.raises(
            BadInput, match=r"are too long for model: .* 32 positions\n(.|\n)*truncate='left'"
        ):
            refused()
    assert check(model, task, truncate="left").lengths == {POSITIONS: 6}


def test_pairs_that_differ_only_in_what_is_cut_off_are_left_out(model, dictionaries):
    with pytest.raises(NothingFound, match=r"clean and patch differ only in what is cut off \(6\)"):
        discovered(model, dictionaries, rows(f"The cat {FRONT}the", f"The cats {FRONT}the"), truncate="left")


def test_long_prompts(model, dictionaries):
    with pytest.raises(BadInput, match="the prompt is too long for model: it has 47 tokens"):
        cs.prompt_task(model, FRONT + TEXT, bos="no")
    task = Prompt(FRONT + TEXT, truncate="left").as_task(model, dictionaries)
    found = discovered(model, dictionaries, task, truncate="left")
    assert max(node.position for node in found.ids if node.position is not None) < POSITIONS


@pytest.mark.parametrize("value", ["right", "", "yes"])
def test_other_ways_to_cut_are_refused(model, value):
    with pytest.raises(BadInput, match="expected: no or left"):
        DiscoverySettings(truncate=value)
    with pytest.raises(BadInput, match="expected: no or left"):
        check(model, rows(TEXT, OTHER), truncate=value)


def test_tokens_that_the_model_cannot_read_are_one_error(model):
    last = torch.zeros(1, 1, dtype=torch.long)
    fits = [1] * POSITIONS
    assert model.logits(pad([fits], has_bos=False), last).isfinite().all()
    with pytest.raises(BadInput, match="a text of 33 tokens is too long for model, which has 32 positions"):
        model.logits(pad([[*fits, 1]], has_bos=False), last)
    rows_there = len(model.embedding)
    with pytest.raises(BadInput, match=f"a text has token {rows_there}, but the embedding of model has only"):
        model.logits(pad([[1, rows_there]], has_bos=False), last)


# -- a typed BOS -------------------------------------------------------------------------------------------


def ids(model, clean, patch=None, bos=True):
    return cs.load_task(rows(clean, patch), model).encode("train", model.tokenizer, bos=bos)[0][0]


@pytest.mark.parametrize(
    "typed", [("<s>" + TEXT, OTHER), (TEXT, "<s>" + OTHER), ("<s>" + TEXT, "<s>" + OTHER)]
)
def test_a_bos_in_either_text_of_a_pair_is_the_one_bos(model, typed):
    assert ids(model, *typed) == ids(model, TEXT, OTHER)
    assert ids(model, *typed).patch.count(model.tokenizer.bos_token_id) == 1


def test_a_token_for_bos_and_unknown_words_is_known_where_it_was_typed(model):
    assert model.tokenizer.unk_token_id == model.tokenizer.bos_token_id
    found = ids(model, "The cat <s> the dog", bos=False).clean
    assert found.count(model.tokenizer.bos_token_id) == 1
    with pytest.raises(NothingFound, match="words that the tokenizer does not know"):
        ids(model, "The zebra <s> the dog", bos=False)


def test_a_prompt_with_a_typed_bos(model, dictionaries):
    plain = top_tokens(model, TEXT, bos="yes")
    assert top_tokens(model, "<s>" + TEXT) == plain
    task = cs.prompt_task(model, "<s>" + TEXT)
    assert discovered(model, dictionaries, task).made_by.settings.has_bos
    assert check(model, task).bos
    with pytest.raises(BadInput, match="begins with a typed BOS, and BOS is off"):
        cs.prompt_task(model, "<s>" + TEXT, bos="no")


def test_labelled_texts_with_a_typed_bos(model):
    tokenizer = model.tokenizer
    assert encode_texts(["<s>" + TEXT], tokenizer, bos=True) == encode_texts([TEXT], tokenizer, bos=True)
    with pytest.raises(BadInput, match="text 1 begins with a typed <s>, and BOS is off"):
        encode_texts([TEXT, "<s>" + TEXT], tokenizer, bos=False)


# -- half a character --------------------------------------------------------------------------------------

HALF = "The cat\ud83d"


@pytest.mark.parametrize("field", ["clean_prefix", "clean_answer", "patch_prefix", "patch_answer"])
def test_half_a_character_in_an_example(model, field):
    values = {"clean_prefix": "a", "clean_answer": " b", "patch_prefix": "c", "patch_answer": " d"}
    for make in (lambda line: Example(**line), lambda line: cs.load_task([line], model)):
        with pytest.raises(BadInput, match=r"example( 1 from Python)? has half a character: '\\ud83d'"):
            make(values | {field: HALF})
    assert Example(**values | {field: "😀"})


def test_half_a_character_elsewhere(model):
    for make in (
        lambda: cs.prompt_task(model, HALF),
        lambda: cs.prompt_task(model, TEXT, answer=" is", against="\udc00"),
        lambda: encode_texts([TEXT, HALF], model.tokenizer, bos=False),
        lambda: read_contexts([TEXT, HALF], model.tokenizer, context=8, bos="no"),
    ):
        with pytest.raises(BadInput, match="has half a character"):
            make()


# -- too much ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["points", "edge_points"])
def test_more_points_than_are_of_use_are_refused_before_any_work(name):
    assert DiscoverySettings(**{name: 512})
    with pytest.raises(BadInput, match=f"{name}=1000000\nexpected: at most 512"):
        DiscoverySettings(**{name: 1_000_000})


@pytest.mark.parametrize("rule", ["gauss", "left", "midpoint"])
def test_a_quadrature_of_a_million_points_is_refused(rule):
    with pytest.raises(BadInput, match="1000000 quadrature points"):
        quadrature(rule, 1_000_000)


def test_a_byte_order_mark_is_no_part_of_a_text(tmp_path):
    (tmp_path / "text.txt").write_bytes("\ufeffOnce upon a time".encode())
    assert read_text(str(tmp_path / "text.txt")) == "Once upon a time"
