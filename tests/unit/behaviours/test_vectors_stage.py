"""The vectors of a run: a folder per name, out of date when its contexts are found again."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from test_contexts_stage import config, text
from tiny_world import World

import circuitscope as cs
from circuitscope.behaviours import Contexts, Vectors
from circuitscope.behaviours.vectors import make
from circuitscope.config import BehavioursVectorsConfig
from circuitscope.errors import BadInput
from circuitscope.pipeline.behaviours import run_behaviours_contexts, run_behaviours_vectors

__all__ = ["text"]


@pytest.fixture
def run(world: World, text: Path, tmp_path: Path) -> Path:
    run_behaviours_contexts(tmp_path / "run", config(world, text, contexts=40))
    return tmp_path / "run"


def asked(**changed: object) -> BehavioursVectorsConfig:
    return BehavioursVectorsConfig(**({"device": "cpu", "dim": 64} | changed))


def test_each_kind_has_a_folder_of_its_own(run: Path):
    names = ["effects-sum", "activations-last-2", "gradients", "mine"]
    made = [
        run_behaviours_vectors(run, asked()),
        run_behaviours_vectors(run, asked(kind="activations", positions="last", last=2)),
        run_behaviours_vectors(run, asked(kind="gradients")),
        run_behaviours_vectors(run, asked(kind="dense", name="mine")),
    ]
    assert sorted(path.name for path in (run / "vectors").iterdir()) == sorted(names)
    for name, vectors in zip(names, made, strict=True):
        again = Vectors.read(run / "vectors" / name)
        assert again.shape == vectors.shape
        assert len(again) == 40
        assert again.made_from["contexts_hash"] == Contexts.read(run).fingerprint
        assert cs.status(run)[f"vectors/{name}"].state == "done"


def test_the_run_has_what_python_makes(run: Path, world: World, tmp_path: Path):
    model = cs.load_model(str(world.model), device="cpu")
    dictionaries = cs.load_dictionaries(world.dictionaries, model)
    here = cs.behaviours.make_vectors(
        model, dictionaries, Contexts.read(run), tmp_path / "python", kind="effects", progress=False
    )
    there = run_behaviours_vectors(run, asked())
    assert np.array_equal(here.rows().toarray(), there.rows().toarray())
    assert here.made_from == there.made_from


def test_vectors_are_out_of_date_when_contexts_are_found_again(run: Path, world: World, text: Path):
    run_behaviours_vectors(run, asked())
    run_behaviours_contexts(run, config(world, text, contexts=20), overwrite=True)
    stage = cs.status(run)["vectors/effects-sum"]
    assert (stage.state, stage.changed) == ("out of date", "contexts")
    assert cs.status(run).next == f"circuitscope behaviours vectors {run} --name effects-sum --overwrite"
    with pytest.raises(BadInput, match="already exists"):
        run_behaviours_vectors(run, asked())
    assert len(run_behaviours_vectors(run, asked(), overwrite=True)) == 20
    assert cs.status(run)["vectors/effects-sum"].state == "done"


def test_a_stopped_step_is_seen_and_goes_on(run: Path, monkeypatch: pytest.MonkeyPatch):
    whole = run_behaviours_vectors(run, asked(name="whole"))
    monkeypatch.setattr(make, "CHUNK", 16)
    real = make._chunk

    def stop(job: make.VectorJob, rows: range) -> object:
        if rows.start == 32:
            raise KeyboardInterrupt
        return real(job, rows)

    with monkeypatch.context() as patched:
        patched.setattr(make, "_chunk", stop)
        with pytest.raises(KeyboardInterrupt):
            run_behaviours_vectors(run, asked())
    assert cs.status(run)["vectors/effects-sum"].state == "unfinished"
    assert cs.status(run).next == f"circuitscope behaviours vectors {run} --name effects-sum"
    found = run_behaviours_vectors(run, asked())
    assert np.allclose(found.rows().toarray(), whole.rows().toarray(), atol=1e-6)
    assert cs.status(run)["vectors/effects-sum"].state == "done"


def test_what_is_missing_is_said(run: Path, tmp_path: Path):
    with pytest.raises(BadInput, match="is not a folder of behaviours"):
        run_behaviours_vectors(tmp_path / "nothing", asked())
    shutil.rmtree(run / "contexts")
    with pytest.raises(BadInput, match="has no contexts yet"):
        run_behaviours_vectors(run, asked())


def test_dictionaries_that_changed_since(world: World, text: Path, tmp_path: Path):
    moved = tmp_path / "dictionaries"
    shutil.copytree(world.dictionaries, moved)
    run_behaviours_contexts(tmp_path / "run", config(world, text, dictionaries=str(moved), contexts=5))
    loaded = cs.load_dictionaries(moved, cs.load_model(str(world.model), device="cpu"))
    shutil.rmtree(moved)
    cs.write_dictionaries(loaded.only(list(loaded)[:3]), moved)
    with pytest.raises(BadInput, match=r"the dictionaries in .* changed after"):
        run_behaviours_vectors(tmp_path / "run", asked())


@pytest.mark.parametrize("name", ["../out", ".hidden", "a/b", "-x"])
def test_names_that_are_no_names(name: str):
    with pytest.raises(BadInput, match="letters, digits"):
        asked(name=name)
