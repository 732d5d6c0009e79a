"""The search for behaviours as stages of a run folder, one step per file: each as prepare, step and finish."""

from circuitscope.pipeline.behaviours.contexts import (
    FoundContexts,
    contexts_step,
    finish_contexts,
    prepare_contexts,
    run_behaviours_contexts,
)
from circuitscope.pipeline.behaviours.run import BehavioursRun, open_behaviours

__all__ = [
    "BehavioursRun",
    "FoundContexts",
    "contexts_step",
    "finish_contexts",
    "open_behaviours",
    "prepare_contexts",
    "run_behaviours_contexts",
]
