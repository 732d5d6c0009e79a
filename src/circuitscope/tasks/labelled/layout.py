"""Which fields of a file are text, label and attribute, and which of their values are class 0 and class 1."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from circuitscope.errors import BadFile, BadInput, argument
from circuitscope.tasks.labelled import bias_in_bios
from circuitscope.tasks.labelled.labelled_text import LabelledText

MOST_SHOWN = 12
"""Values that an error lists."""


@dataclass(frozen=True)
class Fields:
    """The names of the three fields that are read."""

    text: str
    label: str
    attribute: str

    @property
    def all(self) -> tuple[str, str, str]:
        return self.text, self.label, self.attribute


PLAIN = Fields("text", "label", "attribute")
BIOS = Fields(bias_in_bios.TEXT, bias_in_bios.LABEL, bias_in_bios.ATTRIBUTE)

Given = tuple[str | None, str | None, str | None]
"""Fields by name, where the user gave one."""


def choose_fields(have: Sequence[str], given: Given, where: str) -> Fields:
    """The fields to read: those given, or else those of Bias in Bios, or else text, label and attribute."""
    usual = BIOS if set(BIOS.all) <= set(have) else PLAIN
    fields = Fields(*(name or standard for name, standard in zip(given, usual.all, strict=True)))
    missing = [name for name in fields.all if name not in have]
    if missing:
        raise BadFile(
            f"{where} has the fields {', '.join(have) or '(none)'}, but no {' and no '.join(missing)}",
            expected=f"{', '.join(BIOS.all)} as in {bias_in_bios.BIAS_IN_BIOS}, or {', '.join(PLAIN.all)}",
            mend=f"name the fields with {argument('text_field')}, {argument('label_field')}, "
            f"{argument('attribute_field')}",
        )
    return fields


def named(fields: Fields, rows: Iterable[Sequence[Any]]) -> Iterator[tuple[str, str, str]]:
    """Rows with labels and attributes by name; the codes of Bias in Bios become the names they stand for."""
    professions = bias_in_bios.PROFESSIONS if fields.label == BIOS.label else ()
    genders = bias_in_bios.GENDERS if fields.attribute == BIOS.attribute else ()
    for text, label, attribute in rows:
        yield str(text), _name(label, professions), _name(attribute, genders)


def _name(value: Any, names: Sequence[str]) -> str:
    """The name of a value: that of its code where there is one."""
    text = str(value).strip()
    return names[int(text)] if text.isdecimal() and int(text) < len(names) else text


def two_values(
    what: str, have: Iterable[str], given: tuple[str, ...] | None, usual: tuple[str, str] | None, where: str
) -> tuple[str, str]:
    """The two values that are told apart, as value 0 and value 1.

    Args:
        what: ``class`` or ``attribute``.
        given: as the user chose them; None takes ``usual`` if both are there, or else the only two that there are.
    """
    values = sorted(set(have))
    if given is None:
        given = usual if usual and set(usual) <= set(values) else tuple(values)
    shown = ", ".join(values[:MOST_SHOWN]) + (", …" if len(values) > MOST_SHOWN else "")
    several = {"class": "classes", "attribute": "attributes"}[what]
    if len(given) != 2 or given[0] == given[1]:
        word = several if len(set(given)) != 1 else what
        raise BadInput(
            f"{len(set(given))} {word} in {where}: {', '.join(given[:MOST_SHOWN])}",
            expected=f"exactly two {several}: the probe has one output, and its sign tells one from the other",
            mend=f"choose two with --{several}",
        )
    absent = [value for value in given if value not in values]
    if absent:
        raise BadInput(
            f"{where} has no text with the {what} {' or '.join(absent)}",
            expected=f"two of: {shown}",
            mend=f"change --{several}",
        )
    return given[0], given[1]


def labelled(
    rows: Iterable[tuple[str, str, str]], classes: tuple[str, str], attributes: tuple[str, str]
) -> list[LabelledText]:
    """The rows of these classes and attributes, in order, as numbers; others are left out."""
    return [
        LabelledText(text, classes.index(label), attributes.index(attribute))
        for text, label, attribute in rows
        if label in classes and attribute in attributes
    ]
