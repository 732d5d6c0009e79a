"""Run folders of schema version 1 are read, and what they do not hold is refused by name."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

import circuitscope as cs
from circuitscope.errors import BadInput
from circuitscope.pages.page import read_report
from circuitscope.results import FILES, CannotBeSaid, groups_of, read_sweep
from circuitscope.sources import reopen

OLD = Path(__file__).with_name("old_run")


@pytest.fixture
def old(tmp_path, world) -> Path:
    """A run that version 0.1.0 wrote, with its paths pointing into the tests' own world."""
    run = tmp_path / "run"
    shutil.copytree(OLD, run)
    manifest = (run / "manifest.json").read_text().replace("WORLD", str(world.model.parent))
    (run / "manifest.json").write_text(manifest)
    return run


def test_it_opens_with_its_recipe(old, world):
    circuit = cs.load(old)
    recipe, settings = circuit.made_by, circuit.made_by.settings
    assert (len(circuit), recipe.task.kind, recipe.task.place) == (8, FILES, str(world.task))
    assert (settings.nodes, settings.batch_size, settings.memory, settings.bos) == (8, 8, "2GiB", "yes")
    assert circuit.info == json.loads((old / "manifest.json").read_text())["info"]
    first = circuit.evaluation.scores[0]
    assert (first.faithfulness.value, first.means.model) == (None, pytest.approx(-0.364, abs=1e-3))
    assert isinstance(circuit.evaluation.strict.random, CannotBeSaid)
    assert circuit.evaluation.strict.stability.figures.halvings == 2
    assert circuit.to_json()["evaluation"] == json.loads((old / "evaluation" / "evaluation.json").read_text())
    assert [curve.name for curve in read_sweep(old / "sweep").curves] == ["features", "random features"]
    assert groups_of(old, circuit) is not None
    assert read_report(old / "report").n_nodes == 8


def test_what_it_was_made_from_is_opened_again(old, world):
    circuit = cs.load(old)
    loaded = reopen(circuit, device="cpu")
    assert tuple(loaded.dictionaries) == circuit.sites
    means = cs.evaluate(circuit, device="cpu", examples=4).scores[0].means
    assert means.model == pytest.approx(circuit.evaluation.scores[0].means.model, abs=1e-6)
    assert means.complement == pytest.approx(circuit.evaluation.scores[0].means.complement, abs=1e-6)


def test_a_classifiers_circuit_without_its_probe_says_what_to_do(old):
    manifest = json.loads((old / "manifest.json").read_text())
    manifest["info"]["metric"] = "classifier-logit"
    (old / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(BadInput, match="earlier version") as error:
        reopen(cs.load(old), device="cpu")
    assert "shift effects" in error.value.mend
