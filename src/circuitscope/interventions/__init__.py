"""Nodes held at a value while the model runs, and edits of single features."""

from circuitscope.interventions.feature_edits import (
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
    "FeatureSet",
    "Means",
    "ablate",
    "edits_of",
    "feature_edits",
    "feature_means",
    "feature_set",
    "names_of",
]
