"""What a run has, what is out of date and because of what, and what comes next."""

from __future__ import annotations

import subprocess
import sys

import pytest
from made_runs import make_everything, make_run, make_shift, make_stage, stage, write_sheet

import circuitscope as cs
from circuitscope.errors import BadFile, BadInput
from circuitscope.runs import (
    CIRCUIT,
    CLASSIFIER_CIRCUIT,
    COMPARISON,
    DONE,
    EVALUATION,
    GROUP,
    JUDGING,
    MANIFEST,
    OUT_OF_DATE,
    PRUNE,
    REMOVED,
    REPORT,
    RETRAINED,
    SCORES,
    SHIFT,
    STAGES,
    SWEEP,
    TO_DO,
    UNFINISHED,
    made_from,
    need,
    need_shift,
    outdated_by,
    read_json,
    status,
    write_json,
    write_judging,
)


def states(run):
    return {item.stage: item.state for item in status(run).stages}


@pytest.fixture
def run(tmp_path):
    return make_run(tmp_path / "run")


@pytest.fixture
def shift(tmp_path):
    return make_shift(tmp_path / "shift")


# -- a circuit ---------------------------------------------------------------------------------------


def test_a_new_run_has_nothing_and_evaluate_comes_next(run):
    found = status(run)
    assert (found.kind, str(found.about)) == (CIRCUIT, "agreement/simple on toy with random")
    assert {item.state for item in found.stages} == {TO_DO}
    assert found.next == f"circuitscope evaluate {run}"


def test_every_stage_says_what_it_was_made_from(run, shift):
    for folder, kind in ((run, CIRCUIT), (shift, SHIFT)):
        make_everything(folder, kind)
        assert set(states(folder).values()) == {DONE}
        assert status(folder).next is None
        for of in STAGES[kind]:
            recorded = read_json(of.in_(folder) / MANIFEST)["made_from"]
            assert recorded == made_from(folder, of)
            assert set(recorded) == {*of.made_from, *of.uses}


def test_a_report_of_earlier_scores_is_out_of_date(run):
    for of in (EVALUATION, REPORT):
        make_stage(run, of)
    assert states(run)["report"] == DONE
    make_stage(run, EVALUATION, 0.75)
    found = status(run)
    assert found["report"].state == OUT_OF_DATE
    assert (found["report"].changed, found["report"].note) == ("evaluation", "evaluation was made again")
    assert found.outdated == ("report",)
    assert found.next == f"circuitscope report {run} --overwrite"


def test_the_same_scores_again_leave_a_report_as_it_is(run):
    for of in (EVALUATION, REPORT, EVALUATION):
        make_stage(run, of)
    assert states(run)["report"] == DONE


def test_what_a_report_could_have_shown_and_what_it_showed_and_is_gone(run):
    make_stage(run, REPORT)
    make_stage(run, GROUP)
    assert status(run)["report"].note == "group was added"
    make_stage(run, REPORT)
    make_stage(run, PRUNE)  # a report does not show it
    assert states(run)["report"] == DONE
    (GROUP.in_(run) / MANIFEST).unlink()
    assert status(run)["report"].note == "group is gone"


def test_another_circuit_puts_all_its_stages_out_of_date(run):
    make_everything(run, CIRCUIT)
    manifest = read_json(run / MANIFEST)
    write_json(run / MANIFEST, {**manifest, "recipe": {**manifest["recipe"], "seed": "second"}})
    found = status(run)
    assert {item.state for item in found.stages} == {OUT_OF_DATE}
    assert {item.note for item in found.stages} == {"the run itself was made again"}
    assert found.next == f"circuitscope evaluate {run} --overwrite"


def test_later_stages_and_times_do_not_change_what_a_run_is(run):
    make_stage(run, EVALUATION)
    manifest = read_json(run / MANIFEST)
    write_json(run / MANIFEST, {**manifest, "created": "2001-01-01", "versions": {}})
    make_stage(run, SWEEP)
    assert states(run)["evaluation"] == DONE


