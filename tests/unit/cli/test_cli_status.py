"""circuitscope status: of a run, of a folder of runs; what report, show and the index make of it."""

from __future__ import annotations

import inspect
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import circuitscope as cs
from circuitscope.config import EvaluateConfig, ReportConfig, WorkersConfig
from circuitscope.pages.page import IndexRow, index_html, read_report
from circuitscope.pipeline import run_evaluate
from circuitscope.results import read_evaluation
from circuitscope.runs import MANIFEST, OUT_OF_DATE, read_json, status, write_json


@pytest.fixture(scope="module")
def reported(made, tmp_path_factory) -> Path:
    """Discovered, evaluated and reported."""
    folder = Path(shutil.copytree(made, tmp_path_factory.mktemp("status") / "run"))
    run_evaluate(folder, EvaluateConfig(examples=6, device="cpu"))
    cs.report(folder, device="cpu", nodes=2)
    return folder


@pytest.fixture
def run(reported, tmp_path) -> Path:
    return Path(shutil.copytree(reported, tmp_path / "runs" / "run"))


def evaluate_again(run):
    run_evaluate(run, EvaluateConfig(examples=4, free_layers=0, device="cpu"), overwrite=True)


def test_scores_that_were_measured_again_put_the_report_out_of_date(program, run):
    said = program("status", run)
    assert (said.status, "nothing is left to do" in said.out) == (0, True)
    evaluate_again(run)
    assert status(run).outdated == ("report",)
    assert status(run)["report"].changed == "evaluation"
    said = program("status", run).out
    assert "out of date: evaluation was made again" in said
    assert f"next: circuitscope report {run} --overwrite" in said


def test_a_folder_of_runs_is_a_line_each(program, run, made):
    shutil.copytree(made, run.parent / "another")
    evaluate_again(run)
    said = program("status", run.parent)
    assert said.status == 0
    assert "2 runs in" in said.out
    lines = {line.split()[0]: line for line in said.out.splitlines() if line.strip()}
    assert "out of date: report" in lines["run"]
    assert f" {len(cs.load(run))} " in lines["run"]
    assert "nothing made from it yet" in lines["another"]
    said = program("status", run.parent, "--search", "another").out
    assert "1 run in" in said
    assert "out of date" not in said


def test_what_is_not_a_run_is_refused(program, tmp_path):
    (tmp_path / "empty").mkdir()
    for name, complaint in (("empty", "is not a run folder"), ("none", "there is no folder")):
        said = program("status", tmp_path / name)
        assert (said.status, complaint in said.err) == (1, True)


def test_status_loads_no_torch(run):
    code = (
        "import sys; sys.modules['torch'] = sys.modules['transformers'] = None; "
        f"sys.argv = ['circuitscope', 'status', {str(run)!r}]; from circuitscope.cli import main; main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_report_on_a_folder_of_runs_makes_what_is_out_of_date_anew(program, run, reported):
    other = Path(shutil.copytree(reported, run.parent / "another"))
    evaluate_again(run)
    before = (other / "report" / "index.html").stat().st_mtime_ns
    assert program("report", run.parent, "--nodes", 2, "--device", "cpu").status == 0
    assert status(run).outdated == ()
    assert read_report(run / "report").evaluation == read_evaluation(run / "evaluation")
    assert (other / "report" / "index.html").stat().st_mtime_ns == before
    assert "out of date" not in (run.parent / "report" / "index.html").read_text()


def test_the_index_marks_a_report_that_is_out_of_date(reported):
    found = read_report(reported / "report")
    shown = (found.question, found.n_nodes, found.n_edges, found.evaluation)
    rows = [IndexRow("fresh", "x", *shown), IndexRow("stale", "y", *shown, "evaluation was made again")]
    page = index_html("runs", rows)
    assert page.count("report out of date: evaluation was made again") == 1
    assert page.index("stale") < page.index("report out of date")


def test_show_warns_of_scores_of_another_circuit(program, run):
    assert "another circuit" not in program("show", run).err
    manifest = read_json(run / MANIFEST)
    write_json(run / MANIFEST, {**manifest, "sites": manifest["sites"][::-1]})
    assert status(run)["evaluation"].state == OUT_OF_DATE
    said = program("show", run).err
    assert "these scores belong to another circuit" in said
    assert f"circuitscope evaluate {run} --overwrite" in said


# -- report and export in Python ---------------------------------------------------------------------------


def test_the_options_of_a_report_are_those_of_the_shell():
    given = inspect.signature(cs.report).parameters
    own = {
        name: item.default for name, item in given.items() if name not in ("circuit", "overwrite", "progress")
    }
    dividing = vars(WorkersConfig())  # one circuit has nothing to divide
    assert own == {name: value for name, value in vars(ReportConfig()).items() if name not in dividing}


def test_a_report_is_a_value_that_opens_and_shows_itself(run, tmp_path):
    page = cs.report(run, device="cpu", nodes=1, out=tmp_path / "page")
    assert page.path == tmp_path / "page" / "index.html"
    assert str(page) == str(page.path)
    with open(page, encoding="utf-8") as file:
        content = file.read()
    assert content.startswith("<!doctype html>")
    shown = page._repr_html_()
    assert "<iframe" in shown
    assert "&lt;!doctype html&gt;" in shown
    assert "<script" not in shown.split("srcdoc=")[1], "the page is inside an attribute"


def test_a_circuit_that_is_a_value_is_reported_where_it_is_said(run, tmp_path):
    circuit = cs.load(run)
    with pytest.raises(cs.CircuitscopeError, match="a report of a circuit without out"):
        cs.report(circuit)
    page = cs.report(circuit, out=tmp_path / "page", device="cpu", nodes=2)
    assert page.path.is_file()
    ours, theirs = read_report(tmp_path / "page"), read_report(run / "report")
    assert (ours.nodes, ours.features, ours.evaluation) == (theirs.nodes, theirs.features, theirs.evaluation)
    with pytest.raises(cs.CircuitscopeError, match="already exists"):
        cs.report(circuit, out=tmp_path / "page", device="cpu")


def test_a_circuit_that_is_a_value_is_exported(run, tmp_path):
    assert cs.export(cs.load(run), "csv", tmp_path / "value") == tmp_path / "value"
    cs.export(run, "csv", tmp_path / "run")
    ours, theirs = ((tmp_path / name / "edges.csv").read_text() for name in ("value", "run"))
    assert ours == theirs


@pytest.mark.parametrize(
    ("call", "said"),
    [("cs.report(3)", "a report of a int"), ("cs.export({}, 'csv', 'none')", "an export of a dict")],
)
def test_what_is_neither_a_circuit_nor_a_path_is_refused(call, said):
    """In a process of its own: here types are checked before the function is."""
    done = subprocess.run(
        [sys.executable, "-c", f"import circuitscope as cs; {call}"],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert f"circuitscope.errors.BadInput: {said}" in done.stderr
