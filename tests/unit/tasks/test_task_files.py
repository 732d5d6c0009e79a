"""Tasks from files, folders and Python: what is read, what is held out, and what is refused."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from circuitscope.errors import BadFile, BadInput, NothingFound
from circuitscope.tasks import Example, Task, load_task, read_examples
from circuitscope.tasks.inputs import encode_examples

ROW = {"clean_prefix": "The cats", "clean_answer": " are", "patch_prefix": "The cat", "patch_answer": " is"}
SINGLE = {"clean_prefix": "The cats", "clean_answer": [" are", " have"]}


@dataclass(frozen=True)
class Speaker:
    """As much of a model as a task asks for."""

    tokenizer: Any = field(default=object())
    name: str = "speaker"


def load(source: object, tokenizer: Any = "some") -> Task:
    unchecked = getattr(load_task, "__wrapped__", load_task)  # Speaker is no LanguageModel
    return unchecked(source, Speaker(tokenizer))


def write(path: Path, *rows: object) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows))
    return path


def numbered(count: int, start: int = 0) -> list[dict[str, str]]:
    return [ROW | {"case": str(number)} for number in range(start, start + count)]


def test_a_line_is_an_example(tmp_path):
    pair, single = read_examples(write(tmp_path / "t.jsonl", ROW | {"case": "plural"}, "", SINGLE))
    assert pair == Example("The cats", (" are",), "The cat", (" is",), "plural")
    assert pair.is_pair
    assert single == Example("The cats", (" are", " have"))
    assert not single.is_pair


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("{not json", "is not JSON"),
        ('["a list"]', "is a list"),
        (ROW | {"clean_anwser": " are"}, "clean_anwser"),
        ({"clean_prefix": "The cats"}, "keys"),
        (SINGLE | {"patch_prefix": "The cat"}, "keys"),
        (SINGLE | {"patch_answer": " is"}, "keys"),
        (ROW | {"clean_prefix": ""}, "prefix that is not text"),
        (ROW | {"patch_prefix": None}, "prefix that is not text"),
        (ROW | {"clean_answer": []}, "answer"),
        (ROW | {"patch_answer": [" is", 3]}, "answer"),
        (ROW | {"clean_answer": ""}, "answer"),
    ],
)
def test_a_bad_line_is_named_by_its_number(tmp_path, line, says):
    path = write(tmp_path / "t.jsonl", ROW, line)
    with pytest.raises(BadFile, match=says) as error:
        read_examples(path)
    assert f"{path}, line 2" in error.value.got
    assert error.value.expected


@pytest.mark.parametrize("content", [None, b"\xff\xfe{"])
def test_a_file_that_cannot_be_read_is_named(tmp_path, content):
    if content is not None:
        (tmp_path / "t.jsonl").write_bytes(content)
    with pytest.raises(BadFile, match=r"t\.jsonl"):
        read_examples(tmp_path / "t.jsonl")


@pytest.mark.parametrize("rows", [(), ("", "  ")])
def test_an_empty_file_is_refused(tmp_path, rows):
    with pytest.raises(NothingFound, match="is empty"):
        load(write(tmp_path / "t.jsonl", *rows))


def test_pairs_and_single_inputs_do_not_mix(tmp_path):
    with pytest.raises(BadInput, match="mixes"):
        load(write(tmp_path / "t.jsonl", ROW, SINGLE))


def test_a_quarter_of_a_file_is_held_out_always_the_same(tmp_path):
    path = write(tmp_path / "t.jsonl", *numbered(20))
    task = load(path)
    assert (task.name, len(task.train), len(task.test), task.is_template) == ("t", 15, 5, False)
    assert {example.case for example in (*task.train, *task.test)} == set(map(str, range(20)))
    assert load(str(path)) == task


def test_a_train_file_brings_its_test_file(tmp_path):
    path = write(tmp_path / "simple_train.json", *numbered(3))
    write(tmp_path / "simple_test.json", *numbered(2, start=3))
    task = load(path)
    assert (task.name, len(task.train), len(task.test)) == ("simple", 3, 2)


def test_a_train_file_of_a_name_with_train_in_it_brings_its_test_file(tmp_path):
    path = write(tmp_path / "a_train_b_train.json", *numbered(3))
    write(tmp_path / "a_train_b_test.json", *numbered(2, start=3))
    assert len(load(path).test) == 2


def test_a_folder_has_two_splits(tmp_path):
    write(tmp_path / "greeting" / "train.jsonl", *numbered(3))
    write(tmp_path / "greeting" / "test.json", *numbered(1))
    task = load(tmp_path / "greeting")
    assert (task.name, len(task.train), len(task.test)) == ("greeting", 3, 1)


def test_a_folder_without_a_split_is_refused(tmp_path):
    write(tmp_path / "greeting" / "train.jsonl", ROW)
    with pytest.raises(BadInput, match=r"no test\.jsonl"):
        load(tmp_path / "greeting")


def test_examples_may_come_from_python():
    task = load([Example("The cats", (" are",)), SINGLE] * 4)
    assert (len(task.train), len(task.test), task.pairs) == (6, 2, False)
    assert load(task) is task


def test_a_bad_example_from_python_is_refused():
    with pytest.raises(BadFile, match="example 1 from Python"):
        load([{"prefix": "The"}])


def test_a_task_that_is_not_there_says_what_may_be():
    with pytest.raises(BadInput, match="no such task: 'nothing'") as error:
        load("nothing")
    assert "agreement/simple" in error.value.expected


def test_a_task_needs_a_tokenizer():
    with pytest.raises(BadInput, match="has no tokenizer"):
        load([ROW], tokenizer=None)


@pytest.mark.parametrize("name", ["simple", "nounpp", "within_rc"])
def test_the_published_files_load(shared, gpt_neox, name):
    """For parity: most rows are usable with Pythia's tokenizer, at the published length (FACTS.md 3.2)."""
    task = load(shared / "data" / "agreement" / f"{name}_train.json", gpt_neox)
    sizes = {"simple": (480, 120), "nounpp": (1920, 480), "within_rc": (9600, 2400)}[name]
    assert (task.name, task.pairs, (len(task.train), len(task.test))) == (name, True, sizes)
    some = (*task.train[:300], *task.test[:100])
    encoded, skipped = encode_examples(some, gpt_neox, bos=False)
    assert set(skipped) <= {"clean and patch differ in length"}
    assert len(encoded) > 0.8 * len(some)
    assert min(example.length for example in encoded) == (2 if name == "simple" else 5)
