"""circuitscope shift demo: its whole table, and what it does with what already exists."""

from __future__ import annotations

import pytest

from circuitscope.bundled import BUNDLED_VERDICTS
from circuitscope.config import ShiftDemoConfig
from circuitscope.editing.judging import sheet_for
from circuitscope.errors import BadInput
from circuitscope.pipeline.shift import demo as stage
from circuitscope.pipeline.shift import run_shift_demo
from circuitscope.results import load
from circuitscope.runs import read_json, write_json

SMALL = 128


def made(run):
    return {path.parent.name: path.stat().st_mtime_ns for path in run.glob("*/manifest.json")}


def test_the_demonstration_and_what_it_does_with_what_is_there(tmp_path, monkeypatch):
    """One test, since a demonstration takes its time."""
    run = tmp_path / "run"

    def demonstrate(**changed):
        return run_shift_demo(
            ShiftDemoConfig(**{"out": str(run), "limit": SMALL, "device": "cpu", **changed})
        )

    shown = demonstrate()
    names = [row.name for row in shown.comparison.rows if row.section == "as published"]
    assert len(names) == 8
    assert (run / "comparison" / "curves.png").is_file()

    circuit = load(run / "circuit")
    for item in sheet_for(BUNDLED_VERDICTS, circuit, every=True):
        assert item.verdict
        assert len(item.note) > 10
        assert item.contexts
    assert all(not item.who for item in sheet_for(shown.sheet, circuit))  # whoever applies it signs it

    before = made(run)
    demonstrate()
    assert made(run) == before, "what is there is not made again"
    with pytest.raises(BadInput, match=f"--limit {SMALL}"):
        demonstrate(limit=None)

    asked = []
    monkeypatch.setattr(stage, "run_shift_compare", lambda run, config, **_: asked.append(config.seeds))
    demonstrate(seeds=2)
    manifest = run / "comparison" / "manifest.json"
    whole = read_json(manifest)
    write_json(manifest, {**whole, "made_from": {**whole["made_from"], "removed": "another sheet"}})
    demonstrate()
    assert asked == [2, 1], "what no longer fits is made again"
