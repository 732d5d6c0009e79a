"""Whether an evaluation only adds the strict tests to the scores that are there, and so may replace them."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from circuitscope.config import EvaluateConfig
from circuitscope.results import read_evaluation
from circuitscope.runs import EVALUATION, is_there, outdated_by, read_manifest

_OF_STRICT = ("strict", "random_circuits", "halvings", "spare_examples", "device")
"""Settings that say nothing about the scores."""


def adds_strict(run: Path, config: EvaluateConfig) -> bool:
    """True if the run has scores of this very circuit by the same settings, and no strict tests yet."""
    if not config.strict or not is_there(run, EVALUATION) or outdated_by(run, EVALUATION) is not None:
        return False
    earlier = read_manifest(EVALUATION.in_(run), EVALUATION.kind).get("config") or {}
    asked = asdict(config)
    same = all(earlier.get(name) == value for name, value in asked.items() if name not in _OF_STRICT)
    return same and read_evaluation(EVALUATION.in_(run)).strict is None
