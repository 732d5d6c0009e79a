"""Metrics: a scalar per example from the model's output.

A discovery metric is a loss for the clean behaviour, so that an effect above 0 means that the node promotes
it; tables of evaluation show the higher-is-better side, −m. A metric says at which positions it needs logits;
only those are computed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from circuitscope.errors import BadInput
from circuitscope.tasks.inputs import Inputs

Measure = Callable[[Tensor, Inputs], Tensor]
"""(logits (batch, asked, vocab), inputs) -> (batch,)"""


def _last(inputs: Inputs) -> Tensor:
    return inputs.clean.last[:, None]


@dataclass(frozen=True)
class Metric:
    """A named loss for the clean behaviour; lower is better."""

    name: str
    measure: Measure
    shown_as: str
    """What −m is, for tables."""
    needs_pairs: bool = False
    positions: Callable[[Inputs], Tensor] = _last
    """inputs -> (batch, asked): the columns whose logits are needed; by default the last real token's."""
    answers_only: bool = False
    """Whether only the answers' own logits are looked at, so that the others need not be computed."""

    def __call__(self, logits: Float[Tensor, "batch asked vocab"], inputs: Inputs) -> Float[Tensor, " batch"]:
        value = self.measure(logits, inputs)
        if value.shape != (len(inputs),):
            raise BadInput(
                f"metric {self.name!r} returned the shape {tuple(value.shape)}",
                expected=f"({len(inputs)},), one number per example",
                mend="reduce over positions and tokens, not over examples",
            )
        return value


def _together(
    scores: Float[Tensor, "batch vocab"],
    ids: Int[Tensor, "batch answer"],
    mask: Bool[Tensor, "batch answer"],
) -> Float[Tensor, " batch"]:
    """The log of the sum of the answers' exponentials: one answer's own score where there is one."""
    return scores.gather(1, ids).masked_fill(~mask, -torch.inf).logsumexp(dim=1)


def _answers(scores: Tensor, inputs: Inputs) -> tuple[Tensor, Tensor]:
    clean = _together(scores, inputs.clean_answers, inputs.clean_answer_mask)
    patch = _together(scores, inputs.patch_answers, inputs.patch_answer_mask)
    return clean, patch


def _logit_difference(logits: Tensor, inputs: Inputs) -> Tensor:
    clean, patch = _answers(logits[:, -1], inputs)
    return patch - clean


def _probability_difference(logits: Tensor, inputs: Inputs) -> Tensor:
    clean, patch = _answers(logits[:, -1].log_softmax(dim=-1), inputs)
    return patch.exp() - clean.exp()


def _negative_log_probability(logits: Tensor, inputs: Inputs) -> Tensor:
    scores = logits[:, -1].log_softmax(dim=-1)
    return -_together(scores, inputs.clean_answers, inputs.clean_answer_mask)


def _negative_logit(logits: Tensor, inputs: Inputs) -> Tensor:
    return -_together(logits[:, -1], inputs.clean_answers, inputs.clean_answer_mask)


LOGIT_DIFFERENCE = Metric(
    "logit-difference",
    _logit_difference,
    "logit(clean answer) − logit(patch answer)",
    needs_pairs=True,
    answers_only=True,
)
PROBABILITY_DIFFERENCE = Metric(
    "probability-difference", _probability_difference, "p(clean answer) − p(patch answer)", needs_pairs=True
)
LOG_PROBABILITY = Metric("log-probability", _negative_log_probability, "log p(clean answer)")
LOGIT = Metric("logit", _negative_logit, "logit(clean answer)", answers_only=True)

METRICS = {
    metric.name: metric for metric in (LOGIT_DIFFERENCE, PROBABILITY_DIFFERENCE, LOG_PROBABILITY, LOGIT)
}
"""Named by the side that tables show; the discovery metric is its negative (log-probability: −log p)."""


def metric_named(metric: str | Metric | Measure, *, pairs: bool) -> Metric:
    """A metric by name, by itself, or from a function; ``auto`` is the usual one for pairs or single inputs.

    A function gets the logits at the last position, shape (batch, 1, vocab), and the inputs, and returns one
    number per example: a loss for the clean behaviour.
    """
    if callable(metric) and not isinstance(metric, Metric):
        return Metric(getattr(metric, "__name__", "custom"), metric, "−m of a function of your own")
    if isinstance(metric, str):
        if metric == "auto":
            return LOGIT_DIFFERENCE if pairs else LOG_PROBABILITY
        if metric not in METRICS:
            raise BadInput(
                f"no such metric: {metric!r}",
                expected=f"auto, {', '.join(METRICS)}, or from Python any function",
                mend="check the spelling",
            )
        metric = METRICS[metric]
    if metric.needs_pairs and not pairs:
        raise BadInput(
            f"metric {metric.name!r} needs pairs, and the task has single inputs",
            expected="log-probability or logit",
            mend="leave --metric away",
        )
    return metric
