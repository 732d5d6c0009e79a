"""A folder of runs: opened, listed and searched, quickly."""

from __future__ import annotations

import pytest
from made_runs import make_run, make_shift, make_stage, stage

from circuitscope import runs
from circuitscope.errors import BadFile
from circuitscope.runs import CIRCUIT, CLASSIFIER_CIRCUIT, EVALUATION, SHIFT, open_collection, runs_in


@pytest.fixture
def folder(tmp_path):
    make_run(tmp_path / "b_simple", nodes=7)
    make_stage(tmp_path / "b_simple", EVALUATION, 0.75)
    make_run(tmp_path / "a_rc", task="agreement/across_rc", model="GPT")
    make_shift(tmp_path / "c_bios")
    make_stage(tmp_path / "c_bios", stage(SHIFT, "classifier"))
    make_stage(tmp_path / "c_bios", CLASSIFIER_CIRCUIT)
    make_run(tmp_path / ".hidden")
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "manifest.json").write_text("{")
    (tmp_path / "letter.txt").write_text("dear")
    return tmp_path


def test_runs_are_listed_with_what_they_are(folder):
    found = open_collection(folder)
    assert [(run.name, run.kind, run.about.task, run.nodes, run.faithfulness) for run in found] == [
        ("a_rc", CIRCUIT, "agreement/across_rc", 3, None),
        ("b_simple", CIRCUIT, "agreement/simple", 7, 0.75),
        ("c_bios", SHIFT, "bios", 2, None),
    ]
    assert all(run.created for run in found)
    assert found["b_simple"].path == folder / "b_simple"
    with pytest.raises(KeyError):
        found["notes"]
    assert repr(found).splitlines() == [
        f"{folder}: 3 runs",
        "  a_rc: agreement/across_rc on GPT with random, 3 nodes",
        "  b_simple: agreement/simple on toy with random, 7 nodes, faithfulness 0.75",
        "  c_bios: bios on toy with random, 2 nodes",
    ]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("agreement", ["a_rc", "b_simple"]),
        ("gpt", ["a_rc"]),
        ("TOY simple", ["b_simple"]),
        ("shift", ["c_bios"]),
        ("", ["a_rc", "b_simple", "c_bios"]),
        ("gpt simple", []),
    ],
)
def test_runs_are_found_by_all_words_of_a_search(folder, text, names):
    assert [run.name for run in open_collection(folder).search(text)] == names


def test_the_runs_of_one_kind(folder):
    assert [path.name for path in runs_in(folder)] == ["a_rc", "b_simple"]
    assert [path.name for path in runs_in(folder, SHIFT)] == ["c_bios"]
    assert runs_in(folder / "c_bios") == [], "the circuit in a SHIFT does not make it a collection"
    assert runs_in(folder / "none") == []


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(BadFile, match="there is no folder"):
        open_collection(tmp_path / "none")


def test_a_run_without_its_arrays_is_listed_all_the_same(folder):
    (folder / "a_rc" / "circuit.safetensors").write_bytes(b"\xff" * 16)
    (folder / "b_simple" / "evaluation" / "evaluation.json").write_text("[]")
    found = open_collection(folder)
    assert (found["a_rc"].nodes, found["b_simple"].faithfulness) == (None, None)


def test_no_file_is_hashed_or_read_whole(folder, monkeypatch):
    def refuse(*arguments):
        raise AssertionError("not for a list")

    monkeypatch.setattr(runs.files, "hash_file", refuse)
    monkeypatch.setattr(runs.manifest, "hash_file", refuse)
    monkeypatch.setattr(runs.files, "read_arrays", refuse)
    assert len(open_collection(folder)) == 3
