"""node_activations against runs of one text at a time, and what is said about them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from toys import toy_dictionaries

from circuitscope.dashboards import node_activations
from circuitscope.dashboards.words_read import words_read
from circuitscope.errors import BadInput
from circuitscope.model import TokenBatch
from circuitscope.results import NodeActivity, Share, active_sentence
from circuitscope.results.activity_shares import split_by_share
from circuitscope.tasks.inputs import Encoded
from circuitscope.terms import ERROR, SUMMED, NodeId, Site

BOS = 0


def examples(*, pairs: bool, even: bool) -> list[Encoded]:
    draw = np.random.default_rng(1)
    found = []
    for number in range(7):
        length = 4 if even else 3 + number % 3
        clean, patch = ((BOS, *draw.integers(2, 40, length).tolist()) for _ in range(2))
        answers = ((2 + number % 2,), (3 - number % 2,)) if pairs else ((2 + number % 2,), ())
        found.append(Encoded(clean, patch if pairs else None, *answers, case="odd" if number % 2 else "even"))
    return found


def alone(model, dictionaries, ids: tuple[int, ...]) -> dict[Site, np.ndarray]:
    """Every feature's activation on every token of one text."""
    tokens = torch.tensor([ids])
    batch = TokenBatch(tokens, torch.ones_like(tokens, dtype=torch.bool), has_bos=True)
    x = model.capture(batch, dictionaries.taps(model), tokens[:, :1] * 0).x
    return {site: dictionaries[site].encode(x[site][0]).numpy() for site in dictionaries}


def of_node(text: dict[Site, np.ndarray], node: NodeId) -> np.ndarray:
    """A feature's activations on the live tokens of one text, or at one position."""
    values = text[node.site][:, node.feature]
    return values[1:] if node.position == SUMMED else values[node.position : node.position + 1]


@pytest.mark.parametrize(
    ("kind", "summed", "pairs"),
    [("relu", False, True), ("topk", True, True), ("relu", True, False), ("relu", False, False)],
)
def test_activations_are_those_of_one_text_at_a_time(reader, kind, summed, pairs):
    model = reader()
    dictionaries = toy_dictionaries(model, kind)
    places = [SUMMED] if summed else [1, 4]
    nodes = [NodeId(site, i, place) for site in model.sites for i in (0, 7, ERROR) for place in places]
    given = examples(pairs=pairs, even=not summed)
    found = node_activations(model, dictionaries, nodes, given, bos=True, batch_size=3)
    assert found.nodes == tuple(node for node in nodes if not node.is_error)
    texts = [item.clean for item in given] + [item.patch for item in given if item.patch]
    dense = [alone(model, dictionaries, ids) for ids in texts]
    for column, node in enumerate(found.nodes):
        for number, ids in enumerate(texts):
            rows = found.text == number
            np.testing.assert_allclose(
                found.values[rows, column], of_node(dense[number], node), rtol=1e-5, atol=1e-6
            )
            there = ids[1:] if summed else ids[node.position : node.position + 1]
            assert found.token[rows, column].tolist() == list(there)
    activity = found.activities()[0]
    some = [of_node(text, nodes[0]).any() for text in dense]
    assert activity.clean == pytest.approx(np.mean(some[: len(given)]))
    assert activity.patch == (pytest.approx(np.mean(some[len(given) :])) if pairs else None)
    asks_for_2 = [item.clean_answers == (2,) for item in given] + [
        item.patch_answers == (2,) for item in given if pairs
    ]
    share = next(item for item in activity.answers if item.kind == "w2")
    assert (share.texts, share.active) == (
        sum(asks_for_2),
        pytest.approx(np.mean(np.array(some)[asks_for_2])),
    )
    assert {item.kind: item.texts for item in activity.cases} == {"even": 4, "odd": 3}
    assert 0 < activity.tokens_active <= activity.tokens_seen
    assert set(activity.tokens) <= {f" w{number}" for number in range(2, 40)} | {
        f"w{n}" for n in range(2, 40)
    }
    assert set(activity.words) <= {f"w{number}" for number in range(2, 40)}
    assert [word.strip() for word in activity.tokens] == list(activity.words[: len(activity.tokens)])


def test_words_are_read_as_far_as_the_model_has_read_them():
    tokens = ["<s>", " One", " day", ",", " L", "u", "ke", "'", "s", " ", "dog", ".", "\n", "été"]
    assert words_read(tokens) == [
        "<s>", "One", "day", ",", "L…", "Lu…", "Luke", "'", "s", " ", "dog", ".", "\n", "été",
    ]  # fmt: skip


