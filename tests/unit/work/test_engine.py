"""Engines: the same units in this process and in worker processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from functools import partial
from pathlib import Path

import pytest
import work_units
from engine_rules import EngineWithWorkers, EveryEngine, loads, values
from work_units import setup, wait_until

from circuitscope.errors import BadInput
from circuitscope.work import Engine, InProcess, Unit, WorkerProcesses, engine_for
from circuitscope.work.processes import cores


class TestInProcess(EveryEngine):
    @pytest.fixture
    def engine(self):
        return InProcess()


class TestWorkerProcesses(EngineWithWorkers):
    @pytest.fixture
    def engine(self):
        return WorkerProcesses(2)


def test_this_process_loads_once(tmp_path):
    list(InProcess().run(setup(tmp_path), values(range(5))))
    assert loads(tmp_path) == {f"load {os.getpid()}"}


def test_a_value_that_cannot_come_back_is_a_failure(tmp_path):
    (found,) = WorkerProcesses(1).run(setup(tmp_path), [Unit("back", work_units.unpicklable)])
    assert found.name == "back"
    assert "pickle" in found.failure.text


def test_workers_share_the_cores(tmp_path, monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    (found,) = WorkerProcesses(1).run(setup(tmp_path), [Unit("threads", work_units.threads)])
    assert found.value == str(cores())
    found = list(WorkerProcesses(2).run(setup(tmp_path), [Unit(n, work_units.threads) for n in "ab"]))
    assert {one.value for one in found} == {str(max(1, cores() // 2))}


def test_the_number_of_workers_chooses_the_engine():
    assert isinstance(engine_for(1), InProcess)
    assert engine_for(3) == WorkerProcesses(3)
    assert all(isinstance(engine_for(number), Engine) for number in (1, 3))
    with pytest.raises(BadInput, match="workers=0"):
        engine_for(0)
    with pytest.raises(BadInput, match="engine='dask'") as error:
        engine_for(2, "dask")
    assert error.value.expected == "process or ray"
    with pytest.raises(BadInput, match="address='auto' with engine='process'"):
        engine_for(2, address="auto")


def test_without_ray_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(BadInput, match="needs the package ray, which is not installed") as error:
        engine_for(2, "ray")
    assert error.value.mend == "pip install 'circuitscope[ray]'"


# -- being stopped -----------------------------------------------------------------------------------------


def wait_for_draft(folder: Path) -> None:
    wait_until(lambda: any(folder.glob(".run.*.tmp/half")))


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
