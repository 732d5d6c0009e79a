"""Planted circuits as programs: what a model that is made by hand computes, and which nodes and edges carry it.

A program works on named *variables*, numbers from 0 up that a token or a block writes and later blocks read. Every
part of the behaviour is one way in which an answer can come about:

| part | what carries it |
|---|---|
| copy | S at the cue is copied by a head, and read at the end; its patch counterpart P is silent at clean |
| and | A at the cue, copied, and B at the end: relu(A + B − 1.5); either one missing closes it |
| or | C at the cue, copied, and D at the end: saturated, so that one of them is enough |
| gate | Q at the cue opens a unit that is closed at clean; Q is silent at clean |
| chain | T at the link matters only through U, which the first MLP writes |
| where | K says to which token a head attends; what it finds there is the same at clean and patch |
| left out | H at the cue, copied; no dictionary has its direction, so errors carry it |

Beside them are distractors that differ between clean and patch: at every token; read by an MLP; copied by a head;
and the variables above, wherever nothing reads them any more. ``leak`` lets every unit, head and answer read and
write every variable a little, so that distractors have small true effects.

``run`` is the reference: the plain arithmetic of the program, without norms, with one variable held if asked. The
truth does not use it but for one thing, whether a node changes at all; it follows from who reads whom.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import gelu

from circuitscope.terms import Site

Array = NDArray[np.float64]
Weights = Mapping[str, float]

BOS, CUE, LINK, FILLER, END = range(5)
"""The positions of a text."""
POSITIONS = 5
SHARPNESS = 10.0
"""A unit is gelu(SHARPNESS · x) / SHARPNESS: nearly relu, and smooth."""

CLASSES = ("class0", "class1")
_COPIED = ("S", "P", "A", "C", "Q", "H", "copied distractor")
VARIABLES = (
    *_COPIED, *(f"{name}*" for name in _COPIED), "B", "D", "T", "U", "U*", "K", "V+", "V-", "V+*", "V-*",
    "yes", "no", "cue", "link", "bos", *CLASSES, "distractor 0", "distractor 1", "distractor 2", "read", "written",
)  # fmt: skip
"""Every variable has a direction of its own in the stream of the model."""
LEFT_OUT = ("H", "H*")
"""Variables whose directions no dictionary has."""


@dataclass(frozen=True)
class Unit:
    """A hidden neuron of an MLP: g(Σ reads + bias) − g(bias), added to what it writes."""

    reads: Array
    bias: float
    writes: Array


@dataclass(frozen=True)
class Head:
    """An attention head: scores by what a token holds, and copies variables."""

    scores: Array
    """What each variable of a token adds to its score."""
    reads: Array
    """(channel, variable)"""
    writes: Array
    """(channel, variable)"""


@dataclass(frozen=True)
class Layer:
    heads: tuple[Head, ...] = ()
    units: tuple[Unit, ...] = ()


@dataclass(frozen=True, order=True)
class Place:
    """A variable at a site and position."""

    site: Site
    position: int
    variable: str


@dataclass(frozen=True)
class Held:
    """A change to one variable at a site and position during a run."""

    site: Site
    position: int
    variable: str
    value: float


def vector(weights: Weights) -> Array:
    """Weights by variable as a row."""
    out = np.zeros(len(VARIABLES))
    for name, value in weights.items():
        out[VARIABLES.index(name)] = value
    return out


def unit(reads: Weights, bias: float, writes: Weights) -> Unit:
    return Unit(vector(reads), bias, vector(writes))


def linear(reads: Weights, writes: Weights) -> Unit:
    """A unit that stays in its linear range."""
    return unit(reads, 1.0, writes)


def head(scores: Weights, moves: Mapping[str, str]) -> Head:
    """A head that copies variables; where no token scores, it rests on BOS."""
    return Head(
        vector(scores),
        np.stack([vector({source: 1.0}) for source in moves]),
        np.stack([vector({target: 1.0}) for target in moves.values()]),
    )


@dataclass(frozen=True)
class Program:
    """The layers of a planted circuit."""

    layers: tuple[Layer, ...]
    answer: Array
    """logit(yes) − logit(no) per variable of the last stream at the end."""
    parallel: bool

    def run(self, tokens: Array, held: Held | None = None) -> tuple[float, dict[Site, Array]]:
        """The answer, and every site's variables (position, variable), from the tokens' variables."""
        seen: dict[Site, Array] = {}

        def at(site: Site, values: Array) -> Array:
            if held is not None and held.site == site:
                values = values.copy()
                values[held.position, VARIABLES.index(held.variable)] = held.value
            seen[site] = values
            return values

        stream = at(Site("embed", -1), tokens)
        for number, layer in enumerate(self.layers):
            attention = at(Site("attn", number), self._attend(layer, stream))
            read = stream if self.parallel else stream + attention
            hidden = at(Site("mlp", number), self._think(layer, read))
            stream = at(Site("resid", number), stream + attention + hidden)
        return float(stream[END] @ self.answer), seen

    @staticmethod
    def _attend(layer: Layer, stream: Array) -> Array:
        out = np.zeros_like(stream)
        for one in layer.heads:
            scores = np.tile(stream @ one.scores, (len(stream), 1))
            scores[np.triu_indices(len(stream), 1)] = -np.inf
            pattern = np.exp(scores - scores.max(axis=1, keepdims=True))
            pattern /= pattern.sum(axis=1, keepdims=True)
            out += pattern @ (stream @ one.reads.T) @ one.writes
        return out

    @staticmethod
    def _think(layer: Layer, stream: Array) -> Array:
        out = np.zeros_like(stream)
        for one in layer.units:
            active = bend(stream @ one.reads + one.bias) - bend(np.array(one.bias))
            out += np.outer(active, one.writes)
        return out

    def with_leak(self, leak: float, seed: int) -> Program:
        """The same with every read and write vector perturbed by ``leak`` in every variable.

        Nothing leaks into or out of what carries the classes, so that split features stay what they are; nor into
        the answers, so that what leaks is read somewhere and not only written.
        """
        draw = np.random.default_rng(seed)
        some = vector(dict.fromkeys(set(VARIABLES) - {*CLASSES, "yes", "no"}, leak))
        classes = [VARIABLES.index(name) for name in CLASSES]

        def off(weights: Array, writes: Array) -> Array:
            exact = writes[..., classes].any(axis=-1, keepdims=True)
            return weights + np.where(exact, 0.0, some * draw.standard_normal(weights.shape))

        layers = tuple(
            Layer(
                tuple(Head(h.scores, off(h.reads, h.writes), off(h.writes, h.writes)) for h in layer.heads),
                tuple(Unit(off(u.reads, u.writes), u.bias, off(u.writes, u.writes)) for u in layer.units),
            )
            for layer in self.layers
        )
        return Program(layers, off(self.answer, np.zeros_like(self.answer)), self.parallel)

    # -- who reads whom ------------------------------------------------------------------------------

    @cached_property
    def readers(self) -> dict[Place, set[Place | None]]:
        """For every place that the answer can come from, the places that read it directly; None is the output.

        Only weights count here, so this is for programs without leak.
        """
        found: dict[Place, set[Place | None]] = {}
        last = Site("resid", len(self.layers) - 1)
        for index in np.flatnonzero(self.answer):
            found[Place(last, END, VARIABLES[index])] = {None}
        for number in reversed(range(len(self.layers))):
            before = Site("resid", number - 1) if number else Site("embed", -1)
            after = Site("resid", number)
            live = [place for place in found if place.site == after]
            for place in live:  # the stream carries, attention and MLP add
                for site in (before, Site("attn", number), Site("mlp", number)):
                    found.setdefault(Place(site, place.position, place.variable), set()).add(place)
            self._read_by_mlp(found, number, before)
            self._read_by_attention(found, number, before)
        return found

    def _read_by_mlp(self, found: dict[Place, set[Place | None]], number: int, before: Site) -> None:
        sources = (before,) if self.parallel else (before, Site("attn", number))
        for target in [place for place in found if place.site == Site("mlp", number)]:
            for one in self.layers[number].units:
                if one.writes[VARIABLES.index(target.variable)]:
                    for index in np.flatnonzero(one.reads):
                        for site in sources:
                            place = Place(site, target.position, VARIABLES[index])
                            found.setdefault(place, set()).add(target)

    def _read_by_attention(self, found: dict[Place, set[Place | None]], number: int, before: Site) -> None:
        for target in [place for place in found if place.site == Site("attn", number)]:
            for one in self.layers[number].heads:
                channels = one.writes[:, VARIABLES.index(target.variable)] != 0
                if channels.any():
                    read = (one.reads[channels] != 0).any(axis=0) | (one.scores != 0)
                    for index in np.flatnonzero(read):
                        for source in range(target.position + 1):
                            place = Place(before, source, VARIABLES[index])
                            found.setdefault(place, set()).add(target)


def bend(value: Array) -> Array:
    """gelu(SHARPNESS · value) / SHARPNESS."""
    return gelu(torch.as_tensor(SHARPNESS * value)).numpy() / SHARPNESS


def planted_program(layers: int, *, parallel: bool) -> Program:
    """The program over a number of layers: at least 3 in parallel blocks, 2 in sequential ones.

    The first MLP works for the chain; the heads copy as late as they can: in sequential blocks the last MLP reads
    what the heads of its own layer copied, in parallel blocks those of the layer before.
    """
    if layers < (3 if parallel else 2):
        raise ValueError(f"{layers} layers are too few for a planted program")
    carry_class = tuple(linear({name: 1.0}, {name: 1.0}) for name in CLASSES)
    first = (
        linear({"T": 1.0}, {"U": 1.0}),
        linear({"read": 1.0}, {"written": 1.0}),
        *carry_class,
    )
    sink = {"bos": 15.0}
    heads = (
        head(
            {"cue": 30.0, **sink},
            {**{name: f"{name}*" for name in _COPIED}, **{name: name for name in CLASSES}},
        ),
        head({"link": 30.0, **sink}, {"U": "U*"}),
        head({"K": 8.0, "bos": 4.0}, {"V+": "V+*", "V-": "V-*"}),
    )
    both = {"C*": 1.0, "D": 1.0}
    last = (
        linear({"S*": 1.0}, {"yes": 1.0}),
        linear({"P*": 1.0}, {"no": 1.0}),
        unit({"A*": 1.0, "B": 1.0}, -1.5, {"yes": 2.0}),
        unit(both, 0.5, {"yes": 2.0}),
        unit(both, -0.5, {"yes": -2.0}),
        unit({"Q*": 1.0}, -0.5, {"no": 2.0}),
        linear({"U*": 1.0}, {"yes": 1.0}),
        linear({"H*": 1.0}, {"yes": 1.0}),
        linear({"V+*": 1.0}, {"yes": 1.0}),
        linear({"V-*": 1.0}, {"no": 1.0}),
        *carry_class,
    )
    plan = [Layer() for _ in range(layers)]
    plan[0] = Layer(units=first)
    plan[-1] = Layer(units=last)
    copying = layers - 2 if parallel else layers - 1
    plan[copying] = Layer(heads, plan[copying].units)
    return Program(tuple(plan), vector({"yes": 1.0, "no": -1.0}), parallel)


# -- texts -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Text:
    """A pair: the variables that each token of the clean and of the patch text writes."""

    clean: Array
    """(position, variable)"""
    patch: Array


_CHANGING: Mapping[int, tuple[Sequence[str], Sequence[str]]] = {
    CUE: (("S", "A", "C", "H", "K"), ("P", "Q")),
    LINK: (("T",), ("K",)),
    FILLER: ((), ()),
    END: (("B", "D"), ()),
}
"""Per position: what a clean token writes, and what a patch token writes."""
_ALWAYS: Mapping[int, Sequence[str]] = {CUE: ("cue", "V+"), LINK: ("link", "V-"), FILLER: (), END: ()}
_NOISE = ("distractor 0", "distractor 1", "distractor 2", "read", "copied distractor")


def planted_texts(count: int, seed: int) -> list[Text]:
    """Pairs with amplitudes around 1; all tokens of a pair have the same class, and distractors are drawn."""
    draw = np.random.default_rng(seed)
    return [_text(draw) for _ in range(count)]


def _text(draw: np.random.Generator) -> Text:
    label = CLASSES[draw.integers(2)]
    sides = [np.stack([vector({"bos": 1.0})] + [vector({label: 1.0})] * (POSITIONS - 1)) for _ in range(2)]
    for position in range(CUE, POSITIONS):
        for name in _ALWAYS[position]:
            marker = name in ("cue", "link")
            sides[0][position] += vector({name: 1.0 if marker else draw.uniform(0.9, 1.1)})
            sides[1][position, VARIABLES.index(name)] = sides[0][position, VARIABLES.index(name)]
        for side in range(2):
            for name in _CHANGING[position][side]:
                sides[side][position] += vector({name: draw.uniform(0.9, 1.1)})
            for name in _NOISE:
                sides[side][position] += vector({name: draw.uniform(0.5, 1.5) * draw.integers(2)})
    return Text(sides[0], sides[1])


# -- the truth -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Truth:
    """The places that carry the behaviour, and the direct connections between them; None is the output."""

    nodes: frozenset[Place]
    edges: frozenset[tuple[Place, Place | None]]


def truth(program: Program, texts: Sequence[Text]) -> Truth:
    """Places from which the answer can be reached, and which differ between clean and patch in some text."""
    changing: set[Place] = set()
    for text in texts:
        _, clean = program.run(text.clean)
        _, patch = program.run(text.patch)
        for site, values in clean.items():
            for position, index in zip(*np.nonzero(np.abs(values - patch[site]) > 1e-3), strict=True):
                changing.add(Place(site, int(position), VARIABLES[index]))
    nodes = {place for place in program.readers if place in changing and place.position != BOS}
    edges = {
        (source, target)
        for source in nodes
        for target in program.readers[source]
        if target is None or target in nodes
    }
    return Truth(frozenset(nodes), frozenset(edges))
