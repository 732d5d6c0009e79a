"""Editing a classifier by what a person judges irrelevant (SHIFT): its public names.

    import circuitscope as cs

    sets = cs.shift.load_labelled_sets("bundled", model)
    classifier = cs.shift.train_classifier(model, sets.train_ambiguous, site="resid_2")
    circuit = cs.shift.classifier_circuit(classifier, dictionaries, sets.train_ambiguous, nodes=20)

They are imported when first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from circuitscope.lazy import public

_PUBLIC = {
    "Classifier": "tasks.labelled",
    "LabelledText": "tasks.labelled",
    "classifier_circuit": "editing",
    "edits_of": "interventions",
    "feature_means": "interventions",
    "features_to_judge": "pipeline.shift",
    "judge_by_words": "editing.judging",
    "load_labelled_sets": "tasks.labelled",
    "read_sheet": "editing.judging",
    "removed": "editing.judging",
    "score": "editing",
    "train_classifier": "editing",
    "write_features": "editing.judging",
}

__all__ = [*_PUBLIC]

if TYPE_CHECKING:
    from circuitscope.editing import classifier_circuit as classifier_circuit
    from circuitscope.editing import score as score
    from circuitscope.editing import train_classifier as train_classifier
    from circuitscope.editing.judging import judge_by_words as judge_by_words
    from circuitscope.editing.judging import read_sheet as read_sheet
    from circuitscope.editing.judging import removed as removed
    from circuitscope.editing.judging import write_features as write_features
    from circuitscope.interventions import edits_of as edits_of
    from circuitscope.interventions import feature_means as feature_means
    from circuitscope.pipeline.shift import features_to_judge as features_to_judge
    from circuitscope.tasks.labelled import Classifier as Classifier
    from circuitscope.tasks.labelled import LabelledText as LabelledText
    from circuitscope.tasks.labelled import load_labelled_sets as load_labelled_sets

__getattr__ = public(__name__, _PUBLIC)


def __dir__() -> list[str]:
    return sorted(__all__)
