"""A kill in the middle of any step of a SHIFT: the same command goes on, and finds the same numbers."""

from __future__ import annotations

import multiprocessing
import shutil
import signal
import time

import pytest
from shift_world import STEPS, run_slowly, settings, steps, write_data

from circuitscope.runs import MANIFEST, UNFINISHED, status
from circuitscope.tasks.labelled import text_tokens as texts
from circuitscope.work.partial import Partial


@pytest.fixture(scope="module")
def processes():
    """Processes that are there at once: what they import is imported one time."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["circuitscope.pipeline.shift", "transformers.models.gpt_neox"])
    return context


@pytest.fixture(scope="module")
def about(world, tmp_path_factory):
    """What the runs are about."""
    return settings(world, write_data(tmp_path_factory.mktemp("shift") / "data"))


@pytest.fixture(scope="module")
def whole(about, tmp_path_factory):
    """A run that nobody stopped."""
    place = tmp_path_factory.mktemp("whole")
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("CIRCUITSCOPE_HOME", str(place / "home"))
        for step in steps(place / "run", about, place / "sheet.csv").values():
            step()
    return place / "run"


def results(folder):
    """The bytes of what a step found; its manifest has the time too."""
    files = [file for file in folder.rglob("*") if file.is_file() and file.name != MANIFEST]
    return {str(file.relative_to(folder)): file.read_bytes() for file in files}


def finished(kept):
    """The batches that are done; of a batch's effects the gradients are written first."""
    return {file.stem for file in kept.glob("*.safetensors") if not file.stem.startswith("gradients")}


@pytest.mark.parametrize("step", STEPS)
def test_a_killed_step_goes_on_with_identical_results(step, processes, about, whole, tmp_path, monkeypatch):
    monkeypatch.setenv("CIRCUITSCOPE_HOME", str(tmp_path / "home"))
    run, sheet = tmp_path / "run", tmp_path / "sheet.csv"
    run.mkdir()
    for name in STEPS[: STEPS.index(step)]:
        shutil.copytree(whole / name, run / name)
    shutil.copy(whole / MANIFEST, run / MANIFEST)
    process = processes.Process(target=run_slowly, args=(step, run, about, sheet))
    process.start()
    kept, deadline = run / f".{step}.partial", time.monotonic() + 60
    while not finished(kept):
        assert process.is_alive()
        assert time.monotonic() < deadline
        time.sleep(0.005)
    process.kill()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    assert not (run / step).exists()
    before = finished(kept)
    assert status(run)[step].state == UNFINISHED

    put, again = Partial.put, []

    def watched(self, name, arrays):
        again.append(name)
        put(self, name, arrays)

    monkeypatch.setattr(Partial, "put", watched)
    monkeypatch.setattr(texts, "SAVED_AT_ONCE", 1)
    steps(run, about, sheet)[step]()
    assert again, "the kill came before the end"
    assert not before & set(again), "what was finished is not done again"
    assert results(run / step) == results(whole / step)
    assert not kept.exists()
