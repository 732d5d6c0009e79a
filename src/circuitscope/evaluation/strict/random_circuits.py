"""Is the circuit more faithful than nodes picked at random in the same places?

A random circuit has at every site, and at every position where positions are kept, as many features and as many
errors as the circuit has there, drawn without replacement from all nodes there that have an effect at all (the
circuit's own among them). Faithful means close to 1: a random circuit is at least as faithful if its faithfulness
is no further from 1 than the circuit's. Then

    p = (1 + number of random circuits that are at least as faithful) / (number of random circuits + 1),

the share that a circuit drawn like them would have (a permutation test, so p is never 0). Where the circuit takes
every node of a place, the random circuits have the same ones; ``shared`` says how many nodes that makes.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from circuitscope.evaluation.strict.tested_circuit import TestedCircuit, distance
from circuitscope.results import FAILS, HOLDS, CannotBeSaid, Nodes, RandomCircuits, Spread, StrictOutcome
from circuitscope.terms import ERROR
from circuitscope.work import Progress

LEVEL = 0.05
"""A p value up to this counts as more than chance."""
_SAME = 1e-9
"""Distances from 1 that differ by less are equal."""


def random_circuits(
    subject: TestedCircuit, count: int, progress: Progress
) -> StrictOutcome[RandomCircuits] | CannotBeSaid[RandomCircuits]:
    """Compare a circuit with ``count`` random ones of equal size per place."""
    circuit = subject.circuit
    if circuit.candidates is None:
        return CannotBeSaid("the circuit has no ranking of all its candidates to draw from")
    score = subject.score.value
    if score is None:
        return CannotBeSaid(subject.score.why)
    own = subject.tested(circuit.nodes)
    if len(own) == 0:
        return CannotBeSaid("no node of the circuit is in a layer that is ablated")
    pool = _pool(own, subject.tested(circuit.candidates))
    if _places(own) == _places(pool):
        return CannotBeSaid(
            "the circuit has every node that has an effect in its places: there is no other to draw"
        )
    draw = np.random.default_rng(subject.scale.seed)
    names, values, shared = set(_names(own)), [], []
    for number in range(count):
        drawn = pool.take(draw_alike(own, pool, draw))
        values.append(subject.scale.faithfulness(drawn))
        shared.append(len(names.intersection(_names(drawn))) / len(own))
        progress(number + 1, count, "random circuits")
    found = np.array(values)
    as_good = int((np.abs(1 - found) <= distance(score) + _SAME).sum())
    return _verdict(
        found,
        RandomCircuits(
            circuits=count,
            as_faithful=as_good,
            p=(1 + as_good) / (count + 1),
            faithfulness=score,
            random=Spread(float(found.mean()), float(found.min()), float(found.max())),
            by_position=circuit.keeps_positions,
            nodes=len(own),
            drawn_from=len(pool),
            shared=float(np.mean(shared)),
        ),
    )


def _verdict(
    values: NDArray[np.float64], found: RandomCircuits
) -> StrictOutcome[RandomCircuits] | CannotBeSaid[RandomCircuits]:
    if np.ptp([found.faithfulness, *values]) <= _SAME:
        return CannotBeSaid("the circuit and every random one do exactly the same", found)
    if 1 / (len(values) + 1) > LEVEL:
        return CannotBeSaid(f"{len(values)} random circuits are too few for any p up to {LEVEL:g}", found)
    return StrictOutcome(HOLDS if found.p <= LEVEL else FAILS, found)


def draw_alike(nodes: Nodes, pool: Nodes, draw: np.random.Generator) -> NDArray[np.int64]:
    """Rows of ``pool``, as many in every place as ``nodes`` has there; a place is a site, a position and a kind."""
    wanted = _places(nodes)
    rows = []
    for place, members in _rows_by_place(pool).items():
        rows.append(draw.choice(members, size=wanted.get(place, 0), replace=False))
    return np.sort(np.concatenate(rows))


_Place = tuple[int, int, bool]


def _rows_by_place(nodes: Nodes) -> dict[_Place, list[int]]:
    found: dict[_Place, list[int]] = {}
    is_error = nodes.feature == ERROR
    columns = zip(nodes.site.tolist(), nodes.position.tolist(), is_error.tolist(), strict=True)
    for row, place in enumerate(columns):
        found.setdefault(place, []).append(row)
    return found


def _places(nodes: Nodes) -> dict[_Place, int]:
    return {place: len(rows) for place, rows in _rows_by_place(nodes).items()}


def _names(nodes: Nodes) -> list[tuple[int, int, int]]:
    return list(zip(nodes.site.tolist(), nodes.feature.tolist(), nodes.position.tolist(), strict=True))


def _pool(own: Nodes, candidates: Nodes) -> Nodes:
    """The nodes with an effect in the places where the circuit has nodes, always including its own."""
    alive = candidates.take(np.flatnonzero(candidates.effect != 0))
    places, known = _places(own), set(_names(alive))
    here = [row for place, rows in _rows_by_place(alive).items() if place in places for row in rows]
    missing = [row for row, name in enumerate(_names(own)) if name not in known]
    some, rest = alive.take(np.sort(np.array(here, np.int64))), own.take(np.array(missing, np.int64))
    columns = zip(vars(some).values(), vars(rest).values(), strict=True)
    return Nodes(*(np.concatenate(pair) for pair in columns))
