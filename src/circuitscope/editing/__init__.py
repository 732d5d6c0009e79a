"""Editing a classifier by what a person judges irrelevant (SHIFT), and what it is compared with.

The names are imported when first used: sheets, verdicts and data open without a model.
"""

from typing import TYPE_CHECKING

from circuitscope.lazy import lazily

if TYPE_CHECKING:
    from circuitscope.editing.classifier import Classifier as Classifier
    from circuitscope.editing.classifier import train_classifier as train_classifier
    from circuitscope.editing.effects import classifier_circuit as classifier_circuit
    from circuitscope.editing.saved import CLASSIFIER as CLASSIFIER
    from circuitscope.editing.saved import REMOVED as REMOVED
    from circuitscope.editing.saved import Removal as Removal
    from circuitscope.editing.saved import read_classifier as read_classifier
    from circuitscope.editing.saved import read_removal as read_removal
    from circuitscope.editing.saved import write_classifier as write_classifier
    from circuitscope.editing.saved import write_removal as write_removal
    from circuitscope.editing.scores import Scores as Scores
    from circuitscope.editing.scores import score as score
    from circuitscope.editing.scr_tpp import scr_and_tpp as scr_and_tpp
    from circuitscope.editing.steps import KIND as KIND
    from circuitscope.editing.steps import RUN as RUN
    from circuitscope.editing.steps import StepStatus as StepStatus
    from circuitscope.editing.steps import config_of as config_of
    from circuitscope.editing.steps import made_from as made_from
    from circuitscope.editing.steps import need as need
    from circuitscope.editing.steps import next_command as next_command
    from circuitscope.editing.steps import outdated_by as outdated_by
    from circuitscope.editing.steps import statuses as statuses

__all__ = [
    "CLASSIFIER",
    "KIND",
    "REMOVED",
    "RUN",
    "Classifier",
    "Removal",
    "Scores",
    "StepStatus",
    "classifier_circuit",
    "config_of",
    "made_from",
    "need",
    "next_command",
    "outdated_by",
    "read_classifier",
    "read_removal",
    "score",
    "scr_and_tpp",
    "statuses",
    "train_classifier",
    "write_classifier",
    "write_removal",
]

__getattr__ = lazily(
    __name__,
    {
        "Classifier": "classifier",
        "train_classifier": "classifier",
        "classifier_circuit": "effects",
        "CLASSIFIER": "saved",
        "REMOVED": "saved",
        "Removal": "saved",
        "read_classifier": "saved",
        "read_removal": "saved",
        "write_classifier": "saved",
        "write_removal": "saved",
        "Scores": "scores",
        "score": "scores",
        "scr_and_tpp": "scr_tpp",
        "KIND": "steps",
        "RUN": "steps",
        "StepStatus": "steps",
        "config_of": "steps",
        "made_from": "steps",
        "need": "steps",
        "next_command": "steps",
        "outdated_by": "steps",
        "statuses": "steps",
    },
)
