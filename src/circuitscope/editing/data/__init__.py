"""Labelled texts with an attribute: where they come from, and the four sets that a study of spurious cues needs.

Every text has a *label*, which a classifier is meant to tell (the profession), and an *attribute*, which it is not
meant to look at (the gender). In the ambiguous sets the two always agree, so nothing says which is meant; in the
balanced sets every pair of them is equally frequent. One door for every source: ``load_labelled_sets``.
"""

from circuitscope.editing.data.bias_in_bios import BIAS_IN_BIOS, GENDERS, PROFESSIONS
from circuitscope.editing.data.load import load_labelled_sets
from circuitscope.editing.data.sets import make_sets
from circuitscope.editing.data.values import GROUPS, LabelledSets, LabelledText, by_attribute

__all__ = [
    "BIAS_IN_BIOS",
    "GENDERS",
    "GROUPS",
    "PROFESSIONS",
    "LabelledSets",
    "LabelledText",
    "by_attribute",
    "load_labelled_sets",
    "make_sets",
]
