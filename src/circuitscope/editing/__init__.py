"""Editing a classifier by what a person judges irrelevant (SHIFT), and what it is compared with.

The names are imported when first used: sheets, verdicts and data open without a model.
"""

from typing import TYPE_CHECKING

from circuitscope.lazy import lazily

if TYPE_CHECKING:
    from circuitscope.editing.classifier import Classifier as Classifier
    from circuitscope.editing.classifier import train_classifier as train_classifier
    from circuitscope.editing.effects import classifier_circuit as classifier_circuit
    from circuitscope.editing.saved import Removal as Removal
    from circuitscope.editing.saved import read_classifier as read_classifier
    from circuitscope.editing.saved import read_removal as read_removal
    from circuitscope.editing.saved import write_classifier as write_classifier
    from circuitscope.editing.saved import write_removal as write_removal
    from circuitscope.editing.scores import score as score
    from circuitscope.editing.scr_tpp import scr_and_tpp as scr_and_tpp
    from circuitscope.editing.validation import try_trainings as try_trainings

__all__ = [
    "Classifier",
    "Removal",
    "classifier_circuit",
    "read_classifier",
    "read_removal",
    "score",
    "scr_and_tpp",
    "train_classifier",
    "try_trainings",
    "write_classifier",
    "write_removal",
]

__getattr__ = lazily(
    __name__,
    {
        "Classifier": "classifier",
        "train_classifier": "classifier",
        "classifier_circuit": "effects",
        "Removal": "saved",
        "read_classifier": "saved",
        "read_removal": "saved",
        "write_classifier": "saved",
        "write_removal": "saved",
        "score": "scores",
        "scr_and_tpp": "scr_tpp",
        "try_trainings": "validation",
    },
)
