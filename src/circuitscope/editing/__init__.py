"""Editing a classifier by what a person judges irrelevant (SHIFT), and what it is compared with.

The names are imported when first used: sheets, verdicts and data open without a model.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

_PUBLIC = {
    "Classifier": "circuitscope.editing.classifier",
    "FeatureSet": "circuitscope.editing.ablation",
    "Scores": "circuitscope.editing.scores",
    "classifier_circuit": "circuitscope.editing.effects",
    "edits_of": "circuitscope.editing.ablation",
    "feature_edits": "circuitscope.editing.ablation",
    "feature_means": "circuitscope.editing.ablation",
    "feature_set": "circuitscope.editing.ablation",
    "score": "circuitscope.editing.scores",
    "train_classifier": "circuitscope.editing.classifier",
}

__all__ = [*_PUBLIC]

if TYPE_CHECKING:
    from circuitscope.editing.ablation import FeatureSet as FeatureSet
    from circuitscope.editing.ablation import edits_of as edits_of
    from circuitscope.editing.ablation import feature_edits as feature_edits
    from circuitscope.editing.ablation import feature_means as feature_means
    from circuitscope.editing.ablation import feature_set as feature_set
    from circuitscope.editing.classifier import Classifier as Classifier
    from circuitscope.editing.classifier import train_classifier as train_classifier
    from circuitscope.editing.effects import classifier_circuit as classifier_circuit
    from circuitscope.editing.scores import Scores as Scores
    from circuitscope.editing.scores import score as score


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"circuitscope.editing has no {name!r}")
    return getattr(import_module(_PUBLIC[name]), name)
