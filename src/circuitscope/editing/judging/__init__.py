"""Judging: a person, or a baseline that stands in for one, says of each feature whether it is about the task.

A *sheet* is a circuit's features, each with what it can be judged by and a blank verdict; verdicts are kept in one
store per workspace, so that no feature is judged twice. Contexts come from general text and from the texts that the
classifier was trained on, and stay on this computer unless the chosen judge is an endpoint elsewhere.

What needs a model is imported when it is first used: sheets and verdicts open without torch.
"""

from typing import TYPE_CHECKING

from circuitscope.editing.judging.sheet_files import is_csv
from circuitscope.editing.judging.sheets import read_sheet, sheet_for, write_features, write_sheet
from circuitscope.lazy import lazily

if TYPE_CHECKING:
    from circuitscope.editing.judging.by_endpoint import judge_by_endpoint as judge_by_endpoint
    from circuitscope.editing.judging.endpoint import Endpoint as Endpoint
    from circuitscope.editing.judging.endpoint import key_from as key_from
    from circuitscope.editing.judging.removed_features import removed as removed
    from circuitscope.editing.judging.replies import Replies as Replies
    from circuitscope.editing.judging.word_list import WordLists as WordLists
    from circuitscope.editing.judging.word_list import judge_by_words as judge_by_words
    from circuitscope.editing.judging.word_list import read_words as read_words

__all__ = [
    "Endpoint",
    "Replies",
    "WordLists",
    "is_csv",
    "judge_by_endpoint",
    "judge_by_words",
    "key_from",
    "read_sheet",
    "read_words",
    "removed",
    "sheet_for",
    "write_features",
    "write_sheet",
]

__getattr__ = lazily(
    __name__,
    {
        "Endpoint": "endpoint",
        "key_from": "endpoint",
        "WordLists": "word_list",
        "judge_by_words": "word_list",
        "read_words": "word_list",
        "judge_by_endpoint": "by_endpoint",
        "removed": "removed_features",
        "Replies": "replies",
    },
)
