"""Judging: a person, or a baseline that stands in for one, says of each feature whether it is about the task.

A *sheet* is a circuit's features with what they can be judged by and a blank verdict each; verdicts are kept in one
store per workspace, so that no feature is judged twice. Contexts come from general text and from the texts that the
classifier was trained on, and stay on this computer unless the judge is an endpoint elsewhere that was asked for.

What needs a model is imported when it is first used: sheets and verdicts open without torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from circuitscope.editing.judging.sheets import read_sheet, sheet_for, write_features, write_sheet
from circuitscope.editing.judging.values import (
    AUTOMATIC,
    VERDICTS,
    JudgedFeature,
    MarkedContext,
    counts,
    to_judge,
)
from circuitscope.editing.judging.verdict_store import Conflict, Verdict, VerdictStore

_FUNCTIONS = {
    "Endpoint": "circuitscope.editing.judging.endpoint",
    "WordLists": "circuitscope.editing.judging.word_list",
    "judge_by_endpoint": "circuitscope.editing.judging.by_endpoint",
    "judge_by_words": "circuitscope.editing.judging.word_list",
    "removed": "circuitscope.editing.judging.removed_features",
}

__all__ = [
    "AUTOMATIC",
    "VERDICTS",
    "Conflict",
    "Endpoint",
    "JudgedFeature",
    "MarkedContext",
    "Verdict",
    "VerdictStore",
    "WordLists",
    "counts",
    "judge_by_endpoint",
    "judge_by_words",
    "read_sheet",
    "removed",
    "sheet_for",
    "to_judge",
    "write_features",
    "write_sheet",
]

if TYPE_CHECKING:
    from circuitscope.editing.judging.by_endpoint import judge_by_endpoint as judge_by_endpoint
    from circuitscope.editing.judging.endpoint import Endpoint as Endpoint
    from circuitscope.editing.judging.removed_features import removed as removed
    from circuitscope.editing.judging.word_list import WordLists as WordLists
    from circuitscope.editing.judging.word_list import judge_by_words as judge_by_words


def __getattr__(name: str) -> Any:
    if name not in _FUNCTIONS:
        raise AttributeError(f"circuitscope.editing.judging has no {name!r}")
    return getattr(import_module(_FUNCTIONS[name]), name)
