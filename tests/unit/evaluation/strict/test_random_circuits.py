"""Random circuits: drawn alike in every place, and counted right."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from linear_case import by_hand, case, keeping, quick, quiet

from circuitscope.evaluation.strict.random_circuits import _verdict, draw_alike, random_circuits
from circuitscope.results import CannotBeSaid, Nodes, RandomCircuits, Spread
from circuitscope.terms import ERROR


@pytest.fixture(scope="module")
def whole():
    return quick()


def test_faithfulness_is_the_sum_of_effects_in_this_case():
    whole = case()
    nodes = whole.circuit.nodes
    for rows in ([0], [1, 3], range(0, len(nodes), 2), range(len(nodes))):
        some = nodes.take(np.array(list(rows)))
        assert whole.scale.faithfulness(some) == pytest.approx(by_hand(whole, some), abs=1e-9)
    assert whole.score.value == pytest.approx(1)


def nodes_of(rows: list[tuple[int, int, int]]) -> Nodes:
    site, feature, position = np.array(rows, np.int64).reshape(-1, 3).T
    return Nodes(site, feature, position, np.ones(len(rows)), np.zeros(len(rows)))


def places(nodes: Nodes) -> Counter[tuple[int, int, bool]]:
    return Counter(
        zip(nodes.site.tolist(), nodes.position.tolist(), (nodes.feature == ERROR).tolist(), strict=True)
    )


ROWS = st.tuples(st.integers(0, 2), st.integers(-1, 5), st.integers(0, 2))


@settings(deadline=None, max_examples=50)
@given(st.sets(ROWS, min_size=1, max_size=40), st.data())
def test_a_draw_has_as_many_nodes_in_every_place(rows, data):
    pool = nodes_of(sorted(rows))
    own = pool.take(np.array(sorted(data.draw(st.sets(st.integers(0, len(pool) - 1), min_size=1)))))
    drawn = draw_alike(own, pool, np.random.default_rng(data.draw(st.integers(0, 99))))
    assert len(set(drawn.tolist())) == len(own)
    assert places(pool.take(drawn)) == places(own)


def test_every_node_of_a_place_is_drawn_equally_often():
    pool, draw = nodes_of([(0, feature, 0) for feature in range(5)]), np.random.default_rng(0)
    counts = Counter(int(row) for _ in range(2000) for row in draw_alike(pool.take(np.arange(2)), pool, draw))
    assert set(counts) == set(range(5))
    assert min(counts.values()) > 700, "2000 draws of 2 of 5 are 800 each"


def last_features(subject):
    """Rows of the features at the last position, which alone decide here; the strongest promoting ones first."""
    nodes = subject.circuit.nodes
    rows = np.flatnonzero((nodes.position == nodes.position.max()) & (nodes.feature != ERROR))
    return rows[np.argsort(-nodes.effect[rows])]


def test_p_is_that_of_drawing_all_circuits_there_are(whole):
    rows = last_features(whole)
    own = keeping(whole, np.sort(rows[[1, 3]]))
    found = random_circuits(own, 400, quiet)
    value = {pair: by_hand(whole, whole.circuit.nodes.take(np.array(pair))) for pair in combinations(rows, 2)}
    circuit = by_hand(whole, own.circuit.nodes)
    true = np.mean([abs(1 - v) <= abs(1 - circuit) + 1e-9 for v in value.values()])
    assert found.figures.p == pytest.approx(true, abs=4 * np.sqrt(true * (1 - true) / 400) + 1 / 401)
    assert found.figures.random.mean == pytest.approx(np.mean(list(value.values())), abs=0.1)
    assert found.figures.random.low >= min(value.values()) - 1e-9
    assert found.figures.random.high <= max(value.values()) + 1e-9
    assert found.figures.faithfulness == pytest.approx(circuit)
    assert (found.figures.nodes, found.figures.drawn_from) == (2, len(rows))
    assert found.figures.shared == pytest.approx(2 / len(rows), abs=0.1)


def closest_pair(subject, rows, *, best):
    """Of all pairs the one whose faithfulness is closest to 1, or furthest."""
    nodes = subject.circuit.nodes
    order = sorted(
        combinations(rows.tolist(), 2), key=lambda p: abs(1 - by_hand(subject, nodes.take(np.array(p))))
    )
    return np.sort(order[0 if best else -1])


@pytest.mark.parametrize(("best", "verdict"), [(True, "holds"), (False, "does not hold")])
def test_the_best_pair_beats_chance_and_the_worst_does_not(whole, best, verdict):
    rows = last_features(whole)
    assert len(rows) >= 8, "the best of a few pairs is no rarity"
    found = random_circuits(keeping(whole, closest_pair(whole, rows, best=best)), 99, quiet)
    assert found.verdict == verdict
    assert (found.figures.p == 1) == (not best)
    assert found.figures.p == (1 + found.figures.as_faithful) / 100


def test_a_circuit_that_is_everything_has_nothing_to_be_compared_with(whole):
    found = random_circuits(whole, 99, quiet)
    assert found.verdict == "cannot be said"
    assert "every node that has an effect" in found.why


def test_too_few_random_circuits_say_nothing(whole):
    own = keeping(whole, closest_pair(whole, last_features(whole), best=True))
    assert random_circuits(own, 18, quiet).verdict == "cannot be said"
    assert random_circuits(own, 19, quiet).figures.circuits == 19


def test_without_a_ranking_nothing_can_be_drawn(whole):
    bare = replace(whole, circuit=replace(whole.circuit, candidates=None))
    assert "no ranking" in random_circuits(bare, 19, quiet).why


def test_the_same_seed_draws_the_same(whole):
    own = keeping(whole, last_features(whole)[:3])
    assert random_circuits(own, 20, quiet) == random_circuits(own, 20, quiet)
    other = random_circuits(replace(own, scale=replace(own.scale, seed=1)), 20, quiet)
    assert other.figures.random != random_circuits(own, 20, quiet).figures.random


def test_progress_is_told_circuit_by_circuit(whole):
    seen = []
    random_circuits(keeping(whole, last_features(whole)[:3]), 3, lambda *step: seen.append(step))
    assert seen == [(1, 3, "random circuits"), (2, 3, "random circuits"), (3, 3, "random circuits")]


def test_where_all_do_the_same_nothing_can_be_said():
    values, spread = np.zeros(99), Spread(0.0, 0.0, 0.0)
    figures = RandomCircuits(99, 99, 1.0, 0.0, spread, by_position=False, nodes=2, drawn_from=9, shared=0.2)
    found = _verdict(values, figures)
    assert isinstance(found, CannotBeSaid)
    assert "exactly the same" in found.why
    assert found.figures == figures
    assert _verdict(values, replace(figures, faithfulness=0.5, p=0.01)).verdict == "holds"
