"""removed: from verdicts to the features that are taken out of the model."""

from __future__ import annotations

from collections.abc import Sequence

from circuitscope.interventions import FeatureSet, feature_set
from circuitscope.results import JudgedFeature


def removed(features: Sequence[JudgedFeature]) -> FeatureSet:
    """The features judged ``remove``, by site in the order of computation.

    Those judged ``unsure`` stay: only what someone is sure about is taken out.
    """
    return feature_set([(item.site, item.feature) for item in features if item.verdict == "remove"])
