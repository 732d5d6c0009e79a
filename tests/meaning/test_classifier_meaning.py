"""A classifier is its model cut short: the same logits and gradients as pooling by hand, and honest edits."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import WhitespaceSplit
from torch.testing import assert_close
from toys import (
    EVERY_FAMILY,
    FAMILIES,
    KINDS,
    VOCAB,
    every_token,
    toy_dictionaries,
    toy_hf,
    toy_inputs,
    toy_model,
)
from transformers import PreTrainedTokenizerFast

from circuitscope.dictionaries import neuron_dictionaries
from circuitscope.editing.classifier import Classifier, train_classifier
from circuitscope.editing.effects import classifier_circuit
from circuitscope.effects import node_effects
from circuitscope.effects.at_clean import gradients_at_clean
from circuitscope.interventions.feature_edits import edits_of, feature_edits, feature_means
from circuitscope.model import LanguageModel, TokenBatch, hooked, load_model, pad
from circuitscope.tasks import Inputs
from circuitscope.tasks.labelled import LabelledText
from circuitscope.terms import ERROR, Site

RESID_0, RESID_1 = Site("resid", 0), Site("resid", 1)


def classifier_on(model: LanguageModel, site: Site, pooling: str = "mean", bos: bool = False) -> Classifier:
    draw = torch.Generator().manual_seed(1)
    weight = torch.randn(model.width, generator=draw, dtype=torch.float64)
    return Classifier(model, site, pooling, weight, torch.tensor(0.3, dtype=torch.float64), bos)


def labelled_inputs(lengths, *, bos=False, side="right", seed=0) -> Inputs:
    """Single inputs whose answers are classes, 0 and 1 in turn."""
    inputs = toy_inputs(lengths, pair=False, bos=bos, side=side, seed=seed)
    classes = torch.arange(len(lengths))[:, None] % 2
    return Inputs(
        inputs.clean, None, classes, inputs.clean_answer_mask, inputs.patch_answers, inputs.patch_answer_mask
    )


def by_hand(classifier: Classifier, tokens: TokenBatch, edit=None) -> torch.Tensor:
    """The stream after the site's block of the whole HuggingFace model, text by text, pooled in plain Python.

    Each text runs by itself without padding. ``edit`` maps a site to what is done to its tensor.
    """
    model, found = classifier.model, []
    for ids, mask in zip(tokens.ids, tokens.mask, strict=True):
        row = ids[mask][None]
        seen = {}

        def keep(x, seen=seen):
            seen["x"] = x
            return x

        first = 1 if tokens.has_bos else 0
        taps = {site: model.tap(site) for site in (edit or {})}
        edits = {site: (taps[site], _after_bos(change, first)) for site, change in (edit or {}).items()}
        with (
            hooked(model.blocks, edits),
            hooked(model.blocks, {classifier.site: (model.tap(classifier.site), keep)}),
        ):
            model.hf(input_ids=row, use_cache=False)
        words = seen["x"][0, first:]
        pooled = words[-1] if classifier.pooling == "last" else sum(words) / len(words)
        found.append((pooled * classifier.weight).sum() + classifier.bias)
    return torch.stack(found)


def _after_bos(change, first):
    def edit(x):
        return torch.cat([x[:, :first], change(x[0, first:])[None]], dim=1)

    return edit


@pytest.mark.parametrize(
    ("pooling", "bos", "side"), [("mean", False, "left"), ("mean", True, "right"), ("last", True, "left")]
)
@pytest.mark.parametrize("family", EVERY_FAMILY)
def test_the_logits_are_those_of_pooling_by_hand(family, pooling, bos, side):
    model = toy_model(family)
    classifier = classifier_on(model, RESID_0, pooling, bos)
    inputs = labelled_inputs([3, 7, 5], bos=bos, side=side)
    hand = by_hand(classifier, inputs.clean)
    assert_close(classifier.logits(inputs.clean), hand, atol=1e-6, rtol=1e-6)
    metric, cut = classifier.metric, classifier.as_model()
    signs = torch.tensor([-1.0, 1.0, -1.0])
    logits = cut.logits(inputs.clean, metric.positions(inputs))
    assert_close(-signs * metric(logits, inputs), hand, atol=1e-6, rtol=1e-6)
    assert cut.n_layers == 1
    assert cut.whole is model


@pytest.mark.parametrize(("pooling", "side"), [("mean", "left"), ("mean", "right"), ("last", "left")])
@pytest.mark.parametrize("family", FAMILIES)
def test_the_gradients_are_those_of_pooling_by_hand(family, pooling, side):
    """Central differences of the hand-pooled logit, along random directions of a site's tensor, text by text."""
    model = toy_model(family)
    classifier = classifier_on(model, RESID_1, pooling, bos=True)
    inputs = labelled_inputs([4, 6], bos=True, side=side)
    cut = classifier.as_model()
    sites = [Site("embed", -1), Site("attn", 0), Site("mlp", 0), RESID_0]
    gradients = gradients_at_clean(cut, inputs, classifier.metric, cut.taps(sites))
    live, step = inputs.clean.live, 3e-3
    for site in sites:
        width = gradients[site].shape[-1]
        direction = torch.randn(width, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
        one, two, minus_one, minus_two = (
            by_hand(classifier, inputs.clean, {site: lambda x, move=far * step * direction: x + move})
            for far in (1, 2, -1, -2)
        )
        slope = (8 * (one - minus_one) - (two - minus_two)) / (12 * step)
        measured = slope * torch.tensor([1.0, -1.0])  # m = −(logit of the true class)
        ours = (gradients[site] @ direction * live).sum(dim=1)
        assert_close(ours, measured, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(("how", "bos"), [("zero", False), ("mean", True)])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("family", FAMILIES)
def test_ablating_is_editing_by_hand(family, kind, bos, how):
    """Encode, set to the value, decode, add the error: on the plain model, text by text, at two sites at once."""
    model = toy_model(family)
    sites = [Site("mlp", 0), RESID_0]
    dictionaries = toy_dictionaries(model, kind, sites)
    classifier = classifier_on(model, RESID_1, bos=bos)
    tokens = labelled_inputs([3, 7, 5], bos=bos, side="left").clean
    features = {site: torch.tensor([1, 4, 9, 13]) for site in sites}
    means = feature_means(model, dictionaries, features, tokens)

    def hand(site):
        def change(x):
            f = dictionaries[site].encode(x)
            bias = dictionaries[site].bias(x)
            write = dictionaries[site].write_vectors(torch.arange(f.shape[1]))
            error = x - (bias + f @ write)
            for feature, mean in zip(features[site], means[site], strict=True):
                f[:, feature] = mean if how == "mean" else 0
            return bias + f @ write + error

        return change

    wanted = by_hand(classifier, tokens, {site: hand(site) for site in sites})
    edits = feature_edits(model, dictionaries, features, tokens, how, means)
    assert_close(classifier.logits(tokens, edits), wanted, atol=1e-6, rtol=1e-6)
    assert (wanted - classifier.logits(tokens)).abs().max() > 1e-3
    assert_close(classifier.logits(tokens, edits_of(model, dictionaries, features, how, means)), wanted,
                 atol=1e-6, rtol=1e-6)  # fmt: skip


def test_a_mean_counts_neither_padding_nor_bos():
    model = toy_model("llama")
    dictionaries = toy_dictionaries(model, "relu", [RESID_0])
    tokens = labelled_inputs([3, 7], bos=True, side="left").clean
    states = model.capture(tokens, dictionaries.taps(model), every_token(tokens)).x[RESID_0]
    f = dictionaries[RESID_0].encode(states[tokens.live])
    assert len(f) == 10
    some = {RESID_0: torch.tensor([7, 2])}
    assert_close(feature_means(model, dictionaries, some, tokens)[RESID_0], f.mean(dim=0)[[7, 2]])


@pytest.mark.parametrize("method", ["ig", "atp", "exact", "relp", "atp-graddrop"])
@pytest.mark.parametrize("family", FAMILIES)
def test_every_method_runs_on_a_classifier(family, method):
    """At the classifier's own site the logit is linear, so every method is exact there: (w · v_i) f_i / tokens."""
    model = toy_model(family)
    classifier = classifier_on(model, RESID_0)
    dictionaries = toy_dictionaries(
        model, "relu", [Site("embed", -1), Site("attn", 0), Site("mlp", 0), RESID_0]
    )
    inputs = labelled_inputs([3, 5], side="left")
    cut = classifier.as_model()
    found = node_effects(cut, dictionaries, inputs, classifier.metric, method=method).sites[RESID_0]
    example = torch.div(found.features.token, inputs.clean.positions, rounding_mode="floor")
    length = torch.tensor([3, 5])[example]
    sign = torch.tensor([-1.0, 1.0])[example]
    write = dictionaries[RESID_0].write_vectors(found.features.feature)
    wanted = sign * (write @ classifier.weight) * found.features.clean / length
    assert len(wanted) > 20
    assert_close(found.feature_effect, wanted, atol=1e-7, rtol=1e-7)


def test_the_whole_model_is_left_as_it_was():
    model = toy_model("gemma2")
    tokens = labelled_inputs([4, 6]).clean
    before = model.logits(tokens, every_token(tokens))
    config = model.hf.config.to_dict()
    classifier = classifier_on(model, RESID_0)
    hooks = [len(block._forward_pre_hooks) for block in model.blocks]
    cut = classifier.as_model()
    assert [len(block._forward_pre_hooks) for block in model.blocks] == hooks
    assert torch.equal(model.logits(tokens, every_token(tokens)), before)
    assert model.hf.config.to_dict() == config
    assert model.n_layers == 2
    assert isinstance(cut.hf, type(model.hf))
    assert cut.blocks[0] is model.blocks[0]
    assert cut.unembedding.shape == (1, model.width)


def test_neurons_can_be_ablated():
    model = toy_model("neox-parallel")
    dictionaries = neuron_dictionaries(model, [RESID_0])
    classifier = classifier_on(model, RESID_0)
    tokens = labelled_inputs([3, 4]).clean
    gone: Mapping[Site, torch.Tensor] = {RESID_0: torch.arange(model.width)}
    logits = classifier.logits(tokens, feature_edits(model, dictionaries, gone, tokens))
    assert_close(logits, classifier.bias.expand(2))


# -- on texts ------------------------------------------------------------------------------------------------


def reading_model(family):
    """A toy model with a tokenizer: the word wN is token N."""
    words = ["<s>", "</s>", *(f"w{number}" for number in range(2, VOCAB))]
    inner = Tokenizer(WordLevel({word: number for number, word in enumerate(words)}, unk_token="</s>"))
    inner.pre_tokenizer = WhitespaceSplit()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=inner, bos_token="<s>", eos_token="</s>")
    return load_model(toy_hf(family), dtype="float64", device="cpu", tokenizer=tokenizer)


def labelled_texts(count):
    """Texts of many lengths; class and attribute in turn, each with its own words."""
    draw = torch.Generator().manual_seed(3)
    found = []
    for number in range(count):
        label = number % 2
        ids = torch.randint(2 + 10 * label, 22 + 10 * label, (2 + number % 5,), generator=draw)
        found.append(LabelledText(" ".join(f"w{token}" for token in ids.tolist()), label, label))
    return found


def ids_of(text):
    return tuple(int(word[1:]) for word in text.text.split())


@pytest.mark.parametrize("bos", [False, True])
@pytest.mark.parametrize("family", FAMILIES)
def test_a_classifiers_circuit_is_what_a_hand_calculation_gives(family, bos):
    """Mean over texts of ±Σ_tokens (w · v_i) f_i / tokens at the classifier's own site, where the logit is linear."""
    model, texts = reading_model(family), labelled_texts(7)
    classifier = classifier_on(model, RESID_1, bos=bos)
    dictionaries = toy_dictionaries(model, "relu", [Site("embed", -1), RESID_0, RESID_1])
    circuit = classifier_circuit(classifier, dictionaries, texts, examples=6, nodes=30, batch_size=4)
    assert circuit.info["examples"] == 6
    assert circuit.info["baseline"] == "zero"

    dictionary, wanted = dictionaries[RESID_1], torch.zeros(20, dtype=torch.float64)
    for text in texts[:6]:
        tokens = pad([(0,) * bos + ids_of(text)], has_bos=bos)
        x = model.capture(tokens, {RESID_1: model.tap(RESID_1)}, every_token(tokens)).x[RESID_1][
            0, int(bos) :
        ]
        sign = 1 if text.label else -1
        by_feature = dictionary.write_vectors(torch.arange(20)) @ classifier.weight
        wanted += sign * by_feature * dictionary.encode(x).mean(dim=0) / 6
    candidates = circuit.candidates
    mine = (candidates.site == circuit.sites.index(RESID_1)) & (candidates.feature != ERROR)
    found = torch.zeros(20, dtype=torch.float64)
    found[candidates.feature[mine]] = torch.from_numpy(candidates.effect[mine])
    assert mine.sum() > 10
    assert_close(found, wanted, atol=1e-7, rtol=1e-6)


@pytest.mark.parametrize(("fit", "how"), [("adamw", "zero"), ("logistic", "mean")])
def test_retraining_is_training_on_activations_that_were_edited_by_hand(fit, how):
    """The probe that is trained again = the same fit on pooled activations of texts that were edited one by one."""
    from circuitscope.editing.probe import fit_probe

    model, texts = reading_model("neox-parallel"), labelled_texts(40)
    site, at = RESID_1, Site("mlp", 0)
    dictionaries = toy_dictionaries(model, "jumprelu", [at, RESID_0])
    features = {RESID_0: torch.tensor([0, 3, 5, 11]), at: torch.tensor([2, 9])}
    means = feature_means(model, dictionaries, features, texts)
    settings = {"fit": fit, "lr": 0.05, "epochs": 3, "batch_size": 16, "seed": 5}
    edits = edits_of(model, dictionaries, features, how, means)
    again = train_classifier(model, texts, site=site, bos=False, edits=edits, **settings)

    def change(place):
        dictionary, value = (
            dictionaries[place],
            means[place] if how == "mean" else torch.zeros(len(features[place])),
        )

        def edit(x):
            f = dictionary.encode(x[0])
            moved = (value - f[:, features[place]]).to(x.dtype)
            return x + moved @ dictionary.write_vectors(features[place])

        return edit

    rows = []
    for text in texts:
        seen = {}

        def keep(x, seen=seen):
            seen["x"] = x
            return x

        taps = {place: (model.tap(place), change(place)) for place in features}
        with hooked(model.blocks, taps), hooked(model.blocks, {site: (model.tap(site), keep)}):
            model.hf(input_ids=torch.tensor([ids_of(text)]), use_cache=False)
        rows.append(seen["x"][0].mean(dim=0))
    labels = torch.tensor([text.label for text in texts])
    with torch.no_grad():
        wanted = fit_probe(torch.stack(rows), labels, **settings)
    assert_close(again.weight, wanted.weight, atol=1e-5, rtol=1e-5)
    assert_close(again.bias, wanted.bias, atol=1e-5, rtol=1e-5)
    plain = train_classifier(model, texts, site=site, bos=False, **settings)
    assert (plain.weight - again.weight).abs().max() > 1e-2
