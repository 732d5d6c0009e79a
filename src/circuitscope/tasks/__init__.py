"""Behaviours: examples from Python, JSON lines or templates; their tokens; metrics."""

from circuitscope.tasks.examples import Example, read_examples
from circuitscope.tasks.inputs import Inputs, Skipped, make_inputs
from circuitscope.tasks.metrics import Metric, metric_named
from circuitscope.tasks.task import Task, load_task

__all__ = [
    "Example",
    "Inputs",
    "Metric",
    "Skipped",
    "Task",
    "load_task",
    "make_inputs",
    "metric_named",
    "read_examples",
]
