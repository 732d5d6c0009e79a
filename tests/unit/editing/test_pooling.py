"""Pooling, batches and edits of texts: the same whatever they are batched with; what cannot be is refused."""

from __future__ import annotations

import pytest
import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import WhitespaceSplit
from torch.testing import assert_close
from toys import VOCAB, toy_dictionaries, toy_hf
from transformers import PreTrainedTokenizerFast

from circuitscope.editing.classifier import Classifier, train_classifier
from circuitscope.editing.effects import classifier_circuit
from circuitscope.editing.saved import Removal, read_classifier, read_removal, write_classifier, write_removal
from circuitscope.errors import BadFile, BadInput
from circuitscope.interventions.feature_edits import (
    edits_of,
    feature_edits,
    feature_means,
    feature_set,
    names_of,
)
from circuitscope.model import load_model, pad
from circuitscope.runs import CLASSIFIER, REMOVED, write_arrays, write_manifest
from circuitscope.tasks.labelled import LabelledText, pooled_activations
from circuitscope.tasks.labelled import text_tokens as texts_module
from circuitscope.tasks.labelled.text_tokens import encode_texts
from circuitscope.terms import Site
from circuitscope.work.partial import InMemory

RESID_0, RESID_1, MLP_0 = Site("resid", 0), Site("resid", 1), Site("mlp", 0)


@pytest.fixture(scope="module")
def model():
    words = ["<s>", "</s>", *(f"w{number}" for number in range(2, VOCAB))]
    inner = Tokenizer(WordLevel({word: number for number, word in enumerate(words)}, unk_token="</s>"))
    inner.pre_tokenizer = WhitespaceSplit()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=inner, bos_token="<s>", eos_token="</s>")
    return load_model(toy_hf("llama"), dtype="float64", device="cpu", tokenizer=tokenizer)


@pytest.fixture(scope="module")
def dictionaries(model):
    return toy_dictionaries(model, "relu", [MLP_0, RESID_0])


def some_texts(count):
    return [
        LabelledText(
            " ".join(f"w{2 + (7 * number + place) % 30}" for place in range(1 + number % 6)), number % 2, 0
        )
        for number in range(count)
    ]


def classifier_of(model, site=RESID_1, pooling="mean"):
    draw = torch.Generator().manual_seed(0)
    weight = torch.randn(model.width, generator=draw, dtype=torch.float64)
    return Classifier(model, site, pooling, weight, torch.tensor(0.1, dtype=torch.float64))


@pytest.mark.parametrize("pooling", ["mean", "last"])
@pytest.mark.parametrize("bos", [False, True])
def test_batches_do_not_matter(model, pooling, bos):
    texts = some_texts(11)
    settings = {"site": RESID_1, "pooling": pooling, "bos": bos}
    alone = pooled_activations(model, texts, batch_size=1, **settings)
    assert_close(pooled_activations(model, texts, batch_size=4, **settings), alone, atol=1e-6, rtol=1e-6)
    assert alone.shape == (11, model.width)


def test_what_was_finished_is_not_computed_again(model, monkeypatch):
    monkeypatch.setattr(texts_module, "SAVED_AT_ONCE", 2)
    texts, kept = some_texts(10), InMemory()
    first = pooled_activations(model, texts, site=RESID_1, batch_size=2, partial=kept)
    assert len(kept._arrays) == 3
    kept._arrays["pooled-000002"]["x"][:] = 7.0
    again = pooled_activations(model, texts, site=RESID_1, batch_size=2, partial=kept)
    assert torch.equal(again[:4], first[:4])
    assert (again[4:8] == 7).all()


def test_edits_after_the_site_are_left_away(model, dictionaries):
    edits = edits_of(model, dictionaries, {RESID_0: torch.tensor([1, 2])})
    late = toy_dictionaries(model, "relu", [RESID_1])
    both = {RESID_1: torch.tensor([0, 3])}
    texts = some_texts(5)
    classifier = classifier_of(model, RESID_0)
    assert torch.equal(classifier.logits(texts, edits_of(model, late, both)), classifier.logits(texts))
    assert (classifier.logits(texts, edits) - classifier.logits(texts)).abs().max() > 1e-3


def test_no_features_are_no_change(model, dictionaries):
    classifier, texts = classifier_of(model), some_texts(4)
    empty = feature_set([])
    assert torch.equal(
        classifier.logits(texts, edits_of(model, dictionaries, empty)), classifier.logits(texts)
    )
    assert feature_means(model, dictionaries, empty, texts) == {}


def test_means_do_not_depend_on_batches(model, dictionaries):
    features = {MLP_0: torch.tensor([4, 0]), RESID_0: torch.tensor([3, 9, 12])}
    texts = some_texts(9)
    one, many = (feature_means(model, dictionaries, features, texts, batch_size=size) for size in (1, 9))
    for site in features:
        assert_close(one[site], many[site], atol=1e-6, rtol=1e-6)
        assert (one[site] > 0).any()


