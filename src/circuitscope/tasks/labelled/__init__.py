"""Labelled texts with an attribute: where they come from, and the four sets that a study of spurious cues needs.

Every text has a *label*, which a classifier is meant to tell (the profession), and an *attribute*, which it is not
meant to look at (the gender). In the ambiguous sets the two always agree, so nothing says which is meant; in the
balanced sets every pair of them is equally frequent. One function opens every source: ``load_labelled_sets``.
"""

from circuitscope.tasks.labelled.bias_in_bios import BIAS_IN_BIOS, GENDERS, PROFESSIONS
from circuitscope.tasks.labelled.classifier import Classifier, Probe
from circuitscope.tasks.labelled.labelled_text import GROUPS, LabelledSets, LabelledText, by_attribute
from circuitscope.tasks.labelled.load import load_labelled_sets, refuse_unknown_words
from circuitscope.tasks.labelled.pooling import POOLINGS, check_edits, pool, pooled_activations
from circuitscope.tasks.labelled.sets import make_sets
from circuitscope.tasks.labelled.text_tokens import (
    BATCH_SIZE,
    LabelledTask,
    Texts,
    count_batches,
    labelled_task,
    token_batches,
    token_blocks,
)

__all__ = [
    "BATCH_SIZE",
    "BIAS_IN_BIOS",
    "GENDERS",
    "GROUPS",
    "POOLINGS",
    "PROFESSIONS",
    "Classifier",
    "LabelledSets",
    "LabelledTask",
    "LabelledText",
    "Probe",
    "Texts",
    "by_attribute",
    "check_edits",
    "count_batches",
    "labelled_task",
    "load_labelled_sets",
    "make_sets",
    "pool",
    "pooled_activations",
    "refuse_unknown_words",
    "token_batches",
    "token_blocks",
]
