"""circuitscope shift judge: by a person in the terminal, by words, by an endpoint; and on to apply."""

from __future__ import annotations

import io
import shutil

import pytest
from endpoint_server import serving
from shift_world import settings, steps, write_data

from circuitscope.config import ShiftJudgeConfig
from circuitscope.dashboards import known
from circuitscope.editing.judging import read_sheet
from circuitscope.editing.saved import read_removal
from circuitscope.errors import BadInput
from circuitscope.pipeline.shift import finish_judging, open_judging, prepare_judging, record_verdict
from circuitscope.results import load
from circuitscope.runs import sheet_of
from circuitscope.workspace import VerdictStore

KEY = "sk-secret-1234"


@pytest.fixture(scope="module")
def judgeable(world, tmp_path_factory):
    """A run with its circuit, to be copied."""
    folder = tmp_path_factory.mktemp("judgeable")
    data = write_data(folder / "data")
    ready = steps(folder / "run", settings(world, data), folder / "sheet.csv")
    ready["classifier"]()
    ready["circuit"]()
    return folder / "run"


@pytest.fixture
def run(judgeable, tmp_path, monkeypatch):
    monkeypatch.setenv("CIRCUITSCOPE_HOME", str(tmp_path / "home"))
    return shutil.copytree(judgeable, tmp_path / "run")


@pytest.fixture
def judge(program, run, monkeypatch):
    """Run ``shift judge`` on the run, with lines that a person types."""

    def call(*more, typed=""):
        monkeypatch.setattr("sys.stdin", io.StringIO(typed))
        return program("shift", "judge", run, "--device", "cpu", *more)

    return call


def test_a_person_is_asked_can_leave_and_go_on(judge, program, run, monkeypatch):
    circuit, sheet = load(run / "circuit"), run / "sheet.csv"
    said = judge("--interactive", "--who", "Ada", typed="r\nan animal\nk\n\nq\n")
    assert said.status == 0, said.err
    assert "being or having" in said.out
    rows = read_sheet(sheet, circuit, finished=False)
    assert [(item.verdict, item.note) for item in rows[:3]] == [
        ("remove", "an animal"),
        ("keep", ""),
        ("", ""),
    ]
    known = VerdictStore().known(circuit)
    assert {item.who for item in known.values()} == {"Ada"}
    assert len(known) == 2

    monkeypatch.setattr("circuitscope.model.load_model", None)  # to go on needs no model
    rest = len(rows) - 2
    said = judge("--interactive", typed="u\n\n" * rest)
    assert said.status == 0, said.err
    assert f"1 of {rest} · {rows[2].name}" in said.out
    assert f"1 keep, 1 remove, {rest} unsure" in said.out
    assert "--interactive" not in said.out
    applied = program("shift", "apply", run, sheet)
    assert applied.status == 0, applied.err
    assert "0 of these verdicts are new" in applied.out
    removal = read_removal(run / "removed")
    assert {(site, *ids.tolist()) for site, ids in removal.features.items()} == {
        (rows[0].site, rows[0].feature)
    }


def test_earlier_verdicts_are_filled_into_a_new_sheet(judge, run, tmp_path):
    judge("--interactive", "--who", "Ada", typed="r\nan animal\nq\n")
    said = judge("--sheet", tmp_path / "new.jsonl")
    assert said.status == 0, said.err
    first, *others = read_sheet(tmp_path / "new.jsonl", load(run / "circuit"), finished=False)
    assert (first.verdict, first.note, first.who) == ("remove", "an animal", "Ada")
    assert {item.verdict for item in others} == {""}


def test_a_second_sheet_takes_contexts_and_tokens_from_the_workspace(judge, run, tmp_path, monkeypatch):
    first, second = tmp_path / "first.jsonl", tmp_path / "second.jsonl"
    assert judge("--sheet", first).status == 0
    for name in ("top_contexts", "promoted_tokens"):
        monkeypatch.delattr(known, name)
    assert judge("--sheet", second).status == 0
    assert first.read_text() == second.read_text()
    with pytest.raises(NameError, match="top_contexts"):  # that was not computed yet
        judge("--sheet", tmp_path / "third.csv", "--contexts", 3)


def test_a_sheet_that_lacks_what_was_stored_is_brought_up_to_date(judge, run):
    """As after a kill between the store and the sheet."""
    judge()
    sheet = run / "sheet.csv"
    blank = sheet.read_bytes()
    judge("--interactive", typed="r\n\nq\n")
    sheet.write_bytes(blank)
    judge("--interactive", typed="q\n")
    assert read_sheet(sheet, load(run / "circuit"), finished=False)[0].verdict == "remove"


def test_words_judge_and_are_named_as_what_they_are(judge, program, run):
    said = judge(
        "--judge", "words", "--remove-words", "cat,cats,king,kings", "--keep-words", "is,are,has,have"
    )
    assert said.status == 0, said.err
    rows = read_sheet(run / "sheet.csv", load(run / "circuit"))
    assert all(item.automatic and "for the words to remove" in item.note for item in rows)
    assert not VerdictStore().known(load(run / "circuit"))  # no person has judged
    applied = program("shift", "apply", run, run / "sheet.csv")
    assert applied.status == 0, applied.err


