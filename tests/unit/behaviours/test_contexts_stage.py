"""The contexts of a run: written whole, resumed after a stop with identical files, and read back as they were."""

from __future__ import annotations

import errno
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_contexts import random_contexts
from test_find_contexts import documents
from tiny_world import World

import circuitscope as cs
from circuitscope.behaviours.contexts import Contexts, search_portions, write_contexts
from circuitscope.config import BehavioursContextsConfig
from circuitscope.errors import BadFile, BadInput, NothingFound, OutOfSpace
from circuitscope.pipeline.behaviours import open_behaviours, run_behaviours_contexts
from circuitscope.runs import CONTEXTS


def config(world: World, text: Path, **changed: Any) -> BehavioursContextsConfig:
    usual = {"context": 32, "loss": 3.5, "per_document": 2, "contexts": 0, "device": "cpu", "every": 2}
    places = {"model": str(world.model), "dictionaries": str(world.dictionaries), "text": (str(text),)}
    return BehavioursContextsConfig(**(places | usual | changed))


@pytest.fixture
def text(tmp_path: Path) -> Path:
    path = tmp_path / "text.txt"
    path.write_text("<|endoftext|>".join(documents(800, 12)))
    return path


@pytest.fixture
def searched(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The portions that are searched, in order; none that was kept."""
    found: list[str] = []
    real = search_portions._search_portion

    def note(portion: Any, passed: int, with_: Any) -> Any:
        found.append(portion.name)
        return real(portion, passed, with_)

    monkeypatch.setattr(search_portions, "_search_portion", note)
    return found


def test_a_run_has_what_python_finds(world: World, text: Path, tmp_path: Path):
    asked = config(world, text)
    found, counts = run_behaviours_contexts(tmp_path / "run", asked)
    model = cs.load_model(str(world.model), device="cpu")
    same = cs.behaviours.find_contexts(
        model, text, context=32, loss=3.5, per_document=2, contexts=0, every=2, progress=False
    )
    assert found.fingerprint == same.fingerprint
    assert counts.kept == len(found) > 100
    again = Contexts.read(tmp_path / "run")
    assert again.fingerprint == found.fingerprint
    assert Contexts.read(tmp_path / "run" / "contexts").fingerprint == found.fingerprint
    assert not list((tmp_path / "run").glob(".*"))
    manifest = json.loads(CONTEXTS.path(tmp_path / "run").with_name("manifest.json").read_text())
    assert manifest["counts"]["kept"] == manifest["contexts"] == len(found)


def test_no_more_than_asked_for(world: World, text: Path, tmp_path: Path):
    found, _ = run_behaviours_contexts(tmp_path / "run", config(world, text, contexts=37))
    every, _ = run_behaviours_contexts(tmp_path / "all", config(world, text))
    assert found.fingerprint == every.subset(range(37)).fingerprint


def test_a_stopped_search_goes_on_with_identical_results(
    world: World, text: Path, tmp_path: Path, searched: list[str], monkeypatch: pytest.MonkeyPatch
):
    asked = config(world, text)
    whole, _ = run_behaviours_contexts(tmp_path / "whole", asked)
    names = list(searched)
    assert len(names) == 4
    stopping = search_portions._search_portion

    def stop(portion: Any, passed: int, with_: Any) -> Any:
        if portion.name == names[2]:
            raise KeyboardInterrupt
        return stopping(portion, passed, with_)

    with monkeypatch.context() as patched:
        patched.setattr(search_portions, "_search_portion", stop)
        with pytest.raises(KeyboardInterrupt):
            run_behaviours_contexts(tmp_path / "run", asked)
    assert not CONTEXTS.in_(tmp_path / "run").exists()
    assert cs.status(tmp_path / "run")["contexts"].state == "unfinished"
    searched.clear()
    found, _ = run_behaviours_contexts(tmp_path / "run", asked)
    assert searched == names[2:]
    files = [CONTEXTS.path(tmp_path / name).read_bytes() for name in ("run", "whole")]
    assert files[0] == files[1]
    assert found.fingerprint == whole.fingerprint


def test_a_text_that_changed_after_a_stop_is_searched_again_from_there(
    world: World, text: Path, tmp_path: Path, searched: list[str], monkeypatch: pytest.MonkeyPatch
):
    asked = config(world, text)
    with monkeypatch.context() as patched:
        patched.setattr("circuitscope.pipeline.behaviours.contexts.refuse_nothing", stopped)
        with pytest.raises(KeyboardInterrupt):
            run_behaviours_contexts(tmp_path / "run", asked)
    changed = text.read_text().split("<|endoftext|>")
    changed[300] = "The cat is old The cat is near the king"
    text.write_text("<|endoftext|>".join(changed))
    searched.clear()
    found, _ = run_behaviours_contexts(tmp_path / "run", asked)
    assert [name.split("-")[1] for name in searched] == ["000001", "000002", "000003"]
    fresh, _ = run_behaviours_contexts(tmp_path / "fresh", asked)
    assert found.fingerprint == fresh.fingerprint


def stopped(*_: object) -> None:
    raise KeyboardInterrupt


def test_nothing_found_leaves_no_contexts(world: World, text: Path, tmp_path: Path):
    with pytest.raises(NothingFound, match="none of the 8,800 tokens"):
        run_behaviours_contexts(tmp_path / "run", config(world, text, loss=1e-9))
    assert not CONTEXTS.in_(tmp_path / "run").exists()


def test_a_full_disk(world: World, text: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("circuitscope.pipeline.behaviours.contexts.write_contexts", full)
    with pytest.raises(OutOfSpace, match="the disk is full"):
        run_behaviours_contexts(tmp_path / "run", config(world, text))
    assert [path.name for path in (tmp_path / "run").iterdir() if path.name[0] != "."] == ["manifest.json"]
    monkeypatch.undo()
    run_behaviours_contexts(tmp_path / "run", config(world, text))


def test_a_run_about_something_else(world: World, text: Path, tmp_path: Path):
    run_behaviours_contexts(tmp_path / "run", config(world, text))
    with pytest.raises(BadInput, match="already exists"):
        run_behaviours_contexts(tmp_path / "run", config(world, text))
    other = tmp_path / "other.txt"
    shutil.copy(text, other)
    run_behaviours_contexts(tmp_path / "run", config(world, other, contexts=5), overwrite=True)
    assert len(Contexts.read(tmp_path / "run")) == 5


def test_a_wrong_path_to_the_text_is_found_before_anything_is_loaded(world: World, tmp_path: Path):
    asked = config(world, tmp_path / "no.txt", model=str(tmp_path / "no model"))
    with pytest.raises(BadInput, match=r"there is no text at '.*no\.txt'"):
        run_behaviours_contexts(tmp_path / "run", asked)
    assert not (tmp_path / "run").exists()


def test_dictionaries_that_changed_since(world: World, text: Path, tmp_path: Path):
    moved = tmp_path / "dictionaries"
    shutil.copytree(world.dictionaries, moved)
    run_behaviours_contexts(tmp_path / "run", config(world, text, dictionaries=str(moved)))
    open_behaviours(tmp_path / "run", device="cpu")
    loaded = cs.load_dictionaries(moved, cs.load_model(str(world.model), device="cpu"))
    shutil.rmtree(moved)
    cs.write_dictionaries(loaded.only(list(loaded)[:3]), moved)
    with pytest.raises(BadInput, match=r"the dictionaries in .* changed after"):
        open_behaviours(tmp_path / "run", device="cpu")


def test_a_damaged_file_of_contexts(world: World, text: Path, tmp_path: Path):
    run_behaviours_contexts(tmp_path / "run", config(world, text))
    path = CONTEXTS.path(tmp_path / "run")
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(BadFile, match="is missing or was changed"):
        Contexts.read(tmp_path / "run")
    with pytest.raises(BadFile, match="there is no folder"):
        Contexts.read(tmp_path / "nothing")


def test_parts_are_written_one_at_a_time_and_numbered_through(tmp_path: Path):
    def part(count: int) -> dict[str, np.ndarray]:
        rows = np.arange(count)
        return {"documents": rows, "positions": rows.astype(np.int32), "answers": rows.astype(np.int32),
                "losses": rows.astype(np.float32), "lengths": np.full(count, 2, np.int32),
                "ids": np.arange(2 * count, dtype=np.int32)}  # fmt: skip

    asked = iter([3, 0, 4, 5])
    written = write_contexts(tmp_path / "c.parquet", (part(count) for count in asked), has_bos=True, most=6)
    assert written == 6
    import pyarrow.parquet

    table = pyarrow.parquet.read_table(tmp_path / "c.parquet")
    assert table["context_id"].to_pylist() == [0, 1, 2, 3, 4, 5]
    assert table["document"].to_pylist() == [0, 1, 2, 0, 1, 2]
    assert table["tokens"].to_pylist()[3:] == [[0, 1], [2, 3], [4, 5]]


def test_saved_contexts_open_without_torch(world: World, text: Path, tmp_path: Path):
    run_behaviours_contexts(tmp_path / "run", config(world, text))
    code = (
        "import sys; sys.modules['torch'] = sys.modules['transformers'] = None\n"
        "from circuitscope.behaviours.contexts import Contexts\n"
        f"print(len(Contexts.read({str(tmp_path / 'run')!r}).subset([1, 2])))"
    )
    said = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=60
    )
    assert said.stdout.strip() == "2"


def test_contexts_of_python_are_saved_and_read(tmp_path: Path):
    contexts = random_contexts((5, 3, 8, 4), vocab=30).subset([40, 10, 30])
    contexts.write(tmp_path / "some")
    again = Contexts.read(tmp_path / "some")
    assert again.context_ids.tolist() == [10, 30, 40]
    assert [again.tokens(row) for row in range(3)] == [contexts.tokens(row) for row in range(3)]
    assert again.has_bos
    assert again.fingerprint == contexts.fingerprint
    with pytest.raises(BadInput, match="already exists"):
        contexts.write(tmp_path / "some")
    contexts.first(0).write(tmp_path / "some", overwrite=True)
    assert len(Contexts.read(tmp_path / "some")) == 0
