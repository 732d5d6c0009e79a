"""The command writes figures that its tables can be made from."""

from __future__ import annotations

import json

from benchmarks.recovery import __main__ as command
from benchmarks.recovery import language, planted
from benchmarks.recovery.tables import tables


def test_figures_become_tables(tmp_path, monkeypatch):
    monkeypatch.setattr(planted, "SHAPES", {"small": ((2, False),)})
    monkeypatch.setattr(planted, "KINDS", ("true",))
    monkeypatch.setattr(planted, "METHODS", ("exact",))
    monkeypatch.setattr(planted, "TEXTS", {"small": 2})
    monkeypatch.setattr(language, "DOCUMENTS", {"small": 15})
    monkeypatch.setattr(language, "PAIRS", {"small": 4})
    monkeypatch.setattr(language, "EXAMPLES", 4)
    monkeypatch.setattr(language, "COUNTS", (1, 5))
    monkeypatch.setattr(language, "behaviours", lambda model, every=language.behaviours: [every(model)[4]])
    file = tmp_path / "figures.json"
    command.main(["--json", str(file)])
    figures = json.loads(file.read_text())
    assert figures["preset"] == "small"
    assert {row["method"] for row in figures["planted"]} == {"exact"}
    text = tables(figures)
    assert text.count("### ") == 7
    assert "| true | exact |" in text
    assert "| pronoun | female or male |" in text
    only = tables({"planted": figures["planted"]})
    assert only.count("### ") == 4
