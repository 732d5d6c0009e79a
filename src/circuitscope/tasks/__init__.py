"""Behaviours: examples from Python, JSON lines or templates; their tokens; metrics."""

from circuitscope.tasks.check import answer_scores, check
from circuitscope.tasks.examples import Example, read_examples
from circuitscope.tasks.inputs import Encoded, Inputs, Skipped, batches, make_inputs
from circuitscope.tasks.limits import longest_input, longest_kept, refuse_unreadable
from circuitscope.tasks.metrics import (
    CLASSIFIER_LAST,
    CLASSIFIER_MEAN,
    METRICS,
    OF_CLASSIFIERS,
    Measure,
    Metric,
    metric_named,
)
from circuitscope.tasks.open_task import open_labelled, open_task, refuse_missing_source
from circuitscope.tasks.prompt import Prompt, prompt_task, top_tokens
from circuitscope.tasks.task import Examples, Task, load_task, read_task, refuse_no_tokenizer

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
    "Prompt",
    "Skipped",
    "Task",
    "answer_scores",
    "batches",
    "check",
    "load_task",
    "longest_input",
    "longest_kept",
    "make_inputs",
    "metric_named",
    "open_labelled",
    "open_task",
    "prompt_task",
    "read_examples",
    "read_task",
    "refuse_missing_source",
    "refuse_no_tokenizer",
    "refuse_unreadable",
    "top_tokens",
]
