"""The search for behaviours as stages of a run folder, one step per file: each as prepare, step and finish."""

from circuitscope.pipeline.behaviours.cluster import (
    PreparedClustering,
    cluster_step,
    finish_cluster,
    prepare_cluster,
    run_behaviours_cluster,
)
from circuitscope.pipeline.behaviours.contexts import (
    FoundContexts,
    contexts_step,
    finish_contexts,
    prepare_contexts,
    run_behaviours_contexts,
)
from circuitscope.pipeline.behaviours.run import BehavioursRun, open_behaviours
from circuitscope.pipeline.behaviours.vectors import (
    finish_vectors,
    prepare_vectors,
    run_behaviours_vectors,
    vectors_step,
)

__all__ = [
    "BehavioursRun",
    "FoundContexts",
    "PreparedClustering",
    "cluster_step",
    "contexts_step",
    "finish_cluster",
    "finish_contexts",
    "finish_vectors",
    "open_behaviours",
    "prepare_cluster",
    "prepare_contexts",
    "prepare_vectors",
    "run_behaviours_cluster",
    "run_behaviours_contexts",
    "run_behaviours_vectors",
    "vectors_step",
]
