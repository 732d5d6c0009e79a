"""Recovery of hidden variables of the bundled language: is what a circuit found the variable that decides?

For every behaviour (``behaviours``):

1. ``discover`` its circuit on train pairs, once over features and once over neurons, and take the k units of largest
   |effect| at the last token, where the answer is due. Other choices of k units are beside them: random ones among
   those that are active there, and the neurons whose mean differs most between the two values.
2. Prediction: in texts that nothing was trained on, at the places where the next word depends on the variable, tell
   its value by the best single unit with a threshold, and by a logistic regression on all k. Fitted on some texts,
   measured on others.
3. Flipping: in test pairs, hold the k units at the last token at their mean over train texts of the other value, and
   count how often the model, right before, then prefers the other answer.

Neurons are the entries of the same tensors that the dictionaries read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

import circuitscope as cs
from benchmarks.recovery.behaviours import Behaviour, behaviours
from benchmarks.recovery.planted import quiet
from benchmarks.recovery.probes import (
    Array,
    Labels,
    Places,
    balanced,
    balanced_interval,
    right_by_cut,
    right_by_regression,
)
from benchmarks.recovery.scores import bootstrap
from circuitscope.dictionaries import Dictionaries, neurons_like
from circuitscope.model import LanguageModel, TokenBatch
from circuitscope.tasks import Example, Inputs, Task, make_inputs, metric_named
from circuitscope.terms import NodeId, Site
from training.check import token_batches

COUNTS = (1, 2, 5, 10, 20, 50)
"""How many units are taken."""
EXAMPLES = 40
"""Train pairs of a discovery."""
ACTIVE = 0.01
"""A random feature is drawn from those active at this share of the places."""
DOCUMENTS = {"small": 150, "full": 1000}
"""Texts to fit on, and as many to measure on."""
PAIRS = {"small": 30, "full": 80}
"""Test pairs of a behaviour; both sides of each are texts to flip."""
DRAWS = {"small": 4, "full": 20}
"""Random choices of units."""
FITTED_SEED, TESTED_SEED = 11, 12
"""Seeds of texts that neither the model, nor its dictionaries, nor its labels were made from."""


@dataclass(frozen=True)
class Units:
    """Features or neurons of all sites as columns."""

    dictionaries: Dictionaries
    nodes: tuple[NodeId, ...]

    @classmethod
    def of(cls, dictionaries: Dictionaries) -> Units:
        nodes = (NodeId(site, i) for site, item in dictionaries.items() for i in range(item.n_features))
        return cls(dictionaries, tuple(nodes))

    def encode(self, x: Mapping[Site, Tensor]) -> Array:
        """(token, unit): activations of all sites' units from the sites' tensors."""
        parts = [dictionary.encode(x[site]) for site, dictionary in self.dictionaries.items()]
        return torch.cat(parts, dim=1).float().numpy()


def read(model: LanguageModel, units: Units, tokens: TokenBatch, positions: Tensor) -> dict[Site, Tensor]:
    """Every site's tensor at some positions, each an (example, position) pair."""
    taps = units.dictionaries.taps(model)
    example, column = positions.T
    x = model.capture(tokens, taps, tokens.last[:, None]).x
    return {site: value[example, column] for site, value in x.items()}


def measure(preset: str) -> Iterator[dict[str, Any]]:
    """A row of figures for every behaviour."""
    model = cs.load_model("bundled", device="cpu")
    dictionaries = cs.load_dictionaries("bundled", model)
    kinds = {"features": Units.of(dictionaries), "neurons": Units.of(neurons_like(dictionaries, model))}
    for behaviour in behaviours(model):
        yield measure_behaviour(model, kinds, behaviour, preset)


