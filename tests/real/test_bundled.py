"""The bundled model and its dictionaries are what the package says they are."""

from __future__ import annotations

import pytest
import torch

import circuitscope as cs
from circuitscope.bundled import BUNDLED_DICTIONARIES, BUNDLED_MODEL
from circuitscope.config import TrainConfig
from circuitscope.dictionaries.training import measure_quality
from circuitscope.dictionaries.training.corpus import read_corpus
from circuitscope.tasks.agreement import STRUCTURES
from circuitscope.tasks.language import document, text, vocabulary
from training.check import VARIABLES, agreement_accuracy, behaviour_accuracy, probe_accuracy

MOST_BYTES = 20 * 2**20


@pytest.fixture(scope="module")
def model():
    return cs.load_model("bundled", device="cpu")


@pytest.fixture(scope="module")
def dictionaries(model):
    return cs.load_dictionaries("bundled", model)


def test_the_weights_are_small_enough_to_ship():
    places = (BUNDLED_MODEL, BUNDLED_DICTIONARIES)
    size = sum(file.stat().st_size for place in places for file in place.rglob("*") if file.is_file())
    assert 2**20 < size < MOST_BYTES


def test_the_model_is_called_bundled_and_has_a_token_per_word(model):
    assert model.name == "bundled"
    words = document(5).words
    assert model.tokenizer.convert_ids_to_tokens(
        model.tokenizer(document(5).text, add_special_tokens=False)["input_ids"]
    ) == list(words)
    assert set(vocabulary()) < set(model.tokenizer.get_vocab())
    assert model.tokenizer.decode(
        model.tokenizer("The chefs are tall.", add_special_tokens=False)["input_ids"]
    ) == ("The chefs are tall.")


@pytest.mark.parametrize("structure", STRUCTURES)
def test_it_agrees_on_combinations_that_it_never_saw(model, structure):
    assert agreement_accuracy(model, structure) >= 0.95


def test_it_does_what_its_texts_settle(model):
    found = behaviour_accuracy(model, 150)
    assert set(found) == set(VARIABLES)
    for name, (accuracy, places) in found.items():
        assert places >= 20, name
        assert accuracy >= 0.95, name


def test_a_linear_probe_finds_every_hidden_variable_where_the_next_word_depends_on_it(model):
    found = probe_accuracy(model, documents_read=500)
    assert set(found) == set(VARIABLES)
    for name, sites in found.items():
        assert max(sites.values()) >= 0.9, (name, sites)


def test_the_dictionaries_reconstruct_what_matters(model, dictionaries):
    assert list(dictionaries) == model.sites
    assert dictionaries.prepend_bos
    _, contexts = read_corpus(text(80, seed=7), model.tokenizer, TrainConfig(context=64, held_out=0.8))
    for quality in measure_quality(model, dictionaries, contexts, loss_contexts=40):
        assert quality.l0 <= 32, quality
        if quality.site in (
            "mlp_1",
            "mlp_2",
        ):  # zeroing these costs too little for the ratio to mean anything
            assert quality.loss_dictionary - quality.loss_clean < 0.01, quality
        else:
            assert quality.loss_recovered is not None, quality
            assert quality.loss_recovered >= 0.95, quality


def test_a_feature_says_where_the_number_is(model, dictionaries):
    """Some single feature tells singular from plural after the noun, on nouns that no relative clause had."""
    task = cs.load_task("agreement/across_rc", model)
    encoded, _ = task.encode("test", model.tokenizer, bos=True, limit=80)
    tokens = torch.tensor([item.clean for item in encoded])
    singular = torch.tensor([item.case.split("_")[0] == "singular" for item in task.test[:80]])
    with torch.no_grad():
        hidden = model.hf(tokens, output_hidden_states=True).hidden_states
    best = 0.0
    for layer in range(model.n_layers - 1):
        active = dictionaries[cs.Site("resid", layer)].encode(hidden[layer + 1][:, -1]) > 0
        right = (active == singular[:, None]).double().mean(dim=0)
        best = max(best, float(torch.maximum(right, 1 - right).max()))
    assert best >= 0.95


def test_a_sceptic_is_answered(model, dictionaries):
    """A small circuit of simple agreement is no accident, is found again by halves, and works on nouns held out."""
    task = cs.load_task("agreement/simple", model)
    circuit = cs.discover(model, dictionaries, task, examples=40, nodes=60, method="atp")
    result = cs.evaluate(
        circuit, model, dictionaries, task, strict=True, random_circuits=19, halvings=5, spare_examples=8
    )
    strict, score = result.strict, result.scores[0]
    assert (strict.random.verdict, strict.random.figures.p) == ("holds", 1 / 20)
    chance = strict.random.figures
    assert chance.random.high < chance.faithfulness == score.faithfulness.value
    assert strict.stability.verdict == "holds"
    halves = strict.stability.figures
    assert halves.again == 1
    assert 0.5 < halves.jaccard.low <= halves.jaccard.mean <= 1
    assert (strict.transfer.verdict, strict.transfer.figures.known) == ("holds", 0)
    spare = strict.spare.figures
    assert spare.nodes == len(spare.without) == score.nodes
    assert 0 <= spare.together <= spare.droppable < spare.nodes
    strongest = next(iter(spare.without))
    assert spare.without[strongest] < spare.faithfulness - 0.05, "the most needed node comes first"
