"""Examples: minimal pairs and single inputs, in Python or as JSON lines with the published key names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from circuitscope.errors import BadFile, refuse_half_characters
from circuitscope.runs import read_json_lines


@dataclass(frozen=True)
class Example:
    """One clean text with its answer; a pair has a patch text with its answer as well.

    A single input can name a patch answer too: what the clean answer is set against on the same text.
    """

    clean_prefix: str
    clean_answer: tuple[str, ...] | str
    """Texts that continue the prefix; several count together as one answer."""
    patch_prefix: str | None = None
    patch_answer: tuple[str, ...] | str = ()
    case: str = ""
    where: str = field(default="", compare=False, repr=False)
    """Where it was read: a file and a line."""

    def __post_init__(self) -> None:
        for name in ("clean_answer", "patch_answer"):
            if isinstance(getattr(self, name), str):  # a string is a sequence too, of letters
                object.__setattr__(self, name, (getattr(self, name),))
        for text in (self.clean_prefix, *self.clean_answer, self.patch_prefix or "", *self.patch_answer):
            if isinstance(text, str):
                refuse_half_characters(text, self.where or "an example")

    @property
    def is_pair(self) -> bool:
        return self.patch_prefix is not None

    @property
    def contrasts(self) -> bool:
        """Whether its answer is set against another one: that of a pair's patch text, or one on the same text."""
        return bool(self.patch_answer)

    @property
    def kind(self) -> str:
        """What a task has to have only one of."""
        if self.is_pair:
            return "pairs"
        return "single inputs with an answer against" if self.contrasts else "single inputs"


def read_examples(path: Path) -> list[Example]:
    """Read JSON lines: ``clean_prefix``, ``clean_answer``, and for pairs ``patch_prefix``, ``patch_answer``; a single
    input can have ``against`` instead.

    An answer is a string or a list of strings. ``case`` is kept; other keys are refused, since a misspelt key
    would silently change the task.
    """
    try:
        return [parse_example(value, f"{path}, line {number}") for number, value in read_json_lines(path)]
    except (OSError, UnicodeDecodeError) as error:
        raise BadFile(
            f"the task file {path} cannot be read: {error}",
            expected="JSON lines in UTF-8",
            mend="check the path",
        ) from error


_KEYS = ("clean_prefix", "clean_answer", "patch_prefix", "patch_answer", "against", "case")


def parse_example(value: Mapping[str, Any], where: str) -> Example:
    """An example from a mapping with the published key names."""
    unknown = sorted(set(value) - set(_KEYS))
    missing = [key for key in ("clean_prefix", "clean_answer") if key not in value]
    half = ("patch_prefix" in value) != ("patch_answer" in value)
    both = "against" in value and "patch_answer" in value
    if unknown or missing or half or both:
        raise BadFile(
            f"{where} has the keys {sorted(value)}",
            expected="clean_prefix and clean_answer; patch_prefix and patch_answer, or against, or neither; "
            "optionally case",
            mend=f"remove {unknown or ['against']}" if unknown or both else "add what is missing",
        )
    prefixes = [value[key] for key in ("clean_prefix", "patch_prefix") if key in value]
    if not all(isinstance(prefix, str) and prefix for prefix in prefixes):
        raise BadFile(f"{where} has a prefix that is not text: {prefixes!r}", expected="a non-empty string")
    case = value.get("case", "")
    if not isinstance(case, str | int | float):
        raise BadFile(
            f"{where} has the case {case!r}",
            expected="a few words, or no case",
            mend="leave case out, or name it",
        )
    other = "against" if "against" in value else "patch_answer"
    return Example(
        value["clean_prefix"],
        _answers(value["clean_answer"], where),
        value.get("patch_prefix"),
        _answers(value[other], where) if other in value else (),
        str(case),
        where,
    )


def _answers(value: Any, where: str) -> tuple[str, ...]:
    answers = (value,) if isinstance(value, str) else tuple(value) if isinstance(value, list) else ()
    if not answers or not all(isinstance(answer, str) and answer for answer in answers):
        raise BadFile(f"{where} has the answer {value!r}", expected="a string, or a list of strings")
    return answers


def as_line(example: Example) -> dict[str, Any]:
    """An example with the published key names; the inverse of ``parse_example``."""
    line: dict[str, Any] = {"clean_prefix": example.clean_prefix, "clean_answer": list(example.clean_answer)}
    if example.is_pair:
        line |= {"patch_prefix": example.patch_prefix, "patch_answer": list(example.patch_answer)}
    elif example.contrasts:
        line["against"] = list(example.patch_answer)
    return {**line, "case": example.case} if example.case else line