def measure_behaviour(
    model: LanguageModel, kinds: Mapping[str, Units], behaviour: Behaviour, preset: str
) -> dict[str, Any]:
    """Every choice of units for one behaviour."""
    rows = []
    draws = DRAWS[preset]
    fits = places_in_texts(model, kinds, behaviour, DOCUMENTS[preset], FITTED_SEED)
    tests = places_in_texts(model, kinds, behaviour, DOCUMENTS[preset], TESTED_SEED)
    for kind, units in kinds.items():
        fitted, tested = fits[kind], tests[kind]
        flipper = Flipper(model, units, behaviour, PAIRS[preset])
        for name, choices in chosen_units(model, kind, units, behaviour, fitted, draws).items():
            for count in COUNTS:
                scored = [score(fitted, tested, flipper, choice[:count]) for choice in choices]
                rows.append({"units": name, "count": count, **summary(scored, tested.labels)})
    right = flipper.right.mean()
    return {
        "behaviour": behaviour.name,
        "values": behaviour.values,
        "fitted": len(fitted.labels),
        "tested": len(tested.labels),
        "texts": len(flipper.right),
        "model_right": float(right),
        "choices": rows,
    }


# -- choices of units ------------------------------------------------------------------------------------


def chosen_units(
    model: LanguageModel, kind: str, units: Units, behaviour: Behaviour, fitted: Places, draws: int
) -> dict[str, list[list[int]]]:
    """Names of choices, each with one list of units, strongest first, or with several random ones."""
    found = {f"circuit's {kind}": [strongest(model, units, behaviour)]}
    if kind == "neurons":
        found["neurons by difference"] = [most_different(fitted)]
    active = np.flatnonzero((fitted.activations != 0).mean(axis=0) >= ACTIVE)
    draw = np.random.default_rng(0)
    found[f"random {kind}"] = [draw.choice(active, max(COUNTS), replace=False).tolist() for _ in range(draws)]
    return found


def strongest(model: LanguageModel, units: Units, behaviour: Behaviour) -> list[int]:
    """The units of largest |mean effect| at the last token."""
    with quiet():
        circuit = cs.discover(
            model,
            units.dictionaries,
            behaviour.task,
            examples=EXAMPLES,
            positions="keep",
            nodes=1,
            progress=False,
        )
    candidates = circuit.candidates
    assert candidates is not None
    last = candidates.position.max()
    column = {node: index for index, node in enumerate(units.nodes)}
    found = []
    for row in candidates.strongest():
        if candidates.position[row] == last and candidates.feature[row] >= 0:
            site = circuit.sites[candidates.site[row]]
            found.append(column[NodeId(site, int(candidates.feature[row]))])
        if len(found) == max(COUNTS):
            break
    return found


def most_different(fitted: Places) -> list[int]:
    """The units whose means differ most between the two values, in standard deviations."""
    x, labels = fitted.activations, fitted.labels
    difference = np.abs(x[labels].mean(axis=0) - x[~labels].mean(axis=0)) / (x.std(axis=0) + 1e-6)
    return np.argsort(-difference, kind="stable")[: max(COUNTS)].tolist()


# -- prediction ------------------------------------------------------------------------------------------


def places_in_texts(
    model: LanguageModel, kinds: Mapping[str, Units], behaviour: Behaviour, n_documents: int, seed: int
) -> dict[str, Places]:
    """For every kind of unit, activations where the next word of a text depends on the variable."""
    texts = behaviour.texts(n_documents, seed)
    parts: dict[str, list[Array]] = {kind: [] for kind in kinds}
    labels, row = [], 0
    for tokens in token_batches(model, texts):
        positions = []
        for example in range(tokens.batch):
            for place, value in behaviour.places(texts[row]):
                positions.append((example, place + 1))  # BOS comes first
                labels.append(value == behaviour.values[0])
            row += 1
        if positions:
            x = read(model, next(iter(kinds.values())), tokens, torch.tensor(positions))
            for kind, units in kinds.items():
                parts[kind].append(units.encode(x))
    return {kind: Places(np.concatenate(found), np.array(labels, bool)) for kind, found in parts.items()}