def test_what_does_not_say_what_it_was_made_from_counts_as_up_to_date(run):
    make_everything(run, CIRCUIT)
    for of in STAGES[CIRCUIT]:
        manifest = read_json(of.in_(run) / MANIFEST)
        del manifest["made_from"]
        write_json(of.in_(run) / MANIFEST, manifest)
    make_stage(run, EVALUATION, 0.75)
    assert states(run)["report"] == DONE


def test_a_stage_that_was_stopped_is_unfinished(run):
    (run / ".evaluation.partial").mkdir()
    assert states(run)["evaluation"] == UNFINISHED
    assert status(run).next == f"circuitscope evaluate {run}"


def test_a_run_inside_a_stage_is_a_run_like_any_other(run, shift):
    inner = make_run(PRUNE.run_in(run))
    make_stage(shift, stage(SHIFT, "classifier"))
    make_stage(shift, CLASSIFIER_CIRCUIT)
    for folder in (inner, CLASSIFIER_CIRCUIT.run_in(shift)):
        assert status(folder).kind == CIRCUIT
        make_everything(folder, CIRCUIT)
        assert set(states(folder).values()) == {DONE}
    before = states(shift)
    make_stage(CLASSIFIER_CIRCUIT.in_(shift), EVALUATION, 0.75)
    assert status(CLASSIFIER_CIRCUIT.in_(shift)).outdated == ("report",)
    assert states(shift) == before, "what is made from a circuit does not change it"


# -- a SHIFT -----------------------------------------------------------------------------------------


def test_the_next_step_of_a_shift(shift):
    said = []
    for of in STAGES[SHIFT]:
        said.append((status(shift).next or "").removeprefix("circuitscope "))
        make_stage(shift, of)
    assert said == [
        f"shift train {shift}",
        f"shift effects {shift}",
        f"shift judge {shift}",
        f"shift apply {shift} {shift / 'sheet.csv'}",
        f"shift retrain {shift}",
        f"shift evaluate {shift}",
        "",  # a comparison is not needed
    ]
    assert states(shift)["comparison"] == DONE


def test_the_first_cause_is_named_and_what_comes_after_it_waits(shift):
    make_everything(shift, SHIFT)
    make_stage(shift, stage(SHIFT, "classifier"), "second")
    found = status(shift)
    assert found["circuit"].note == "classifier was made again"
    assert (found["judging"].state, found["judging"].note) == (OUT_OF_DATE, "circuit is out of date")
    assert found.outdated == tuple(item.stage for item in found.stages[1:])
    assert found.next == f"circuitscope shift effects {shift} --overwrite"


def test_a_sheet_of_another_circuit_is_noticed(shift):
    make_everything(shift, SHIFT)
    make_stage(shift, CLASSIFIER_CIRCUIT, "second")
    found = status(shift)
    assert (found["judging"].changed, found["removed"].changed) == ("circuit", "circuit")
    assert found.next == f"circuitscope shift judge {shift} --overwrite"


@pytest.mark.parametrize("name", ["sheet.csv", "mine.jsonl"])
def test_blank_verdicts_are_counted(shift, name):
    for of in (stage(SHIFT, "classifier"), CLASSIFIER_CIRCUIT):
        make_stage(shift, of)
    sheet = write_sheet(shift / name, "keep", "", "")
    write_judging(shift, sheet, "person")
    assert read_json(JUDGING.in_(shift) / MANIFEST)["sheet"] == name, "a run that is moved keeps its sheet"
    found = status(shift)
    assert (found["judging"].state, found["judging"].note) == (UNFINISHED, "2 of 3 verdicts are blank")
    named = "" if name == "sheet.csv" else f" --sheet {sheet}"
    assert found.next == f"circuitscope shift judge {shift}{named} --interactive"
    write_sheet(sheet, "keep", "remove", "unsure")
    assert states(shift)["judging"] == DONE
    assert status(shift).next == f"circuitscope shift apply {shift} {sheet}"


