"""Engines: the same units in this process and in worker processes."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import threading
import time
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import work_units
from work_units import notes, scales, setup

from circuitscope.errors import BadInput, WorkFailed
from circuitscope.work import (
    NOTHING_SHARED,
    Engine,
    InMemory,
    InProcess,
    Partial,
    Setup,
    Unit,
    WorkerProcesses,
    engine_for,
    refuse_failures,
)
from circuitscope.work.processes import cores

ENGINES = {"in process": InProcess(), "two workers": WorkerProcesses(2)}
both = pytest.mark.parametrize("engine", ENGINES.values(), ids=ENGINES)


def values(numbers) -> list[Unit[float, float]]:
    return [Unit(f"unit-{number}", partial(work_units.value_of, number=number)) for number in numbers]


def loads(folder: Path) -> set[str]:
    found = [line for line in notes(folder) if line.startswith("load")]
    assert len(set(found)) == len(found), "a process loaded twice"
    return set(found)


@both
def test_outcomes_come_in_the_order_of_the_units(engine, tmp_path):
    units = [Unit(f"unit-{number}", partial(work_units.slow_first, number=number)) for number in range(4)]
    found = list(engine.run(setup(tmp_path), units))
    assert [(one.name, one.value) for one in found] == [
        (f"unit-{number}", 2.0 * number) for number in range(4)
    ]


def test_every_process_loads_once(tmp_path):
    (tmp_path / "one").mkdir()
    list(InProcess().run(setup(tmp_path / "one"), values(range(5))))
    assert loads(tmp_path / "one") == {f"load {os.getpid()}"}
    (tmp_path / "two").mkdir()
    list(WorkerProcesses(2).run(setup(tmp_path / "two"), values(range(5))))
    assert 1 <= len(loads(tmp_path / "two")) <= 2
    assert f"load {os.getpid()}" not in loads(tmp_path / "two")


def test_no_more_workers_than_units(tmp_path):
    list(WorkerProcesses(8).run(setup(tmp_path), values([1])))
    assert len(loads(tmp_path)) == 1


def test_numbers_are_the_same_in_process_and_in_workers(tmp_path):
    first, second = (list(engine.run(setup(tmp_path), scales(tmp_path, 4))) for engine in ENGINES.values())
    for one, other in zip(first, second, strict=True):
        np.testing.assert_array_equal(one.value["x"], other.value["x"])


@both
def test_a_unit_that_fails_is_recorded_and_the_others_go_on(engine, tmp_path):
    units = [
        Unit("wrong", work_units.wrong_input),
        Unit("bug", work_units.bug),
        *values([3]),
    ]
    wrong, bug, good = engine.run(setup(tmp_path), units)
    assert (good.value, good.failure) == (6.0, None)
    assert wrong.failure.kind == "BadInput"
    assert wrong.failure.text.splitlines() == [
        "a number of -1", "expected: a number above 0", "to fix it: give another",
    ]  # fmt: skip
    assert bug.failure.kind == "ZeroDivisionError"
    assert "Traceback" in bug.failure.text
    assert "return factor / 0" in bug.failure.text
    with pytest.raises(WorkFailed, match="2 of 3 units failed") as failed:
        refuse_failures([wrong, bug, good], "units")
    for words in ("wrong:\n  a number of -1", "bug:", "ZeroDivisionError"):
        assert words in failed.value.got


@both
def test_what_is_kept_is_not_done_again(engine, tmp_path):
    (tmp_path / "notes").mkdir()
    kept = Partial.beside(tmp_path / "run", {})
    units = scales(tmp_path / "notes", 3)
    first = list(engine.run(setup(tmp_path), units[:2], kept=kept))
    every = list(engine.run(setup(tmp_path), units, kept=kept))
    assert sorted(notes(tmp_path / "notes")) == ["do 0", "do 1", "do 2"]
    for one, again in zip(first, every, strict=False):
        np.testing.assert_array_equal(one.value["x"], again.value["x"])
    list(engine.run(Setup(work_units.fail_to_load), units, kept=kept))  # nothing to do, nothing to load


def test_results_are_kept_as_they_arrive(tmp_path):
    """Not only when it is their turn: a kill loses none that is there."""
    kept, order = InMemory(), []
    put = kept.put
    kept.put = lambda name, arrays: (order.append(name), put(name, arrays))
    last = partial(work_units.scale_last, number=9, folder=tmp_path, others=2)
    units = [Unit("slow", last), *scales(tmp_path, 2)]
    list(WorkerProcesses(2).run(setup(tmp_path), units, kept=kept))
    assert order == ["unit-0", "unit-1", "slow"]


@both
def test_a_setup_that_fails_ends_it(engine):
    with pytest.raises(BadInput, match="no such model") as error:
        list(engine.run(Setup(work_units.fail_to_load), values([1, 2])))
    assert error.value.mend == "check the name"


def test_a_setup_that_crashes_shows_its_traceback():
    with pytest.raises(WorkFailed, match="the weights are upside down"):
        list(WorkerProcesses(1).run(Setup(work_units.crash_on_load), values([1])))


def test_workers_that_die_while_they_load_are_not_started_for_ever(caplog):
    with pytest.raises(WorkFailed, match="no worker process could load"):
        list(WorkerProcesses(2).run(Setup(work_units.die_on_load), values([1, 2])))
    assert "was killed (SIGKILL) while it was loading" in caplog.text


def test_the_unit_of_a_killed_worker_is_tried_once_more(tmp_path, caplog):
    units = [Unit("killed", partial(work_units.killed, folder=tmp_path, times=1)), *values([1, 2, 3])]
    found = list(WorkerProcesses(2).run(setup(tmp_path), units))
    assert [one.value for one in found] == [2.0, 2.0, 4.0, 6.0]
    assert "killed: its worker process was killed (SIGKILL); it is tried once more" in caplog.text


def test_a_unit_that_kills_every_worker_has_failed(tmp_path):
    units = [Unit("killed", partial(work_units.killed, folder=tmp_path, times=9)), *values([1, 2, 3])]
    found = list(WorkerProcesses(1).run(setup(tmp_path), units))
    assert found[0].failure.kind == "killed"
    assert "was killed (SIGKILL), 2 times" in found[0].failure.text
    assert [one.value for one in found[1:]] == [2.0, 4.0, 6.0]
    assert notes(tmp_path).count("try") == 2


def test_what_cannot_go_to_another_process_is_refused(tmp_path):
    with pytest.raises(BadInput, match="local cannot go to a worker process"):
        list(WorkerProcesses(2).run(setup(tmp_path), [Unit("local", lambda factor: factor)]))
    (found,) = WorkerProcesses(1).run(setup(tmp_path), [Unit("back", work_units.unpicklable)])
    assert found.name == "back"
    assert "pickle" in found.failure.text


@both
def test_two_units_of_one_name_are_refused(engine):
    with pytest.raises(BadInput, match="more than one unit is called unit-1"):
        list(engine.run(NOTHING_SHARED, values([1, 1])))


def test_messages_of_workers_reach_the_log(tmp_path, caplog):
    with caplog.at_level(logging.WARNING, "circuitscope"):
        list(WorkerProcesses(1).run(setup(tmp_path), [Unit("one", work_units.warn)]))
    assert "beware of 2.0" in caplog.messages


@both
def test_progress_of_units_and_inside_them(engine, tmp_path):
    told = []
    units = [Unit("first", work_units.steps), Unit("second", work_units.steps)]
    list(engine.run(setup(tmp_path), units, progress=lambda *step: told.append(step), what="walks"))
    assert [step for step in told if step[2] == "walks"] == [(n, 2, "walks") for n in range(3)]
    for name in ("first", "second"):
        inside = [step for step in told if step[2] == f"{name}: steps"]
        assert inside[-1][:2] == (3, 3)


def test_workers_share_the_cores(tmp_path, monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    (found,) = WorkerProcesses(1).run(setup(tmp_path), [Unit("threads", work_units.threads)])
    assert found.value == str(cores())
    found = list(WorkerProcesses(2).run(setup(tmp_path), [Unit(n, work_units.threads) for n in "ab"]))
    assert {one.value for one in found} == {str(max(1, cores() // 2))}


def test_the_number_of_workers_chooses_the_engine():
    assert isinstance(engine_for(1), InProcess)
    assert engine_for(3) == WorkerProcesses(3)
    assert all(isinstance(engine, Engine) for engine in ENGINES.values())
    with pytest.raises(BadInput, match="workers = 0"):
        engine_for(0)


# -- being stopped -----------------------------------------------------------------------------------------


def wait_for_draft(folder: Path) -> None:
    deadline = time.monotonic() + 60
    while not list(folder.glob(".run.*.tmp/half")):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_an_interrupt_stops_the_workers_and_leaves_nothing_half_written(tmp_path):
    out = tmp_path / "runs" / "run"
    out.parent.mkdir()
    units = [Unit("slow", partial(work_units.write_slowly, out=out))]

    def interrupt():
        wait_for_draft(out.parent)
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    earlier = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it
    thread.start()
    started = time.monotonic()
    try:
        with pytest.raises(KeyboardInterrupt):
            list(WorkerProcesses(1).run(setup(tmp_path), units))
    finally:
        signal.signal(signal.SIGINT, earlier)
    thread.join()
    assert list(out.parent.iterdir()) == []
    assert time.monotonic() - started < 50


ALONE = """
from functools import partial
from pathlib import Path
import work_units
from circuitscope.work import Unit, WorkerProcesses
units = [Unit("slow", partial(work_units.write_slowly, out=Path({out!r})))]
list(WorkerProcesses(1).run(work_units.setup(Path({folder!r})), units))
"""


def test_workers_stop_when_their_engine_is_killed(tmp_path):
    out = tmp_path / "runs" / "run"
    out.parent.mkdir()
    code = ALONE.format(out=str(out), folder=str(tmp_path))
    here = str(Path(__file__).parent)
    path = os.pathsep.join([here, os.environ.get("PYTHONPATH", "")])
    process = subprocess.Popen([sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": path})
    wait_for_draft(out.parent)
    process.kill()
    process.wait()
    deadline = time.monotonic() + 30
    while list(out.parent.iterdir()):
        assert time.monotonic() < deadline, "the worker went on"
        time.sleep(0.02)
