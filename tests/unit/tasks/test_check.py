"""The check of a task: what the model makes of every example, against its own logits."""

from __future__ import annotations

import json

import pytest
import torch
from tiny_world import NOUNS, VERBS, pair

import circuitscope as cs
from circuitscope.errors import NothingFound
from circuitscope.results import TaskCheck, behaviour_doubts


@pytest.fixture(scope="module")
def model(world):
    return cs.load_model(world.model, device="cpu")


def scores_after(model, text: str) -> dict[str, float]:
    ids = model.tokenizer(text, add_special_tokens=False, return_tensors="pt")["input_ids"]
    values = model.hf(ids).logits[0, -1].detach()
    return dict(zip(model.tokenizer.convert_ids_to_tokens(range(len(values))), values.tolist(), strict=True))


def rank_of(word: str, scores: dict[str, float]) -> int:
    return 1 + sum(value > scores[word] for value in scores.values())


def test_every_number_is_that_of_the_models_own_logits(model):
    rows = [pair(noun, verb, number) for noun in NOUNS for verb in VERBS for number in (0, 1)]
    task = cs.Task("pairs", tuple(cs.Example(**row) for row in rows), ())
    found = cs.check(model, task, bos="no", rows=3, batch_size=5)
    assert (found.examples, found.kind, found.bos) == (24, "pairs", False)
    assert (found.lengths, found.differ) == ({2: 24}, {1: 24})
    clean = [scores_after(model, row["clean_prefix"]) for row in rows]
    own = [row["clean_answer"].strip() for row in rows]
    other = [row["patch_answer"].strip() for row in rows]
    differences = [scores[a] - scores[b] for scores, a, b in zip(clean, own, other, strict=True)]
    assert found.clean.right == sum(value > 0 for value in differences)
    assert found.clean.metric == pytest.approx(sum(differences) / 24, abs=1e-5)
    ranks = sorted(rank_of(a, scores) for scores, a in zip(clean, own, strict=True))
    assert found.clean.rank == (ranks[11] + ranks[12]) / 2
    patch = [scores_after(model, row["patch_prefix"]) for row in rows]
    wrong_way = [scores[b] - scores[a] for scores, a, b in zip(patch, own, other, strict=True)]
    assert found.patch.right == sum(value > 0 for value in wrong_way)
    assert found.patch.metric == pytest.approx(sum(wrong_way) / 24, abs=1e-5)
    first = found.shown[0].clean
    assert len(found.shown) == 3
    assert [piece.strip() for piece in first.pieces] == rows[0]["clean_prefix"].split()
    assert (first.rank, first.other_rank) == (rank_of(own[0], clean[0]), rank_of(other[0], clean[0]))
    probabilities = torch.tensor(list(clean[0].values())).softmax(0)
    assert first.probability == pytest.approx(float(probabilities[list(clean[0]).index(own[0])]), rel=1e-4)
    assert first.likeliest.text.strip() == max(clean[0], key=clean[0].__getitem__)


def test_a_single_answer_has_to_be_the_most_probable_token(model):
    """Of several answers the best one counts, with their probability together."""
    scores = scores_after(model, "The old dogs")
    order = sorted(scores, key=lambda word: -scores[word])
    lines = [
        {"clean_prefix": "The old dogs", "clean_answer": f" {order[0]}"},
        {"clean_prefix": "The old dogs", "clean_answer": (f" {order[2]}", f" {order[1]}")},
    ]
    found = cs.check(model, cs.Task("singles", tuple(cs.Example(**line) for line in lines), ()), bos="no")
    assert (found.kind, found.patch, found.differ) == ("single inputs", None, {})
    assert [example.clean.rank for example in found.shown] == [1, 2]
    assert [example.clean.right for example in found.shown] == [True, False]
    together = torch.tensor([scores[word] for word in order]).softmax(0)
    assert found.shown[1].clean.probability == pytest.approx(float(together[1] + together[2]), rel=1e-4)
    assert found.clean.right == 1


def test_what_is_skipped_is_named_by_its_line(model, tmp_path):
    rows = [pair("cat", VERBS[0], 0) for _ in range(8)]
    rows[2] = pair("zebra", VERBS[0], 0)
    rows[5] = rows[5] | {"clean_answer": " is has"}
    rows[6] = rows[6] | {"patch_prefix": rows[6]["clean_prefix"]}
    rows[7] = rows[7] | {"patch_prefix": "The old cats"}
    for split in ("train", "test"):
        (tmp_path / f"{split}.jsonl").write_text("\n".join(map(json.dumps, rows)))
    task = cs.load_task(tmp_path, model)
    found = cs.check(model, task)
    path = tmp_path / "train.jsonl"
    assert [(one.where, one.reason) for one in found.skipped] == [
        (f"{path}, line 3", "the prefix has words that the tokenizer does not know"),
        (f"{path}, line 6", "an answer is not one token"),
        (f"{path}, line 7", "clean and patch are the same text"),
        (f"{path}, line 8", "clean and patch differ in length"),
    ]
    assert found.examples == 4
    encoded, skipped = task.encode("train", model.tokenizer, bos=False)
    assert (len(encoded), skipped.total()) == (4, 4)
    same = [rows[6]] * 4
    with pytest.raises(NothingFound, match="clean and patch are the same text") as error:
        cs.check(model, same)
    assert "example 1 from Python" in error.value.got


def doubts(**changed: object) -> str:
    usual = {"examples": 20, "right": 0.9, "clean": 2.0, "contrasts": True}
    return " ".join(behaviour_doubts(**{**usual, **changed}))


def test_doubts_are_said_only_where_there_are_any():
    assert doubts() == ""
    assert doubts(right=0.5, examples=10) == ""
    assert "mean on the clean texts is -1, on the side of the other answer" in doubts(clean=-1.0)
    assert "does not have" in doubts(clean=0.0)
    assert "on 9 of 20 clean texts, fewer than half" in doubts(right=0.45)
    assert "most probable next token on 8 of 20" in doubts(right=0.4, clean=None, contrasts=False)
    assert "Only 9 examples were used" in doubts(examples=9)
    assert "Only one example was used" in doubts(examples=1)
    assert "right" not in doubts(right=None, clean=None)


def test_a_check_says_in_python_what_it_found(model):
    found = cs.check(model, cs.prompt_task(model, "The old dogs", answer=" is", against=" are"))
    assert isinstance(found, TaskCheck)
    assert "right on" in repr(found)
    assert "Only one example" in repr(found)
