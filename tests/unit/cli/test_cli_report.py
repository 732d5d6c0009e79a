"""report and export on a tiny run: what they write, where, and what they need."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console
from schema_check import faults_in

import circuitscope as cs
from circuitscope.dashboards import known
from circuitscope.pages.page import read_report
from circuitscope.pipeline import default_text
from circuitscope.results import read_evaluation, read_sweep
from circuitscope.work import display

WITHOUT_TORCH = "import sys; sys.modules['torch'] = sys.modules['transformers'] = None; "


@pytest.fixture
def run(made, tmp_path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "run"))


@pytest.fixture(scope="session")
def reported(made, tmp_path_factory) -> Path:
    folder = Path(shutil.copytree(made, tmp_path_factory.mktemp("reported") / "run"))
    cs.report(folder, device="cpu")
    return folder


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_report_adds_a_stage_once(program, run):
    before = (run / "circuit.safetensors").read_bytes()
    result = program("report", run, "--device", "cpu")
    assert result.status == 0
    assert result.out == f"written to {run / 'report' / 'index.html'}\n"
    assert files(run / "report") == ["index.html", "manifest.json", "report.json"]
    assert (run / "circuit.safetensors").read_bytes() == before
    assert cs.load(run)
    again = program("report", run)
    assert (again.status, "already exists" in again.err) == (1, True)
    assert program("report", run, "--overwrite", "--nodes", 3).status == 0
    made = read_report(run / "report")
    assert {(f"{item.site}/{item.feature}") for item in made.features} <= {
        node.id.split("@")[0] for node in made.nodes[:3]
    }


def test_a_public_function_shows_its_progress_in_one_place(run, monkeypatch):
    """Whatever it calls, some of which would show their own."""

    class FakeTerminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    made, whole = [], display.TerminalBars

    def count(console):
        made.append(whole(console))
        return made[-1]

    monkeypatch.setattr(display, "Console", lambda *, stderr: Console(file=FakeTerminal()))
    monkeypatch.setattr(display, "TerminalBars", count)
    cs.report(run, device="cpu", cache=False)
    assert len(made) == 1
    assert made[0]._bars.tasks, "it was told something"
    cs.report(run, device="cpu", overwrite=True, progress=False)
    assert len(made) == 1


def test_what_a_feature_means_is_computed_once(program, run, tmp_path, monkeypatch):
    """Also for a circuit that is elsewhere, and for more of its nodes; not with --no-cache."""
    monkeypatch.setenv("CIRCUITSCOPE_HOME", str(tmp_path / "home"))
    asked = {"top_contexts": [], "promoted_tokens": []}

    def count(name):
        compute = getattr(known, name)

        def counted(model, dictionaries, features, *rest, **settings):
            asked[name].append(set(features))
            return compute(model, dictionaries, features, *rest, **settings)

        monkeypatch.setattr(known, name, counted)

    for name in asked:
        count(name)

    def written(run, *more):
        assert program("report", run, "--device", "cpu", "--overwrite", *more).status == 0
        return (run / "report" / "report.json").read_text()

    pages = [written(run, "--no-cache")]
    assert not (tmp_path / "home" / "dashboards.sqlite").exists()
    few = len(read_report(run / "report").features) // 2
    written(run, "--nodes", few)
    pages += [written(run), written(Path(shutil.copytree(run, tmp_path / "elsewhere" / run.name)))]
    assert len(set(pages)) == 1
    for calls in asked.values():
        everything, first, rest = calls
        assert first
        assert rest == everything - first


def test_contexts_come_from_the_task_if_nothing_else_is_given(reported):
    made = read_report(reported / "report")
    assert made.text_read.startswith("the task's own examples")
    assert made.question.examples[0].clean_prefix.startswith("The ")
    assert made.features
    known = {
        token.strip()
        for item in made.features
        for context in item.contexts.contexts
        for token in context.tokens
    }
    assert {"The", "cats", "is"} <= known, "both sides with their answers"
    assert default_text("anything") is None


def test_contexts_come_from_a_text(program, run, tmp_path):
    (tmp_path / "story.txt").write_text("the old cat has the old dogs<|endoftext|>near the old king")
    result = program(
        "report", run, "--text", tmp_path / "story.txt", "--out", tmp_path / "page", "--device", "cpu"
    )
    assert result.status == 0
    assert files(tmp_path) == [
        *("page/index.html", "page/manifest.json", "page/report.json"),
        *("run/circuit.safetensors", "run/manifest.json", "story.txt"),
    ]
    made = read_report(tmp_path / "page")
    assert made.text_read == "story.txt"
    assert {item.contexts.tokens_read for item in made.features} == {11}
    written = "".join(path.read_text() for path in (tmp_path / "page").iterdir())
    assert str(tmp_path) not in written, "where things lie is nobody's business"


def test_a_text_that_cannot_be_read_is_named_before_anything_is_loaded(program, run, tmp_path):
    result = program("report", run, "--text", tmp_path / "none.txt")
    assert result.status == 1
    assert "none.txt cannot be read" in result.err
    assert not (run / "report").exists()


def test_what_was_measured_is_on_the_page(program, run):
    assert program("evaluate", run, "--examples", 6, "--device", "cpu").status == 0
    assert program("sweep", run, "--sizes", 2, "--random", 0, "--no-neurons", "--device", "cpu").status == 0
    assert program("report", run, "--device", "cpu").status == 0
    assert faults_in(run / "report" / "report.json", "report") == []
    made = read_report(run / "report")
    assert made.evaluation == read_evaluation(run / "evaluation")
    assert made.sweep == read_sweep(run / "sweep")
    html = (run / "report" / "index.html").read_text()
    assert "number of nodes" in html
    assert f"<code>circuitscope evaluate {run.name}</code>" not in html
    assert f"<code>circuitscope sweep {run.name}</code>" not in html


def test_a_folder_of_runs_gets_an_index(program, run, tmp_path, made):
    shutil.copytree(made, tmp_path / "another")
    assert program("report", run, "--device", "cpu").status == 0
    first = (run / "report" / "index.html").stat().st_mtime_ns
    result = program("report", tmp_path, "--device", "cpu")
    assert result.status == 0
    assert files(tmp_path / "report") == ["index.html", "manifest.json"]
    html = (tmp_path / "report" / "index.html").read_text()
    for name in ("run", "another"):
        assert f'href="../{name}/report/index.html"' in html
        assert (tmp_path / name / "report" / "index.html").is_file()
    assert (run / "report" / "index.html").stat().st_mtime_ns == first, "reports that are there stay"
    assert program("report", tmp_path).status == 0
    assert (run / "report" / "index.html").stat().st_mtime_ns == first
    assert program("report", tmp_path, "--out", tmp_path / "x", "--overwrite").status == 1
    assert program("report", tmp_path, "--overwrite", "--device", "cpu").status == 0
    assert (run / "report" / "index.html").stat().st_mtime_ns != first


def test_runs_that_cannot_be_reported_are_listed_and_the_others_are(program, run, tmp_path, made):
    for name in ("another", "broken"):
        shutil.copytree(made, tmp_path / name)
    (tmp_path / "broken" / "circuit.safetensors").write_bytes(b"damaged")
    result = program("report", tmp_path, "--device", "cpu", "--workers", 2)
    assert result.status == 1
    assert "1 of 3 reports failed" in result.err
    assert "broken:" in result.err
    assert "circuit.safetensors is missing or was changed" in result.err
    assert "Traceback" not in result.err
    html = (tmp_path / "report" / "index.html").read_text()
    for name in ("run", "another"):
        assert (tmp_path / name / "report" / "index.html").is_file()
        assert f'href="../{name}/report/index.html"' in html
    assert "broken" not in html
    shutil.copy(made / "circuit.safetensors", tmp_path / "broken")
    again = program("report", tmp_path, "--device", "cpu")
    assert again.status == 0, again.err
    assert 'href="../broken/report/index.html"' in (tmp_path / "report" / "index.html").read_text()


def test_what_is_no_run_is_refused(program, tmp_path):
    result = program("report", tmp_path)
    assert (result.status, "is not a circuitscope run folder" in result.err) == (1, True)
    assert program("report", tmp_path / "none").status == 1


def test_the_public_name_is_the_function_whatever_was_imported():
    """The package and the function share their name."""
    for first in ("", "import circuitscope.pages; "):
        code = f"{first}import circuitscope as cs; cs.report('no such run')"
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False
        )
        assert "there is no folder no such run" in done.stderr
    with pytest.raises(TypeError, match="colour"):
        cs.report("run", colour="blue")


# -- export ------------------------------------------------------------------------------------------------


def test_export_writes_every_format(program, reported, tmp_path):
    circuit = cs.load(reported)
    for name, out in (("neuronpedia", "graph.json"), ("graphml", "graph.xml"), ("csv", "tables")):
        result = program("export", reported, "--format", name, "--out", tmp_path / "new" / out)
        assert (result.status, result.out) == (0, f"written to {tmp_path / 'new' / out}\n")
        assert program("export", reported, "--format", name, "--out", tmp_path / "new" / out).status == 1
        again = program("export", reported, "--format", name, "--out", tmp_path / "new" / out, "--overwrite")
        assert again.status == 0
    assert files(tmp_path / "new") == [
        "graph.json", "graph.xml", "tables/edges.csv", "tables/manifest.json", "tables/nodes.csv",
    ]  # fmt: skip
    graph = json.loads((tmp_path / "new" / "graph.json").read_text())
    assert len(graph["nodes"]) == len(circuit) + 1
    assert len(graph["links"]) == len(circuit.edges)
    assert graph["metadata"]["prompt"] == read_report(reported / "report").question.examples[0].clean_prefix
    assert any("→" in node["clerp"] for node in graph["nodes"]), "labels come from the report"


def test_an_export_does_not_replace_a_run(program, reported):
    result = program("export", reported, "--format", "csv", "--out", reported, "--overwrite")
    assert result.status == 1
    assert "is of kind 'run', and its replacement would be of kind 'export'" in result.err
    assert program("show", reported).status == 0


def test_export_needs_no_report_and_no_torch(run, tmp_path):
    words = ["export", str(run), "--format", "neuronpedia", "--out", str(tmp_path / "graph.json")]
    code = (
        WITHOUT_TORCH + f"sys.argv = ['circuitscope', *{words!r}]; from circuitscope.cli import main; main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    graph = json.loads((tmp_path / "graph.json").read_text())
    assert graph["nodes"][0]["clerp"] == str(cs.load(run).ids[0])


def test_export_refuses_what_it_cannot_do(program, run, tmp_path):
    (tmp_path / "folder").mkdir()
    for format, out, said in (
        ("pickle", "x", "neuronpedia or graphml or csv"),
        ("graphml", "folder", "folder"),
        ("csv", "folder", "already exists"),
    ):
        result = program("export", run, "--format", format, "--out", tmp_path / out)
        assert result.status == 1
        assert said in result.err
    assert list((tmp_path / "folder").iterdir()) == []
