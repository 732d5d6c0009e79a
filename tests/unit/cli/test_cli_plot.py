"""plot: folders that are missing, labels from the run's report, words for the errors."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

import circuitscope as cs
from circuitscope.pages.page import read_report, report_labels
from circuitscope.runs import read_json, write_json


@pytest.fixture(scope="module")
def reported(made, tmp_path_factory) -> Path:
    folder = Path(shutil.copytree(made, tmp_path_factory.mktemp("plotted") / "run"))
    cs.report(folder, device="cpu", progress=False)
    return folder


def texts(picture: Path) -> list[str]:
    """What is written in an SVG; matplotlib draws letters as shapes and leaves the text as comments."""
    return re.findall(r"<!-- (.*?) -->", picture.read_text(encoding="utf-8"))


def test_missing_folders_are_made(program, made, tmp_path):
    for name in ("new/deep/circuit.svg", "new/circuit.png"):
        assert program("plot", made, "--out", tmp_path / name).status == 0
        assert (tmp_path / name).stat().st_size > 0


def test_labels_come_from_the_report(program, reported, tmp_path):
    labels = report_labels(reported)
    features = read_report(reported / "report").features
    assert len(labels) == len(features) > 0
    labelled, plain = tmp_path / "labelled.svg", tmp_path / "plain.svg"
    assert program("plot", reported, "--out", labelled).status == 0
    assert program("plot", reported, "--no-labels", "--out", plain).status == 0
    words = {label.split(",")[0].split()[0] for label in labels.values()}
    in_picture = " ".join(texts(labelled))
    assert any(word in in_picture for word in words)
    assert len(texts(labelled)) > len(texts(plain))


def test_labels_of_no_report_and_of_an_earlier_circuit(program, made, reported, tmp_path):
    missing = program("plot", made, "--labels", "--out", tmp_path / "a.svg")
    assert missing.status == 1
    assert "has no report, which labels come from" in missing.err
    assert f"circuitscope report {made}" in missing.err.replace("\n", "")
    assert program("plot", made, "--out", tmp_path / "b.svg").status == 0

    older = Path(shutil.copytree(reported, tmp_path / "older"))
    manifest = read_json(older / "report" / "manifest.json")
    manifest["made_from"]["run"] = "0" * 64
    write_json(older / "report" / "manifest.json", manifest)
    assert report_labels(older) == {}
    again = program("plot", older, "--labels", "--out", tmp_path / "c.svg")
    assert again.status == 1
    assert "has no report of its circuit as it is now" in again.err
    assert "--overwrite" in again.err


def test_the_errors_in_the_picture_have_three_words(program, made, tmp_path):
    for word in ("always", "strong", "never"):
        assert (
            program("plot", made, "--errors-in-picture", word, "--out", tmp_path / f"{word}.svg").status == 0
        )
    assert "errors are left out" in " ".join(texts(tmp_path / "never.svg"))
    wrong = program("plot", made, "--errors-in-picture", "some", "--out", tmp_path / "some.svg")
    assert wrong.status == 1
    assert "--errors-in-picture some" in wrong.err
    assert not (tmp_path / "some.svg").exists()


def test_options_of_nodes_are_refused_for_groups(program, made, tmp_path):
    for option in (["--labels"], ["--errors-in-picture", "never"]):
        refused = program("plot", made, "--groups", *option, "--out", tmp_path / "a.png")
        assert refused.status == 1
        assert f"{option[0]} is about the picture of single nodes, but --groups is given" in " ".join(
            refused.err.split()
        )
