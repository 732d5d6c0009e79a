"""Nodes held at a value, scaled or steered while the model runs, and edits of single features."""

from circuitscope.interventions.ablate_scale_steer import ablate, scale, steer
from circuitscope.interventions.feature_edits import (
    FeatureSet,
    Means,
    edits_of,
    feature_edits,
    feature_means,
    feature_set,
    names_of,
)

__all__ = [
    "FeatureSet",
    "Means",
    "ablate",
    "edits_of",
    "feature_edits",
    "feature_means",
    "feature_set",
    "names_of",
    "scale",
    "steer",
]
