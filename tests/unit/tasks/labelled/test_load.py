"""Labelled texts from files: the layouts, what is recognised, and what is refused."""

from __future__ import annotations

import csv
import json

import pyarrow
import pyarrow.parquet
import pytest

from circuitscope.errors import BadFile, BadInput
from circuitscope.tasks.labelled import load_labelled_sets

NURSE, PROFESSOR, PAINTER = 13, 21, 14


def bios(split, each=6):
    """Rows in the layout of LabHC/bias_in_bios, with invented texts."""
    return [
        {"hard_text": f"{split} {profession} {gender} {number}.", "profession": profession, "gender": gender}
        for profession in (NURSE, PROFESSOR, PAINTER)
        for gender in (0, 1)
        for number in range(each)
    ]


def write_parquet(path, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), path)


def write_json(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def write_csv(path, rows):
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def plain(rows):
    return [
        {"text": row["hard_text"], "label": str(row["profession"]), "attribute": "fm"[row["gender"]]}
        for row in rows
    ]


def test_the_layout_of_the_hub_is_known_with_its_codes(tmp_path):
    for split in ("train", "test"):
        write_parquet(tmp_path / "data" / f"{split}-00000-of-00001.parquet", bios(split))
    sets = load_labelled_sets(tmp_path)
    assert sets.classes == ("professor", "nurse")
    assert sets.attributes == ("male", "female")
    assert sets.sizes == {
        "train_ambiguous": 12, "test_ambiguous": 12, "train_balanced": 24, "test_balanced": 24
    }  # fmt: skip
    for text in sets.train_ambiguous:
        wanted = f"train {PROFESSOR} 0" if text.label == 0 else f"train {NURSE} 1"
        assert text.text.startswith(wanted)


def test_any_pair_of_professions_can_be_told_apart(tmp_path):
    for split in ("train", "test"):
        write_parquet(tmp_path / f"{split}.parquet", bios(split))
    sets = load_labelled_sets(tmp_path, classes=("nurse", "painter"), attributes=("female", "male"))
    assert {text.text[:8] for text in sets.test_ambiguous} == {f"test {NURSE} ", f"test {PAINTER} "}
    assert all(" 1 " in text.text for text in sets.test_ambiguous if text.label == 0)


@pytest.mark.parametrize("write", [write_parquet, write_json, write_csv])
def test_every_kind_of_file_gives_the_same_sets(tmp_path, write):
    rows = [row for row in plain(bios("one", each=20)) if row["label"] != str(PAINTER)]
    path = tmp_path / f"texts{ {write_parquet: '.parquet', write_json: '.jsonl', write_csv: '.csv'}[write] }"
    write(path, rows)
    write_json(tmp_path / "reference.jsonl", rows)
    found, wanted = (load_labelled_sets(place, seed=3) for place in (path, tmp_path / "reference.jsonl"))
    for name in found.sizes:
        assert getattr(found, name) == getattr(wanted, name)
    train, test = set(found.train_balanced), set(found.test_balanced)
    assert train
    assert not train & test


def test_more_than_two_classes_are_refused_with_the_reason(tmp_path):
    write_json(tmp_path / "three.jsonl", plain(bios("x")))
    with pytest.raises(BadInput, match="3 classes") as refused:
        load_labelled_sets(tmp_path / "three.jsonl")
    assert "the probe has one output" in refused.value.expected
    assert "--classes" in refused.value.mend


def test_a_missing_field_is_named(tmp_path):
    write_json(tmp_path / "texts.jsonl", [{"text": "a", "label": "b"}])
    with pytest.raises(BadFile, match="no attribute"):
        load_labelled_sets(tmp_path / "texts.jsonl")


def test_fields_can_be_named(tmp_path):
    rows = [row for row in plain(bios("x", each=30)) if row["label"] != str(PAINTER)]
    other = [{"words": row["text"], "job": row["label"], "who": row["attribute"]} for row in rows]
    write_json(tmp_path / "texts.jsonl", other)
    sets = load_labelled_sets(
        tmp_path / "texts.jsonl", text_field="words", label_field="job", attribute_field="who"
    )
    assert sets.classes == (str(NURSE), str(PROFESSOR))


def test_a_damaged_line_is_named(tmp_path):
    path = tmp_path / "texts.jsonl"
    path.write_text('{"text": "a", "label": "b", "attribute": "c"}\n{"text": \n')
    with pytest.raises(BadFile, match="line 2"):
        load_labelled_sets(path)


def test_a_class_that_is_not_there_is_named(tmp_path):
    write_json(tmp_path / "texts.jsonl", plain(bios("x")))
    with pytest.raises(BadInput, match="no text with the class chef"):
        load_labelled_sets(tmp_path / "texts.jsonl", classes=("chef", str(NURSE)))


def test_nothing_there_says_what_would_do():
    with pytest.raises(BadInput, match="no labelled texts at '/no/such/place'"):
        load_labelled_sets("/no/such/place")


def test_bundled_biographies_are_new_wordings_in_the_test_set():
    sets = load_labelled_sets("bundled", limit=64)
    sentences = {
        name: {part.strip() for text in getattr(sets, name) for part in text.text.split(".")}
        for name in ("train_ambiguous", "test_balanced")
    }
    common = sentences["train_ambiguous"] & sentences["test_balanced"] - {""}
    assert not common
    both = (*sets.train_ambiguous, *sets.test_balanced)
    assert not any(word in text.text for word in ("nurse", "professor") for text in both)
    assert sets == load_labelled_sets("bundled", limit=64)