# -- flipping --------------------------------------------------------------------------------------------


class Flipper:
    """Test texts of a behaviour, and what its units are in train texts of either value."""

    def __init__(self, model: LanguageModel, units: Units, behaviour: Behaviour, pairs: int) -> None:
        self.model, self.units, self.behaviour = model, units, behaviour
        self.metric = metric_named("auto", pairs=True)
        texts = behaviour.task.test[:pairs]
        self.sides = {value: inputs_of(model, behaviour, texts, value) for value in behaviour.values}
        self.margin = {value: self._margin(inputs) for value, inputs in self.sides.items()}
        self.right = np.concatenate([margin > 0 for margin in self.margin.values()])
        self.means = {value: self._means(value) for value in behaviour.values}

    def _means(self, value: str) -> Array:
        """Each unit's mean at the last token of train texts with a value."""
        inputs = inputs_of(self.model, self.behaviour, self.behaviour.task.train[:EXAMPLES], value)
        last = torch.stack([torch.arange(len(inputs)), inputs.clean.last], dim=1)
        return self.units.encode(read(self.model, self.units, inputs.clean, last)).mean(axis=0)

    def _margin(self, inputs: Inputs) -> Array:
        """How much the right answer is preferred."""
        with torch.no_grad():
            logits = self.model.logits(inputs.clean, self.metric.positions(inputs))
            return -self.metric(logits, inputs).double().numpy()

    def flipped(self, chosen: Sequence[int]) -> Array:
        """For every test text that the model has right, whether it turns round with the chosen units held."""
        turned = []
        for value, inputs in self.sides.items():
            means = self.means[self.behaviour.other(value)]
            last = inputs.clean.positions - 1
            held = {
                NodeId(self.units.nodes[unit].site, self.units.nodes[unit].feature, last): float(means[unit])
                for unit in chosen
            }
            with cs.ablate(self.model, self.units.dictionaries, held):
                after = self._margin(inputs)
            turned.append((after < 0)[self.margin[value] > 0])
        return np.concatenate(turned).astype(float)


def inputs_of(model: LanguageModel, behaviour: Behaviour, examples: Sequence[Example], value: str) -> Inputs:
    """One side of each pair: the texts in which the variable has a value, with the right answer as the clean one."""
    sided = [example if behaviour.value(example) == value else turned(example) for example in examples]
    encoded, _ = Task("one side", tuple(sided), (), is_template=True).encode(
        "train", model.tokenizer, bos=True
    )
    return make_inputs(encoded, has_bos=True)


def turned(example: Example) -> Example:
    """A pair with its sides exchanged."""
    assert example.patch_prefix is not None
    return Example(example.patch_prefix, example.patch_answer, example.clean_prefix, example.clean_answer)


# -- figures ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Score:
    """What one choice of units does."""

    single: Labels
    """At which places the best single unit is right."""
    together: Labels
    """At which places a logistic regression on all is right."""
    flips: Array
    """Per test text, 1 where the preference turns round."""


def score(fitted: Places, tested: Places, flipper: Flipper, chosen: Sequence[int]) -> Score:
    return Score(
        right_by_cut(fitted, tested, chosen),
        right_by_regression(fitted, tested, chosen),
        flipper.flipped(chosen),
    )


def summary(scores: Sequence[Score], labels: Labels) -> dict[str, dict[str, float]]:
    """A single choice with its 95 % bootstrap interval; several random ones as their mean, with their range."""
    values = {
        "single": [balanced(score.single, labels) for score in scores],
        "together": [balanced(score.together, labels) for score in scores],
        "flips": [float(score.flips.mean()) for score in scores],
    }
    found = {}
    for name, each in values.items():
        low, high = min(each), max(each)
        if len(scores) == 1:
            result = getattr(scores[0], name)
            low, high = bootstrap(result) if name == "flips" else balanced_interval(result, labels)
        found[name] = {"value": float(np.mean(each)), "low": low, "high": high}
    return found