def test_a_node_is_named_by_the_words_at_its_position_on_both_sides(reader):
    model = reader()
    site = Site("embed", -1)
    given = [
        Encoded((BOS, 2, 3), (BOS, 4, 5), (2,), (3,), case=""),
        Encoded((BOS, 7, 8, 9), (BOS, 10, 11, 12), (2,), (3,), case=""),
    ]
    nodes = [NodeId(site, feature, 2) for feature in range(6)]
    found = node_activations(model, toy_dictionaries(model, "relu"), nodes, given, bos=True)
    for column, node in enumerate(found.nodes):
        there = [found.words[number] for number in found.word[:, column]]
        assert there == ["w3", "w8", "w5", "w11"], node
    summed = [NodeId(site, 1)]
    found = node_activations(model, toy_dictionaries(model, "relu"), summed, given, bos=True, batch_size=1)
    assert [found.words[n] for n in found.word[:, 0]] == [f"w{n}" for n in (2, 3, 7, 8, 9, 4, 5, 10, 11, 12)]


def test_nodes_of_two_kinds_of_circuit_are_refused(reader):
    model = reader()
    site = Site("embed", -1)
    with pytest.raises(BadInput, match="mixed"):
        node_activations(
            model, toy_dictionaries(model, "relu"), [NodeId(site, 1, 2), NodeId(site, 1)],
            examples(pairs=False, even=True), bos=True,
        )  # fmt: skip


# -- in words ------------------------------------------------------------------------------------------------


def activity(
    *answers: tuple[str, int, float, float], cases: tuple[tuple[str, int, float], ...] = ()
) -> NodeActivity:
    total = sum(texts for _, texts, _, _ in answers)
    share = sum(texts * part for _, texts, part, _ in answers) / total
    return NodeActivity(
        "resid_1/2@3", share, share, tuple(Share(*answer) for answer in answers),
        tuple(Share(*case, 1.0) for case in cases), (" cats",), 1, 2,
    )  # fmt: skip


def test_the_sentence_splits_by_answer():
    telling = activity(
        ("are", 50, 1.0, 2.0), ("do", 30, 0.96, 2.0), ("is", 50, 0.0, 0.0), ("was", 5, 0.02, 0.0)
    )
    assert active_sentence(telling) == (
        "Active on 96 to 100 % of the texts that ask for are or do, on 0 to 2 % of those that ask for was or is."
    )


def test_the_sentence_splits_by_case_where_answers_do_not_tell():
    telling = activity(
        ("are", 50, 0.5, 1.0),
        ("is", 50, 0.5, 1.0),
        cases=(("plural_plural", 50, 1.0), ("plural_singular", 50, 0.0)),
    )
    assert active_sentence(telling) == (
        "Active on 100 % of the clean texts of case plural_plural, on 0 % of those of case plural_singular."
    )


def test_the_sentence_says_when_nothing_tells():
    assert "Active on 50 % of the task's texts, whichever" in active_sentence(
        activity(("are", 50, 0.5, 1.0), ("is", 50, 0.5, 1.0))
    )
    assert active_sentence(activity(("are", 5, 0.0, 0.0))) == "Silent on all of the task's texts."
    assert "on all of the task's texts, whichever" in active_sentence(
        activity(("a", 9, 1.0, 2.0), ("b", 9, 1.0, 1.9))
    )


def test_neurons_differ_by_strength():
    assert active_sentence(activity(("a", 10, 1.0, 2.0), ("c", 30, 1.0, 3.0), ("b", 20, 1.0, -0.5))) == (
        "Active on all of the task's texts: 2.75 on average on those that ask for c or a, "
        "−0.5 on those that ask for b."
    )


@pytest.mark.parametrize(
    ("shares", "more"),
    [
        (((10, 0.2), (10, 0.0)), 0),  # two of ten texts may be chance
        (((100, 0.2), (100, 0.0)), 1),
        (((100, 0.9), (100, 0.7)), 0),  # sure, but little
        (((14, 0.36), (25, 0.2), (16, 0.19), (30, 0.13), (15, 0.1), (100, 0.0)), 5),
        (((5, 0.0), (5, 0.0)), 0),
        (((5, 1.0),), 0),
        (((50, 1.0 + 1e-15), (50, 1.0 + 2e-15)), 0),  # weighted means of shares round above 1
    ],
)
def test_a_split_is_large_and_no_chance(shares, more):
    found = split_by_share([Share(str(n), texts, part, part) for n, (texts, part) in enumerate(shares)])
    assert (len(found[0]), len(found[1])) == ((more, len(shares) - more) if more else (0, 0))
