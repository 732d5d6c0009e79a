"""Jobs: folders by the thousand, whoever makes them and whoever is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from functools import partial
from pathlib import Path

import pytest
import work_units
from work_units import job_folder, jobs_of, notes, setup, wait_until

from circuitscope.errors import BadInput, OutOfSpace
from circuitscope.runs import DONE, OUT_OF_DATE, TO_DO, claim, read_json
from circuitscope.work import FAILED, FolderJob, FolderJobs, InProcess, WorkerProcesses, refuse_failures

ENGINES = {"in process": InProcess(), "two workers": WorkerProcesses(2)}
both = pytest.mark.parametrize("engine", ENGINES.values(), ids=ENGINES)


def begun(folder: Path) -> list[str]:
    return sorted(line for line in notes(folder) if line.startswith("begin "))


def states(jobs: FolderJobs[float]) -> dict[str, str]:
    return {name: standing.state for name, standing in jobs.states().items()}


def inside(folder: Path) -> list[str]:
    """What is in the folder of jobs, but for failures."""
    return sorted(
        str(path.relative_to(folder))
        for path in folder.rglob("*")
        if path.is_file() and ".failed" not in path.parts
    )


@both
def test_each_job_is_a_folder_that_is_made_once(engine, tmp_path):
    jobs = jobs_of(tmp_path, 3)
    assert states(jobs) == dict.fromkeys(["job-0", "job-1", "job-2"], TO_DO)
    told = []
    found = jobs.run(setup(tmp_path), engine, progress=lambda *step: told.append(step), what="circuits")
    assert [(one.name, one.value, one.failure) for one in found] == [
        (f"job-{n}", job_folder(tmp_path) / f"job-{n}", None) for n in range(3)
    ]
    assert [(found[n].value / "number").read_text() for n in range(3)] == ["0.0", "2.0", "4.0"]
    manifest = read_json(found[1].value / "manifest.json")
    assert (manifest["kind"], manifest["made_from"], manifest["number"]) == ("circuit", {"cluster": "c1"}, 1)
    assert set(manifest["files"]) == {"number"}
    assert states(jobs) == dict.fromkeys(["job-0", "job-1", "job-2"], DONE)
    assert begun(tmp_path) == ["begin 0", "begin 1", "begin 2"]
    assert [step for step in told if step[2] == "circuits"][-1] == (3, 3, "circuits")
    again = jobs.run(setup(tmp_path), engine)
    assert [one.value for one in again] == [one.value for one in found]
    assert len(begun(tmp_path)) == 3
    assert inside(job_folder(tmp_path)) == [
        f"job-{n}/{file}" for n in range(3) for file in ("manifest.json", "number")
    ]


def test_progress_counts_what_was_done_before(tmp_path):
    jobs_of(tmp_path, 2).run(setup(tmp_path), InProcess())
    told = []
    jobs_of(tmp_path, 4).run(setup(tmp_path), InProcess(), progress=lambda *step: told.append(step))
    assert sorted({step for step in told if step[2] == "jobs"}) == [
        (2, 4, "jobs"),
        (3, 4, "jobs"),
        (4, 4, "jobs"),
    ]


def test_what_was_made_from_something_else_is_made_again(tmp_path):
    jobs_of(tmp_path, 2).run(setup(tmp_path), InProcess())
    changed = jobs_of(tmp_path, 2, dictionaries="new")
    assert states(changed) == {"job-0": OUT_OF_DATE, "job-1": OUT_OF_DATE}
    found = changed.run(setup(tmp_path, 3.0), InProcess())
    assert [(one.value / "number").read_text() for one in found] == ["0.0", "3.0"]
    assert begun(tmp_path) == ["begin 0", "begin 0", "begin 1", "begin 1"]


@both
def test_a_failure_is_recorded_and_tried_again_on_request(engine, tmp_path):
    jobs = jobs_of(tmp_path, 2)
    (tmp_path / "broken-1").touch()
    found = jobs.run(setup(tmp_path), engine)
    assert found[0].failure is None
    assert (found[1].value, found[1].failure.kind) == (None, "BadInput")
    assert found[1].failure.text.splitlines()[0] == "job 1 is broken"
    with pytest.raises(Exception, match="1 of 2 circuits failed\njob-1:\n  job 1 is broken"):
        refuse_failures(found, "circuits")
    record = read_json(job_folder(tmp_path) / ".failed" / "job-1.json")
    assert record == {"kind": "BadInput", "text": found[1].failure.text, "made_from": {"cluster": "c1"}}
    assert jobs.states()["job-1"].failure == found[1].failure
    assert inside(job_folder(tmp_path)) == ["job-0/manifest.json", "job-0/number"], (
        "no draft, no claim is left"
    )
    (tmp_path / "broken-1").unlink()
    assert jobs.run(setup(tmp_path), engine)[1].failure == found[1].failure
    assert begun(tmp_path) == ["begin 0", "begin 1"]
    assert jobs.run(setup(tmp_path), engine, retry_failed=True)[1].failure is None
    assert begun(tmp_path) == ["begin 0", "begin 1", "begin 1"]
    assert states(jobs) == {"job-0": DONE, "job-1": DONE}
    assert list((job_folder(tmp_path) / ".failed").iterdir()) == []


def test_a_failure_of_other_inputs_does_not_count(tmp_path):
    (tmp_path / "broken-0").touch()
    assert jobs_of(tmp_path, 1).run(setup(tmp_path), InProcess())[0].failure is not None
    (tmp_path / "broken-0").unlink()
    changed = jobs_of(tmp_path, 1, dictionaries="new")
    assert states(changed) == {"job-0": TO_DO}
    assert changed.run(setup(tmp_path), InProcess())[0].failure is None
    assert list((job_folder(tmp_path) / ".failed").iterdir()) == []


def test_a_job_that_kills_its_workers_is_recorded_by_their_engine(tmp_path):
    fatal = FolderJob("fatal", partial(work_units.fatal_job, folder=tmp_path))
    jobs = FolderJobs(job_folder(tmp_path), "circuit", [fatal, *jobs_of(tmp_path, 1).jobs])
    found = jobs.run(setup(tmp_path), WorkerProcesses(2))
    assert [one.failure.kind if one.failure else DONE for one in found] == ["killed", DONE]
    assert states(jobs) == {"fatal": FAILED, "job-0": DONE}
    assert notes(tmp_path).count("fatal") == 2
    assert list(job_folder(tmp_path).glob(".*.tmp")) == [], "what it was writing is cleared up"


def test_a_full_disk_is_one_error_and_no_record(tmp_path):
    jobs = FolderJobs(
        job_folder(tmp_path), "circuit", [FolderJob(f"job-{n}", work_units.disk_full) for n in range(3)]
    )
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("circuitscope.work.jobs.write_json", lambda *_: work_units.disk_full(0.0, tmp_path))
        with pytest.raises(OutOfSpace, match="the disk is full"):
            jobs.run(setup(tmp_path), InProcess())
    assert set(states(jobs).values()) == {TO_DO}


def test_names_are_those_of_folders(tmp_path):
    for name in ("a/b", ".hidden", "", "a.b"):
        with pytest.raises(BadInput, match="a job called"):
            FolderJobs(tmp_path, "circuit", [FolderJob(name, work_units.make_job)])
    with pytest.raises(BadInput, match="more than one job is called same"):
        FolderJobs(
            tmp_path,
            "circuit",
            [FolderJob("same", work_units.make_job), FolderJob("same", work_units.make_job)],
        )


# -- several programs, and kills ---------------------------------------------------------------------------


DRIVER = """
import sys, work_units
from pathlib import Path
from circuitscope.work import WorkerProcesses
folder = Path(sys.argv[1])
found = work_units.jobs_of(folder, 6, held=int(sys.argv[2])).run(work_units.setup(folder), WorkerProcesses(2))
assert all(one.failure is None for one in found), found
"""


def driver(folder: Path, *, held: int) -> subprocess.Popen[bytes]:
    """A program that does six jobs with two workers; from number ``held`` on they wait for a note."""
    path = os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")])
    command = [sys.executable, "-c", DRIVER, str(folder), str(held)]
    return subprocess.Popen(command, env={**os.environ, "PYTHONPATH": path})


def test_a_program_that_was_killed_and_is_started_again_makes_nothing_twice(tmp_path):
    first = driver(tmp_path, held=4)
    wait_until(lambda: len(begun(tmp_path)) == 6)
    assert [states(jobs_of(tmp_path, 6))[f"job-{n}"] for n in range(4)] == [DONE] * 4
    first.send_signal(signal.SIGKILL)
    first.wait()
    wait_until(lambda: not any(one.owner for one in jobs_of(tmp_path, 6).states().values()))
    work_units.note(tmp_path, "go on")
    assert driver(tmp_path, held=4).wait(timeout=100) == 0
    made = sorted(line for line in notes(tmp_path) if line.startswith("made "))
    assert made == [f"made {n}" for n in range(6)]
    assert [begun(tmp_path).count(f"begin {n}") for n in range(4)] == [1] * 4
    assert set(states(jobs_of(tmp_path, 6)).values()) == {DONE}
    assert list(job_folder(tmp_path).glob(".*.tmp")) == []


def test_two_programs_share_the_jobs_of_a_folder(tmp_path):
    programs = [driver(tmp_path, held=0) for _ in range(2)]
    wait_until(lambda: len(begun(tmp_path)) == 4)  # two workers each, all of them at work
    owners = [one.owner for one in jobs_of(tmp_path, 6).states().values() if one.owner is not None]
    assert len({owner.process for owner in owners}) == 4
    work_units.note(tmp_path, "go on")
    assert [program.wait(timeout=100) for program in programs] == [0, 0]
    assert begun(tmp_path) == [f"begin {n}" for n in range(6)]
    assert set(states(jobs_of(tmp_path, 6)).values()) == {DONE}


def test_it_waits_for_a_job_that_another_program_does_and_does_what_that_leaves(tmp_path):
    jobs = jobs_of(tmp_path, 2)
    claimed = job_folder(tmp_path) / ".claims" / "job-0"
    given_up = threading.Event()

    def give_up():
        wait_until(lambda: "made 1" in notes(tmp_path))
        assert "begin 0" not in notes(tmp_path)
        given_up.set()

    with claim(claimed):
        thread = threading.Thread(target=lambda: jobs.run(setup(tmp_path), InProcess()))
        thread.start()
        give_up()
    thread.join(timeout=60)
    assert given_up.is_set()
    assert begun(tmp_path) == ["begin 0", "begin 1"]
    assert states(jobs) == {"job-0": DONE, "job-1": DONE}
