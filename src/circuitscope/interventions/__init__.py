"""Nodes held at a value while the model runs, and edits of single features."""

from circuitscope.interventions.feature_edits import (
    Edits,
    EditsOf,
    FeatureSet,
    Means,
    edits_of,
    feature_edits,
    feature_means,
    feature_set,
    names_of,
)
from circuitscope.interventions.hold import ablate

__all__ = [
    "Edits",
    "EditsOf",
    "FeatureSet",
    "Means",
    "ablate",
    "edits_of",
    "feature_edits",
    "feature_means",
    "feature_set",
    "names_of",
]
