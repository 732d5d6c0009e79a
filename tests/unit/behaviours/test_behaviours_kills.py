"""A kill in the middle of a step of behaviours: the same command goes on, and leaves the same files."""

from __future__ import annotations

import multiprocessing
import time
from pathlib import Path
from typing import Any

import pytest
from test_contexts_stage import config
from test_find_contexts import documents
from test_vectors_stage import asked
from tiny_world import World

from circuitscope.behaviours.contexts import search_portions
from circuitscope.behaviours.vectors import make
from circuitscope.pipeline.behaviours import run_behaviours_contexts, run_behaviours_vectors
from circuitscope.runs import UNFINISHED, status


def slowly(folder: Path, given: Any, stage: str) -> None:
    """A step that takes a moment for each of its parts; in a process that will be killed."""
    make.CHUNK = 20
    module, name = (search_portions, "_search_portion") if stage == "contexts" else (make, "_chunk")
    real = getattr(module, name)

    def wait(*arguments: Any) -> Any:
        time.sleep(0.2)
        return real(*arguments)

    setattr(module, name, wait)
    (run_behaviours_contexts if stage == "contexts" else run_behaviours_vectors)(folder, given)


def results(folder: Path) -> dict[str, bytes]:
    files = [file for file in folder.rglob("*") if file.is_file() and file.name != "manifest.json"]
    return {str(file.relative_to(folder)): file.read_bytes() for file in files}


@pytest.mark.parametrize("stage", ["contexts", "vectors/effects-sum"])
def test_a_killed_step_goes_on_with_identical_files(
    world: World, tmp_path: Path, stage: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(make, "CHUNK", 20)
    text = tmp_path / "text.txt"
    text.write_text("<|endoftext|>".join(documents(1200, 12)))
    search, vectors = config(world, text, per_document=1, every=8), asked()
    run_behaviours_contexts(tmp_path / "whole", search)
    run_behaviours_vectors(tmp_path / "whole", vectors)
    if stage != "contexts":
        run_behaviours_contexts(tmp_path / "run", search)
    given = search if stage == "contexts" else vectors
    process = multiprocessing.get_context("spawn").Process(
        target=slowly, args=(tmp_path / "run", given, stage)
    )
    process.start()
    place = tmp_path / "run" / stage
    kept, deadline = place.with_name(f".{place.name}.partial"), time.monotonic() + 90
    while not any(kept.glob("portion-*" if stage == "contexts" else "state.json")):
        assert process.is_alive()
        assert time.monotonic() < deadline
        time.sleep(0.005)
    process.kill()
    process.join()
    assert not place.exists()
    assert status(tmp_path / "run")[stage].state == UNFINISHED
    if stage == "contexts":
        run_behaviours_contexts(tmp_path / "run", search)
    else:
        run_behaviours_vectors(tmp_path / "run", vectors)
    assert results(place) == results(tmp_path / "whole" / stage)
    assert not kept.exists()