def test_an_endpoint_judges_and_its_key_is_written_nowhere(judge, run, tmp_path, monkeypatch):
    monkeypatch.setenv("JUDGE_KEY", KEY)
    with serving() as server:
        server.will_say('{"verdict": "remove", "reason": "a cat"}')
        words = (
            "--judge",
            "endpoint",
            "--endpoint",
            server.url,
            "--model-name",
            "m",
            "--key-variable",
            "JUDGE_KEY",
        )
        said = judge(*words, "--about", "Tell being from having.")
        assert said.status == 0, said.err
        assert f"sent to {server.url}" in said.err
        assert server.asked[0][1]["Authorization"] == f"Bearer {KEY}"
        assert "Tell being from having." in server.asked[0][2]["messages"][1]["content"]
        count = len(server.asked)
        judge(*words, "--about", "Tell being from having.", "--overwrite")
        assert len(server.asked) == count  # what was answered is not asked again
    rows = read_sheet(run / "sheet.csv", load(run / "circuit"))
    assert {(item.verdict, item.note) for item in rows} == {("remove", "a cat")}
    assert KEY not in said.out + said.err
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert run / "replies.jsonl" in files
    assert not [path for path in files if KEY.encode() in path.read_bytes()]


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("--judge", "words"), "--judge words without --remove-words"),
        (("--judge", "words", "--remove-words", "a", "--keep-words", "A"), "a is among the words to remove"),
        (("--judge", "endpoint", "--endpoint", "http://localhost:1"), "without --model-name"),
        (
            (
                "--judge",
                "endpoint",
                "--endpoint",
                "http://x/v1",
                "--model-name",
                "m",
                "--key-variable",
                "NO_KEY",
            ),
            "NO_KEY is empty or not set",
        ),
        (("--judge", "oracle"), "--judge oracle"),
        (("--interactive", "--judge", "words", "--remove-words", "a"), "--interactive with --judge words"),
        (("--sheet", "sheet.xlsx"), "ends in .xlsx"),
        (("--contexts", "0"), "--contexts 0"),
    ],
)
def test_what_is_refused_before_any_work(judge, monkeypatch, words, complaint):
    monkeypatch.setattr("circuitscope.pipeline.shift.judge.open_shift", None)
    said = judge(*words)
    assert said.status == 1
    assert complaint in said.err


def test_a_sheet_is_replaced_only_when_that_is_said(judge, run):
    judge()
    before = (run / "sheet.csv").read_bytes()
    said = judge()
    assert said.status == 1
    assert "already exists" in said.err
    assert (run / "sheet.csv").read_bytes() == before
    assert judge("--overwrite").status == 0


# -- one verdict at a time, in Python ----------------------------------------------------------------------


def test_one_verdict_is_recorded_in_the_sheet_and_in_the_workspace(run, monkeypatch):
    config = ShiftJudgeConfig(device="cpu", contexts=1)
    before = prepare_judging(run, config)
    assert before.sheet == run / "sheet.csv"
    assert len(before.open) == len(before.features)
    monkeypatch.setattr("circuitscope.pipeline.shift.judge.open_shift", None)  # from here on without a model
    first, second = before.features[:2]
    after = record_verdict(before, first.name, "remove", "a cat", who="Ada")
    assert before.features[0].verdict == "", "the value that was given stays as it is"
    assert (after.features[0].verdict, after.features[0].note, after.features[0].who) == (
        "remove",
        "a cat",
        "Ada",
    )
    assert after.features[1:] == before.features[1:]
    assert read_sheet(run / "sheet.csv", after.circuit, finished=False)[0] == after.features[0]
    assert VerdictStore().known(after.circuit)[first.site, first.feature].verdict == "remove"

    again = open_judging(run)
    assert again.features == after.features
    record_verdict(again, second.name, "keep")
    written = finish_judging(open_judging(run))
    assert [item.verdict for item in written.features[:3]] == ["remove", "keep", ""]


def test_a_verdict_that_cannot_be_is_refused(run):
    judging = prepare_judging(run, ShiftJudgeConfig(device="cpu", contexts=1))
    with pytest.raises(BadInput, match="no feature 'resid_9/1'"):
        record_verdict(judging, "resid_9/1", "keep")
    with pytest.raises(BadInput, match="the verdict 'maybe'"):
        record_verdict(judging, judging.features[0].name, "maybe")
    assert not VerdictStore().known(judging.circuit)


def test_status_knows_the_sheet_and_who_judges(judge, program, run, tmp_path):
    judge("--sheet", tmp_path / "mine.jsonl")
    count = len(open_judging(run).features)
    assert sheet_of(run).path == tmp_path / "mine.jsonl"
    said = program("shift", "status", run).out
    assert f"unfinished: {count} of {count} verdicts are blank" in said
    assert f"next: circuitscope shift judge {run} --sheet {tmp_path / 'mine.jsonl'} --interactive" in said
    judge("--judge", "words", "--remove-words", "cat", "--sheet", tmp_path / "words.csv")
    assert sheet_of(run).judge == "words"
    assert f"next: circuitscope shift apply {run} {tmp_path / 'words.csv'}" in program("status", run).out
    assert program("shift", "effects", run, "--nodes", "8", "--examples", "12", "--overwrite").status == 0
    said = program("shift", "status", run).out
    assert "out of date: circuit was made again" in said
    assert f"next: circuitscope shift judge {run} --sheet {tmp_path / 'words.csv'} --overwrite" in said
