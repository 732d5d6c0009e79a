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

from circuitscope.errors import BadInput, argument
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
    contrasts: bool = False
    """Whether it compares two answers, so that a patch answer is needed."""
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

    def narrowed(self, inputs: Inputs) -> tuple[Inputs, Int[Tensor, "batch token"] | None]:
        """Inputs to call the metric with, and the tokens whose logits it then takes; None for the vocabulary."""
        return (inputs.numbered(), inputs.answers) if self.answers_only else (inputs, None)


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


def _live_columns(inputs: Inputs) -> Tensor:
    """Every column: a mean over tokens needs them all, and padding is left out of it by the mask."""
    tokens = inputs.clean
    return torch.arange(tokens.positions, device=tokens.ids.device).expand(tokens.batch, -1)


def _mean_classifier_logit(logits: Tensor, inputs: Inputs) -> Tensor:
    live = inputs.clean.live
    mean = (_only_word(logits) * live).sum(dim=1) / live.sum(dim=1).clamp(min=1)
    return -_sign(inputs) * mean


def _last_classifier_logit(logits: Tensor, inputs: Inputs) -> Tensor:
    return -_sign(inputs) * _only_word(logits)[:, -1]


def _only_word(logits: Tensor) -> Tensor:
    if logits.shape[-1] != 1:
        raise BadInput(
            f"a metric for classifiers, but a model with {logits.shape[-1]} logits at every token",
            expected="a classifier as a model, which has one logit",
            mend=f"leave out {argument('metric')}, or use classifier.as_model()",
        )
    return logits[:, :, 0]


def _sign(inputs: Inputs) -> Tensor:
    """+1 for class 1 and -1 for class 0: a classifier's examples carry their class as their clean answer."""
    return 2 * inputs.clean_answers[:, 0] - 1


LOGIT_DIFFERENCE = Metric(
    "logit-difference",
    _logit_difference,
    "logit(clean answer) − logit(patch answer)",
    contrasts=True,
    answers_only=True,
)
PROBABILITY_DIFFERENCE = Metric(
    "probability-difference", _probability_difference, "p(clean answer) − p(patch answer)", contrasts=True
)
LOG_PROBABILITY = Metric("log-probability", _negative_log_probability, "log p(clean answer)")
LOGIT = Metric("logit", _negative_logit, "logit(clean answer)", answers_only=True)

CLASSIFIER_MEAN = Metric(
    "classifier-logit", _mean_classifier_logit, "logit of the true class", positions=_live_columns
)
CLASSIFIER_LAST = Metric("classifier-logit-last", _last_classifier_logit, "logit of the true class")
"""Of a classifier as a model (``circuitscope.editing``), whose one logit at a token is the probe's: pooled over the
tokens that are neither padding nor BOS, or at the last token. The logit of class 0 is the negative of class 1's."""

METRICS = {
    metric.name: metric for metric in (LOGIT_DIFFERENCE, PROBABILITY_DIFFERENCE, LOG_PROBABILITY, LOGIT)
}
"""Of answers. Named by the side that tables show; the discovery metric is its negative (log-probability: −log p)."""
OF_CLASSIFIERS = {metric.name: metric for metric in (CLASSIFIER_MEAN, CLASSIFIER_LAST)}


def metric_named(metric: str | Metric | Measure, *, pairs: bool) -> Metric:
    """A metric from its name or a function, or as it is; ``auto`` is the usual one.

    A function gets the logits at the last position, shape (batch, 1, vocab), and the inputs, and returns one
    number per example: a loss for the clean behaviour.

    Args:
        pairs: whether the examples set their answer against another one, as pairs do.
    """
    if callable(metric) and not isinstance(metric, Metric):
        return Metric(getattr(metric, "__name__", "custom"), metric, "−m of a function of your own")
    if isinstance(metric, str):
        if metric == "auto":
            return LOGIT_DIFFERENCE if pairs else LOG_PROBABILITY
        known = METRICS | OF_CLASSIFIERS
        if metric not in known:
            raise BadInput(
                f"no such metric: {metric!r}",
                expected=f"auto, {', '.join(METRICS)}, or any function in Python",
                mend="check the spelling",
            )
        metric = known[metric]
    if metric.contrasts and not pairs:
        raise BadInput(
            f"metric {metric.name!r} compares two answers, but the task has one answer per example",
            expected="pairs, or single inputs that name an answer against; else log-probability or logit",
            mend=f"leave out {argument('metric')}, or add the other answer",
        )
    return metric
