"""Setups and units that worker processes can import, without torch. What they note is a line in a file."""

from __future__ import annotations

import logging
import os
import signal
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from circuitscope.errors import BadInput, OutOfSpace
from circuitscope.runs import new_folder, read_arrays
from circuitscope.work import Arrays, FolderJob, FolderJobs, Setup, Unit, shown


def note(folder: Path, line: str) -> None:
    with (folder / "notes.txt").open("a") as file:  # short lines: appended whole by any process
        file.write(line + "\n")


def notes(folder: Path) -> list[str]:
    path = folder / "notes.txt"
    return path.read_text().splitlines() if path.exists() else []


def load(folder: Path, factor: float) -> float:
    note(folder, f"load {os.getpid()}")
    return factor


def setup(folder: Path, factor: float = 2.0) -> Setup[float]:
    return Setup(load, (folder, factor))


def scale(factor: float, *, number: int, folder: Path) -> Arrays:
    """Some arithmetic whose last bits depend on how it is done."""
    note(folder, f"do {number}")
    draw = np.random.default_rng(number)
    return {"x": np.sin(factor * draw.normal(size=50)).cumsum()}


def scales(folder: Path, count: int) -> list[Unit[float, Arrays]]:
    return [Unit(f"unit-{number}", partial(scale, number=number, folder=folder)) for number in range(count)]


def value_of(factor: float, *, number: int) -> float:
    return factor * number


def slow_first(factor: float, *, number: int) -> float:
    """The first unit ends last."""
    time.sleep(0.4 if number == 0 else 0)
    return factor * number


def scale_last(factor: float, *, number: int, folder: Path, others: int) -> Arrays:
    """Waits until the others are done."""
    wait_until(lambda: len([line for line in notes(folder) if line.startswith("do")]) >= others)
    return scale(factor, number=number, folder=folder)


def hold(factor: float, *, number: int, folder: Path) -> Arrays:
    """Notes on which machine of a Ray cluster it is, and waits for a note to go on."""
    import ray

    note(folder, f"on {ray.get_runtime_context().get_node_id()} {number} {os.getpid()}")
    wait_until(lambda: "go on" in notes(folder))
    return scale(factor, number=number, folder=folder)


def wrong_input(factor: float) -> float:
    raise BadInput("a number of -1", expected="a number above 0", mend="give another")


def bug(factor: float) -> float:
    return factor / 0


def unpicklable(factor: float) -> object:
    return lambda: factor


def killed(factor: float, *, folder: Path, times: int) -> float:
    """Killed at its first ``times`` tries."""
    note(folder, "try")
    if len([line for line in notes(folder) if line == "try"]) <= times:
        os.kill(os.getpid(), signal.SIGKILL)
    return factor


def process_number(factor: float) -> Arrays:
    return {"process": np.array(os.getpid())}


def take_along(factor: float, *, folder: Path, other: Path) -> Arrays:
    """At the first try, waits for the result of another worker's ``process_number``, and kills both."""
    note(folder, "try")
    if notes(folder).count("try") == 1:
        wait_until(other.is_file)
        os.kill(int(read_arrays(other)["process"]), signal.SIGKILL)
        os.kill(os.getpid(), signal.SIGKILL)
    return {"x": np.array(factor)}


def wait_until(so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 120
    while not so():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def warn(factor: float) -> float:
    logging.getLogger("circuitscope").warning("beware of %s", factor)
    return factor


def steps(factor: float) -> float:
    """Reports progress as a public function does."""
    with shown() as tell:
        for number in range(3):
            tell(number + 1, 3, "steps")
    return factor


def write_slowly(factor: float, *, out: Path) -> float:
    """Writes a folder for longer than any test waits."""
    with new_folder(out) as draft:
        (draft / "half").write_text("half")
        time.sleep(60)
    return factor


def threads(factor: float) -> str:
    return os.environ["OMP_NUM_THREADS"]


def where(factor: float) -> str:
    return os.getcwd()


def fail_to_load() -> None:
    raise BadInput("no such model", expected="a model", mend="check the name")


def crash_on_load() -> None:
    raise RuntimeError("the weights are upside down")


def die_on_load() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


# -- jobs --------------------------------------------------------------------------------------------------


def job_folder(folder: Path) -> Path:
    return folder / "circuits"


def jobs_of(
    folder: Path, count: int, *, dictionaries: str = "", held: int | None = None
) -> FolderJobs[float]:
    """FolderJobs that note what they do; from number ``held`` on they wait for a note to go on."""
    return FolderJobs(
        job_folder(folder),
        "circuit",
        [
            FolderJob(
                f"job-{number}",
                partial(make_job, number=number, folder=folder, wait=held is not None and number >= held),
                {"cluster": f"c{number}", **({"dictionaries": dictionaries} if dictionaries else {})},
            )
            for number in range(count)
        ],
    )


def make_job(factor: float, draft: Path, *, number: int, folder: Path, wait: bool) -> dict[str, int]:
    note(folder, f"begin {number}")
    (draft / "number").write_text(str(factor * number))
    if (folder / f"broken-{number}").exists():
        raise BadInput(f"job {number} is broken", mend="mend it")
    if wait:
        wait_until(lambda: "go on" in notes(folder))
    note(folder, f"made {number}")
    return {"number": number}


def fatal_job(factor: float, draft: Path, *, folder: Path) -> None:
    note(folder, "fatal")
    (draft / "half").write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)


def disk_full(factor: float, draft: Path) -> None:
    raise OutOfSpace("the disk is full")
