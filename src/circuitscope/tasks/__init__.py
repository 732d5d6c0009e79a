"""Behaviours: examples from Python, JSON lines or templates; their tokens; metrics."""

from circuitscope.tasks.examples import Example, read_examples
from circuitscope.tasks.inputs import Encoded, Inputs, Skipped, batches, make_inputs
from circuitscope.tasks.limits import longest_input, refuse_unreadable
from circuitscope.tasks.metrics import (
    CLASSIFIER_LAST,
    CLASSIFIER_MEAN,
    METRICS,
    OF_CLASSIFIERS,
    Measure,
    Metric,
    metric_named,
)
from circuitscope.tasks.open_task import open_labelled, open_task
from circuitscope.tasks.task import Examples, Task, load_task, refuse_missing_task

__all__ = [
    "CLASSIFIER_LAST",
    "CLASSIFIER_MEAN",
    "METRICS",
    "OF_CLASSIFIERS",
    "Encoded",
    "Example",
    "Examples",
    "Inputs",
    "Measure",
    "Metric",
    "Skipped",
    "Task",
    "batches",
    "load_task",
    "longest_input",
    "make_inputs",
    "metric_named",
    "open_labelled",
    "open_task",
    "read_examples",
    "refuse_missing_task",
    "refuse_unreadable",
]
