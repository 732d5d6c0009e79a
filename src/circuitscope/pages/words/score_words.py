"""Scores that no one hopes for, named for what they are: below 0, over 1, or with the preference turned around.

A score is a share of what the whole model does beyond a model with everything ablated, so it can lie below 0 and
over 1. Neither is a matter of degree, as "120 %" or "−30 %" would have it: below 0 something works against the
behaviour, and over 1 something that holds it back is gone.
"""

from __future__ import annotations

from circuitscope.pages.words.numbers import number, signed
from circuitscope.results import CircuitScores, Score

CLEARLY = 0.1
"""How far below 0 or over 1 a score is called so, unless its whole interval is."""
PREFERENCES = ("logit-difference", "probability-difference")
"""Metrics whose sign says which of two answers the model prefers."""


def against(score: Score) -> bool:
    """Whether it is below 0, and not by chance."""
    if score.value is None or float(f"{score.value:.2f}") >= 0:
        return False
    return score.value <= -CLEARLY or (score.high is not None and score.high < 0)


def over_one(score: Score) -> bool:
    """Whether it is over 1, and not by chance."""
    if score.value is None or float(f"{score.value:.2f}") <= 1:
        return False
    return score.value >= 1 + CLEARLY or (score.low is not None and score.low > 1)


def score_name(score: Score) -> str:
    """``negative``, ``over 1`` or nothing: the mark beside a score."""
    return "negative" if against(score) else "over 1" if over_one(score) else ""


def completeness_name(scores: CircuitScores) -> str:
    """The mark beside a completeness, which can also be above faithfulness."""
    name = score_name(scores.completeness)
    return ", ".join(filter(None, [name, "above faithfulness" if _rest_does_more(scores) else ""]))


def _rest_does_more(scores: CircuitScores) -> bool:
    faithful, complete = scores.faithfulness.value, scores.completeness.value
    if faithful is None or complete is None:
        return False
    return float(f"{complete:.2f}") > float(f"{faithful:.2f}")


def oddities(scores: CircuitScores, metric: str) -> list[str]:
    """A sentence for each thing about these scores that a reader would not expect."""
    if scores.faithfulness.value is None:
        return []
    found = [_upside_down(scores), _faithfulness(scores), _circuit_prefers(scores, metric)]
    found += [_completeness(scores), _rest_prefers(scores, metric)]
    if _rest_does_more(scores):
        found.append(
            f"Completeness ({number(scores.completeness.value or 0.0)}) is above faithfulness "
            f"({number(scores.faithfulness.value)}): the rest of the model does more of the behaviour by itself than "
            "the circuit does."
        )
    return [text for text in found if text]


def _upside_down(scores: CircuitScores) -> str:
    means = scores.means
    if means.model >= means.empty:
        return ""
    return (
        f"The whole model has less of the behaviour ({signed(means.model)}) than one with everything ablated "
        f"({signed(means.empty)}), so these scores count how far the behaviour goes down."
    )


def _faithfulness(scores: CircuitScores) -> str:
    score = scores.faithfulness
    if against(score):
        return (
            f"Faithfulness is negative ({number(score.value or 0.0)}): by itself the circuit works against what the "
            "model does, and having everything ablated would be nearer to it."
        )
    if over_one(score):
        value = score.value or 0.0
        return (
            f"Faithfulness is over 1 ({number(value)}): by itself the circuit does more than the whole model, since "
            f"parts that hold the behaviour back are not in it. That is as far from the model as {number(2 - value)}."
        )
    return ""


def _completeness(scores: CircuitScores) -> str:
    score = scores.completeness
    if against(score):
        return (
            f"Completeness is below 0 ({number(score.value or 0.0)}): what is left without the circuit works against "
            "what the model does."
        )
    if over_one(score):
        return (
            f"Completeness is over 1 ({number(score.value or 0.0)}): without the circuit there is more of the "
            "behaviour than in the whole model, so the circuit as a whole holds it back."
        )
    return ""


def _turned(metric: str, model: float, other: float) -> bool:
    """Whether the two means prefer different answers."""
    return metric in PREFERENCES and model * other < 0


def _circuit_prefers(scores: CircuitScores, metric: str) -> str:
    means = scores.means
    if not _turned(metric, means.model, means.circuit):
        return ""
    figures = f"its mean is {signed(means.circuit)}, the whole model's {signed(means.model)}"
    if _turned(metric, means.model, means.empty) and (scores.faithfulness.value or 0.0) >= 0:
        return (
            f"The circuit does not get back the model's preference: {figures}, and with everything ablated it is "
            f"{signed(means.empty)}."
        )
    return f"The circuit turns the preference around: {figures}."


def _rest_prefers(scores: CircuitScores, metric: str) -> str:
    """Where everything ablated prefers the other answer, a rest that does so too is what one hopes for."""
    means = scores.means
    if not _turned(metric, means.model, means.complement) or not against(scores.completeness):
        return ""
    return (
        f"Without the circuit the preference is turned around: the mean is {signed(means.complement)}, the whole "
        f"model's {signed(means.model)}."
    )