def test_a_sheet_that_is_gone_matters_until_it_was_applied(shift):
    for of in (stage(SHIFT, "classifier"), CLASSIFIER_CIRCUIT, JUDGING):
        make_stage(shift, of)
    (shift / "sheet.csv").unlink()
    assert status(shift)["judging"].state == UNFINISHED
    assert "is gone" in status(shift)["judging"].note
    assert status(shift).next == f"circuitscope shift judge {shift}"
    make_stage(shift, REMOVED)
    assert states(shift)["judging"] == DONE


def test_who_applied_a_sheet_from_elsewhere_is_not_sent_back_to_judge(shift):
    for of in (stage(SHIFT, "classifier"), CLASSIFIER_CIRCUIT, REMOVED):
        make_stage(shift, of)
    assert states(shift)["judging"] == TO_DO
    assert status(shift).next == f"circuitscope shift retrain {shift}"


def test_scores_know_of_no_version_that_was_made_after_them(shift):
    for of in (stage(SHIFT, "classifier"), CLASSIFIER_CIRCUIT, SCORES, REMOVED):
        make_stage(shift, of)
    assert status(shift)["scores"].note == "removed was added"


# -- what a stage needs ------------------------------------------------------------------------------


def test_a_stage_needs_those_before_it_from_what_is_there_now(shift):
    with pytest.raises(BadInput, match="has no classifier yet") as missing:
        need_shift(shift, stage(SHIFT, "classifier"))
    assert missing.value.mend == f"circuitscope shift train {shift}"
    make_everything(shift, SHIFT)
    need(shift, *STAGES[SHIFT])
    make_stage(shift, stage(SHIFT, "classifier"), "second")
    with pytest.raises(BadInput, match="circuit is out of date: classifier was made again") as stale:
        need(shift, RETRAINED)
    assert stale.value.mend == f"circuitscope shift effects {shift} --overwrite"
    assert outdated_by(shift, COMPARISON) == "classifier"


def test_a_shift_is_asked_for_where_one_is_needed(run):
    with pytest.raises(BadInput, match="is not the folder of a SHIFT"):
        need_shift(run)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda folder: None, "there is no folder"),
        (lambda folder: folder.mkdir(), "is not a run folder"),
        (
            lambda folder: make_stage(make_run(folder / "x"), GROUP).rename(folder / "g"),
            "is not a run folder",
        ),
    ],
)
def test_what_is_not_a_run_is_refused(tmp_path, make, said):
    folder = tmp_path / "folder"
    make(folder)
    with pytest.raises(BadFile, match=said):
        status(folder)


def test_a_damaged_manifest_is_named(run):
    make_stage(run, GROUP)
    (GROUP.in_(run) / MANIFEST).write_text("[]")
    with pytest.raises(BadFile, match=r"group/manifest\.json is not a manifest"):
        status(run)


# -- in Python ---------------------------------------------------------------------------------------


def test_a_status_reads_well(run):
    make_stage(run, EVALUATION)
    make_stage(run, REPORT)
    make_stage(run, EVALUATION, 0.75)
    lines = repr(cs.status(run)).splitlines()
    assert lines[0] == f"{run}: agreement/simple on toy with random"
    assert lines[5].startswith("  report      out of date: evaluation was made again  (2")
    assert lines[-1] == f"next: circuitscope report {run} --overwrite"
    assert str(cs.status(run)["report"]) == "report: out of date, evaluation was made again"
    with pytest.raises(KeyError):
        cs.status(run)["retrained"]


def test_a_status_loads_no_torch(run, shift):
    make_everything(run, CIRCUIT)
    make_everything(shift, SHIFT)
    code = (
        "import sys; sys.modules['torch'] = sys.modules['transformers'] = None\n"
        "import circuitscope as cs; print([cs.status(path).next for path in sys.argv[1:]])"
    )
    words = [sys.executable, "-c", code, str(run), str(shift)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "[None, None]\n"
