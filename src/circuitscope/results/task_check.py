"""What a model makes of a task, before anything is discovered, and whether the behaviour is there at all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

FEW_EXAMPLES = 10
"""With fewer, little can be said about other texts, and an interval over them covers less than it claims."""


@dataclass(frozen=True)
class NextToken:
    """A token that the model might say next."""

    text: str
    """With the space that it begins with."""
    token: int
    """Its id."""
    probability: float


@dataclass(frozen=True)
class CheckedText:
    """One text as the model reads it, and what it says next."""

    pieces: tuple[str, ...]
    """Its tokens, BOS included."""
    likeliest: NextToken
    rank: int
    """Of the text's own answer among all tokens; 1 is the most probable. Of several answers, the best one's."""
    probability: float
    """Of the text's own answer; several count together."""
    other_rank: int | None
    """The same of the answer that it is set against; None where there is none."""
    other_probability: float | None
    right: bool
    """Whether the model prefers the text's own answer: to the other one, or to every token if there is no other."""


@dataclass(frozen=True)
class CheckedExample:
    """An example that can be used."""

    where: str
    """The file and line that it was read from, or its number."""
    clean: CheckedText
    patch: CheckedText | None
    """None for a single input. Its own answer is the patch answer."""


@dataclass(frozen=True)
class SkippedExample:
    """An example that cannot be used, and why."""

    where: str
    reason: str


@dataclass(frozen=True)
class CheckedSide:
    """All clean texts, or all patch texts."""

    right: int
    """On how many of them the model prefers their own answer."""
    rank: float
    """Median rank of their own answers."""
    probability: float
    """Mean probability of their own answers."""
    other_rank: float | None
    other_probability: float | None
    metric: float
    """Mean of the higher-is-better metric, for the text's own answer."""


@dataclass(frozen=True)
class TaskCheck:
    """How a task's examples are read, which cannot be used, and how often the model does what they ask for."""

    task: str
    model: str
    split: str
    kind: str
    """``pairs``, ``single inputs``, or ``single inputs with an answer against``."""
    bos: bool
    """Whether texts begin with a BOS."""
    metric: str
    metric_shown_as: str
    examples: int
    """How many can be used."""
    skipped: tuple[SkippedExample, ...]
    lengths: Mapping[int, int]
    """Tokens, BOS included → how many examples have as many."""
    differ: Mapping[int, int]
    """Position → how many pairs have different tokens there."""
    shown: tuple[CheckedExample, ...]
    """The first ones."""
    clean: CheckedSide
    patch: CheckedSide | None

    @property
    def right(self) -> float:
        """The share of clean texts on which the model prefers the clean answer."""
        return self.clean.right / self.examples

    @property
    def doubts(self) -> tuple[str, ...]:
        """Why a circuit of this task might say nothing."""
        return behaviour_doubts(
            examples=self.examples,
            right=self.right,
            clean=self.clean.metric if contrasting(self.metric) else None,
            contrasts=self.kind != "single inputs",
        )

    def __repr__(self) -> str:
        texts = f"{self.examples} {self.split} example{'' if self.examples == 1 else 's'}"
        lines = [
            f"TaskCheck({self.task} in {self.model}: {texts}, {len(self.skipped)} skipped; right on "
            f"{self.clean.right}; mean {self.metric_shown_as} {self.clean.metric:.3g})",
            *self.doubts,
        ]
        return "\n".join(lines)


def contrasting(metric: str) -> bool:
    """Whether a metric is above 0 just where the clean answer is preferred."""
    return metric in (
        "logit-difference",
        "probability-difference",
        "classifier-logit",
        "classifier-logit-last",
    )


def behaviour_doubts(
    *, examples: int, right: float | None, clean: float | None, contrasts: bool
) -> tuple[str, ...]:
    """Sentences that say why there may be no behaviour to explain, or too few examples of it.

    Args:
        examples: how many were used.
        right: the share of clean texts on which the model prefers the clean answer; None where it is not known.
        clean: the mean on clean texts of a metric that is above 0 where the clean answer is preferred; else None.
        contrasts: whether the clean answer is set against another one.
    """
    found = []
    on = (
        ""
        if right is None
        else f"on {round(right * examples)} of {examples} clean text{'s' * (examples != 1)}"
    )
    if clean is not None and clean <= 0:
        often = f"; it prefers the clean answer {on}" if on else ""
        found.append(
            f"The model does not have this behaviour: its mean on the clean texts is {clean:.3g}, on the side of the "
            f"other answer{often}."
        )
    elif right is not None and right < 0.5 and contrasts:
        found.append(
            f"The model hardly has this behaviour: it prefers the clean answer {on}, fewer than half, and the mean "
            "hides that."
        )
    elif right is not None and right < 0.5:
        found.append(
            f"The model hardly has this behaviour: the clean answer is its most probable next token {on}, fewer than "
            "half."
        )
    if 0 < examples < FEW_EXAMPLES:
        many = "Only one example was" if examples == 1 else f"Only {examples} examples were"
        found.append(
            f"{many} used: the circuit may be of {'it' if examples == 1 else 'them'} alone, standard errors and "
            f"intervals say little, and at least {FEW_EXAMPLES} are needed to say more."
        )
    return tuple(found)