def test_feature_sets_are_sorted_and_named():
    features = feature_set([(RESID_0, 9), (MLP_0, 4), (RESID_0, 2), (RESID_0, 9)])
    assert names_of(features) == ["mlp_0/4", "resid_0/2", "resid_0/9"]
    assert features[RESID_0].tolist() == [2, 9]


def test_long_texts_are_cut_and_empty_ones_refused(model):
    (ids,) = encode_texts(["w2 " * 50], model.tokenizer, bos=True, limit=32)
    assert len(ids) == 32
    assert ids[0] == 0
    with pytest.raises(BadInput, match="text 1 has no tokens: '  '"):
        encode_texts(["w3", "  "], model.tokenizer, bos=True)
    with pytest.raises(BadInput, match="no tokenizer"):
        encode_texts(["w3"], None, bos=False)


@pytest.mark.parametrize(
    ("features", "how", "complaint"),
    [
        ({RESID_1: torch.tensor([0])}, "zero", "there is no dictionary for it"),
        ({RESID_0: torch.tensor([0, 99])}, "zero", "resid_0/99: its dictionary has 20 features"),
        ({RESID_0: torch.tensor([-1])}, "zero", "resid_0/-1"),
        ({RESID_0: torch.tensor([3, 3])}, "zero", "a feature of resid_0 is named twice"),
        ({RESID_0: torch.tensor([3])}, "mean", "which was not passed"),
        ({RESID_0: torch.tensor([3])}, "half", "features ablated by 'half'"),
    ],
)
def test_features_that_cannot_be_removed_are_refused(model, dictionaries, features, how, complaint):
    with pytest.raises(BadInput, match=complaint):
        edits_of(model, dictionaries, features, how)


def test_what_a_classifier_refuses(model, dictionaries):
    texts, tokens = some_texts(4), pad([(2, 3), (4, 5, 6)], has_bos=False)
    edits = feature_edits(model, dictionaries, {RESID_0: torch.tensor([1])}, tokens)
    with pytest.raises(BadInput, match="edits for one batch of tokens"):
        classifier_of(model).logits(texts, edits)
    with pytest.raises(BadInput, match="pooling by 'max'"):
        train_classifier(model, texts, site=RESID_0, pooling="max")
    for site in ("mlp_0", "resid_7", "embed"):
        with pytest.raises(BadInput, match=f"a classifier on {site}") as refused:
            train_classifier(model, texts, site=site)
        assert "resid_0 to resid_1" in refused.value.expected
    with pytest.raises(BadInput, match="0 texts"):
        train_classifier(model, [], site=RESID_0)


def test_a_circuit_needs_a_dictionary_up_to_the_site(model):
    late = toy_dictionaries(model, "relu", [RESID_1])
    with pytest.raises(BadInput, match="the classifier ends at resid_0"):
        classifier_circuit(classifier_of(model, RESID_0), late, some_texts(4))


def test_a_classifier_is_saved_and_read_again(model, tmp_path):
    classifier = classifier_of(model, pooling="last")
    write_manifest(tmp_path, CLASSIFIER.kind, write_classifier(tmp_path, classifier))
    again = read_classifier(tmp_path, model)
    assert (again.site, again.pooling, again.bos) == (RESID_1, "last", False)
    assert torch.equal(again.weight, classifier.weight)
    assert torch.equal(again.predict(some_texts(5)), classifier.predict(some_texts(5)))
    other = load_model(toy_hf("llama", seed=3), dtype="float64", device="cpu")
    with pytest.raises(BadInput, match="was not trained on the weights"):
        read_classifier(tmp_path, other)
    write_arrays(tmp_path / "classifier.safetensors", {"weight": torch.zeros(3).numpy()})
    with pytest.raises(BadFile, match="changed after it was written"):
        read_classifier(tmp_path, model)


@pytest.mark.parametrize("how", ["zero", "mean"])
def test_a_removal_is_saved_and_read_again(model, dictionaries, tmp_path, how):
    features = {MLP_0: torch.tensor([4, 8]), RESID_0: torch.tensor([3])}
    means = feature_means(model, dictionaries, features, some_texts(6)) if how == "mean" else None
    write_manifest(tmp_path, REMOVED.kind, write_removal(tmp_path, Removal(features, how, means)))
    again = read_removal(tmp_path)
    assert len(again) == 3
    assert names_of(again.features) == names_of(features)
    classifier, texts = classifier_of(model), some_texts(5)
    wanted = classifier.logits(texts, edits_of(model, dictionaries, features, how, means))
    assert torch.equal(classifier.logits(texts, again.edits_of(model, dictionaries)), wanted)
