"""LabelledText and LabelledSets: the values that everything in ``editing`` works on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

GROUPS = ((0, 0), (0, 1), (1, 0), (1, 1))
"""The four groups as (label, attribute), in the order of tables: agreeing ones are the first and the last."""


@dataclass(frozen=True)
class LabelledText:
    """A text with what is known about it."""

    text: str
    label: int
    """0 or 1: the class that is meant to be told."""
    attribute: int
    """0 or 1: what is not meant to be used."""

    @property
    def group(self) -> int:
        """Its place in ``GROUPS``."""
        return 2 * self.label + self.attribute


@dataclass(frozen=True)
class LabelledSets:
    """Two classes and two values of an attribute, in two sets to train on and two to test on.

    ``*_ambiguous`` holds only texts whose label and attribute are the same number, equally many of each;
    ``*_balanced`` holds equally many of each of the four groups.
    """

    name: str
    classes: tuple[str, str]
    """What label 0 and label 1 are called."""
    attributes: tuple[str, str]
    """What attribute 0 and attribute 1 are called."""
    train_ambiguous: tuple[LabelledText, ...]
    test_ambiguous: tuple[LabelledText, ...]
    train_balanced: tuple[LabelledText, ...]
    test_balanced: tuple[LabelledText, ...]

    @property
    def groups(self) -> tuple[str, str, str, str]:
        """The names of ``GROUPS``."""
        first, second, third, fourth = (
            f"{self.attributes[attribute]} {self.classes[label]}" for label, attribute in GROUPS
        )
        return first, second, third, fourth

    @property
    def sizes(self) -> dict[str, int]:
        """How many texts each set has, by its name."""
        names = ("train_ambiguous", "test_ambiguous", "train_balanced", "test_balanced")
        return {name: len(getattr(self, name)) for name in names}


def by_attribute(texts: Sequence[LabelledText]) -> tuple[LabelledText, ...]:
    """The same texts with label and attribute exchanged: what is known to someone who may look at the attribute."""
    return tuple(replace(text, label=text.attribute, attribute=text.label) for text in texts)
