"""Ray workers: on a cluster of two machines, both of which are this one, and on one that is started for the work."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import work_units
from engine_rules import EngineWithWorkers
from work_units import notes, scales, setup, wait_until

from circuitscope.work import Engine, InProcess, Partial, RayWorkers, Unit, engine_for
from circuitscope.work.ray_engine import share

ray = pytest.importorskip("ray", reason="ray is not installed here: pip install 'circuitscope[ray]'")

PATH = os.pathsep.join([str(Path(__file__).parent), *filter(None, [os.environ.get("PYTHONPATH")])])
SMALL = {"num_cpus": 1, "object_store_memory": 80 * 2**20}


@pytest.fixture(scope="module")
def cluster() -> Iterator[object]:
    """Two machines with room for one worker each; no program is connected."""
    from ray.cluster_utils import Cluster

    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patched.setenv("PYTHONPATH", PATH)  # of every machine
        made = Cluster(initialize_head=True, head_node_args={**SMALL, "include_dashboard": False})
        made.add_node(**SMALL)
        made.wait_for_nodes()
        yield made
        ray.shutdown()
        made.shutdown()


@pytest.fixture(scope="module")
def connected(cluster) -> Iterator[object]:
    """The cluster; this program is connected to it, as one may be that uses Ray for other things too."""
    ray.init(address=cluster.address, log_to_driver=False, configure_logging=False)
    yield cluster
    ray.shutdown()


class TestRayWorkers(EngineWithWorkers):
    @pytest.fixture
    def engine(self, connected):
        return RayWorkers(2, connected.address)


def test_settings_choose_it():
    chosen = engine_for(2, "ray", "somewhere:6379")
    assert isinstance(chosen, Engine)
    assert chosen == RayWorkers(2, "somewhere:6379")
    assert engine_for(1, "ray") == RayWorkers(1, None)


# -- machines and drivers that are lost --------------------------------------------------------------------


def test_a_machine_that_is_removed_loses_nothing(connected, tmp_path):
    """Its unit goes to another machine, and what was done before is not done again."""
    kept = Partial.beside(tmp_path / "run", {})
    lost = connected.add_node(**SMALL)
    connected.wait_for_nodes()
    held = [Unit(f"held-{n}", partial(work_units.hold, number=10 + n, folder=tmp_path)) for n in range(3)]
    begun = []

    def remove():
        wait_until(lambda: len(places(tmp_path)) == 3)  # a unit on each machine; none ends before it may
        begun.extend(one for one in places(tmp_path) if one.machine == lost.node_id)
        connected.remove_node(lost, allow_graceful=False)
        wait_until(lambda: gone(begun[0].process))
        work_units.note(tmp_path, "go on")

    removing = threading.Thread(target=remove)
    removing.start()
    found = list(RayWorkers(3).run(setup(tmp_path), [*scales(tmp_path, 4), *held], kept=kept))
    removing.join()
    assert all(one.failure is None for one in found)
    done = sorted(line for line in notes(tmp_path) if line.startswith("do "))
    assert done == sorted(f"do {number}" for number in (0, 1, 2, 3, 10, 11, 12))
    assert sorted(one.unit for one in places(tmp_path)) == sorted(["10", "11", "12", begun[0].unit])
    ours = work_units.scale(2.0, number=11, folder=tmp_path)
    np.testing.assert_array_equal(found[5].value["x"], ours["x"])


class Place(NamedTuple):
    """Where a unit has begun and waits."""

    machine: str
    unit: str
    process: int


def places(folder: Path) -> list[Place]:
    begun = [line.split()[1:] for line in notes(folder) if line.startswith("on ")]
    return [Place(machine, unit, int(process)) for machine, unit, process in begun]


def gone(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return True
    return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] == "Z"


UNITS = """
import work_units
from functools import partial
from pathlib import Path
from circuitscope.work import Partial, RayWorkers, Unit
folder = Path({folder!r})
units = work_units.scales(folder, 4)
held = [Unit(f"held-{{n}}", partial(work_units.hold, number=10 + n, folder=folder)) for n in range(2)]
kept = Partial.beside(folder / "run", {{}})
found = list(RayWorkers(2, {address!r}).run(work_units.setup(folder), [*units, *held], kept=kept))
assert all(one.failure is None for one in found), found
"""
JOBS = """
import work_units
from pathlib import Path
from circuitscope.work import RayWorkers
folder = Path({folder!r})
found = work_units.jobs_of(folder, 6, held=4).run(work_units.setup(folder), RayWorkers(2, {address!r}))
assert all(one.failure is None for one in found), found
"""


def driver(code: str, folder: Path, address: str | None) -> subprocess.Popen[bytes]:
    filled = code.format(folder=str(folder), address=address)
    return subprocess.Popen([sys.executable, "-c", filled], env={**os.environ, "PYTHONPATH": PATH})


def kill(process: subprocess.Popen[bytes], folder: Path) -> None:
    """Kill a driver, and wait for its workers, which end with it."""
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    workers = [int(line.split()[1]) for line in notes(folder) if line.startswith("load")]
    wait_until(lambda: all(map(gone, workers)))


def test_a_driver_that_was_killed_and_is_started_again_does_nothing_twice(cluster, tmp_path):
    first = driver(UNITS, tmp_path, cluster.address)
    kept = tmp_path / ".run.partial"
    wait_until(lambda: len(places(tmp_path)) == 2 and len(list(kept.glob("unit-*.safetensors"))) == 4)
    kill(first, tmp_path)
    work_units.note(tmp_path, "go on")
    assert driver(UNITS, tmp_path, cluster.address).wait(timeout=100) == 0
    done = [line for line in notes(tmp_path) if line.startswith("do ")]
    assert sorted(done) == sorted(f"do {number}" for number in (0, 1, 2, 3, 10, 11))


def test_jobs_of_a_driver_that_was_killed_with_its_cluster_go_on_in_this_process(tmp_path):
    first = driver(JOBS, tmp_path, None)
    wait_until(lambda: sum(line.startswith("begin ") for line in notes(tmp_path)) == 6)
    kill(first, tmp_path)
    work_units.note(tmp_path, "go on")
    found = work_units.jobs_of(tmp_path, 6, held=4).run(setup(tmp_path), InProcess())
    assert all(one.failure is None for one in found)
    made = sorted(line for line in notes(tmp_path) if line.startswith("made "))
    assert made == [f"made {number}" for number in range(6)]
    assert [notes(tmp_path).count(f"begin {number}") for number in range(4)] == [1] * 4
    left = [path.name for path in work_units.job_folder(tmp_path).iterdir() if path.name.endswith(".tmp")]
    assert left == [], "what the killed ones were writing is cleared up"


def test_jobs_that_are_interrupted_leave_nothing_half_written(connected, tmp_path):
    jobs = work_units.jobs_of(tmp_path, 2, held=0)

    def interrupt():
        wait_until(lambda: sum(line.startswith("begin ") for line in notes(tmp_path)) == 2)
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    earlier = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it
    thread.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            jobs.run(setup(tmp_path), RayWorkers(2))
    finally:
        signal.signal(signal.SIGINT, earlier)
    thread.join()
    assert not any(one.owner for one in jobs.states().values())
    left = [path for path in work_units.job_folder(tmp_path).rglob("*") if ".claims" not in path.parts]
    assert left == []


# -- connections -------------------------------------------------------------------------------------------


def test_relative_paths_lead_to_the_same_as_here(connected, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (found,) = RayWorkers(1).run(setup(tmp_path), [Unit("where", work_units.where)])
    assert found.value == str(tmp_path)


def test_what_a_cluster_lacks_is_said(connected, tmp_path, monkeypatch, caplog):
    monkeypatch.setattr("circuitscope.work.ray_engine.PATIENCE", 0.01)  # no worker loads in that time
    monkeypatch.setattr("circuitscope.work.ray_engine.os.getcwd", lambda: "/nowhere")
    list(RayWorkers(1).run(setup(tmp_path), [Unit("where", work_units.where)]))
    assert re.search(r"no Ray worker has loaded yet; the cluster has \{.*'CPU'", caplog.text)
    assert re.search(r"there is no folder /nowhere on \S+; relative paths lead elsewhere", caplog.text)


def test_an_address_where_no_cluster_is():
    """In a process that is not connected."""
    code = (
        "from circuitscope.work import NOTHING_SHARED, RayWorkers, Unit\n"
        "list(RayWorkers(1, 'nowhere').run(NOTHING_SHARED, [Unit('one', print)]))"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "WorkFailed: no connection to a Ray cluster at nowhere: " in said.stderr
    assert "to fix it: start one with ray start --head" in said.stderr


# -- who gets what -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("nodes", "workers", "expected"),
    [
        ([{"CPU": 2}], 2, {"num_cpus": 1}),
        ([{"CPU": 8}, {"CPU": 8}], 4, {"num_cpus": 4}),
        ([{"CPU": 8}, {"CPU": 4}], 2, {"num_cpus": 4}),
        ([{"CPU": 8}, {"CPU": 4}], 3, {"num_cpus": 4}),
        ([{"CPU": 2}], 5, {"num_cpus": 1}),
        ([{}], 1, {"num_cpus": 1}),
        ([{"CPU": 64, "GPU": 8}], 8, {"num_cpus": 8, "num_gpus": 1.0}),
        ([{"CPU": 64, "GPU": 8}, {"CPU": 64}], 16, {"num_cpus": 4, "num_gpus": 0.5}),
        ([{"CPU": 64, "GPU": 8}], 2, {"num_cpus": 32, "num_gpus": 1.0}),
        ([{"CPU": 64, "GPU": 8}], 10, {"num_cpus": 6, "num_gpus": 0.5}),
    ],
)
def test_every_worker_has_an_equal_share(nodes, workers, expected):
    assert share(nodes, workers) == expected
