"""Classifier: a linear probe on a model's pooled activations, which is also a model itself.

    logit(text) = w · pool(x_site(text)) + b,        above 0: class 1

A mean of linear functions is the linear function of the mean. So the classifier is the model cut after the site, with
the probe as the only word of its vocabulary: the mean of that word's logits over a text's tokens is the classifier's
logit. Node effects, circuits and ablated runs work on it unchanged, with a metric that takes that mean
(``metric``), and the probe lies inside the graph that gradients flow through.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from circuitscope.model import Edits, EditsOf, LanguageModel, TokenBatch, cut_after
from circuitscope.results import ClassifierHead
from circuitscope.tasks.labelled.pooling import check_edits, pooled_activations
from circuitscope.tasks.labelled.text_tokens import BATCH_SIZE, Texts
from circuitscope.tasks.metrics import CLASSIFIER_LAST, CLASSIFIER_MEAN, Metric
from circuitscope.terms import Site
from circuitscope.work import Progress, shown


@dataclass(frozen=True, eq=False)
class Probe:
    """One linear layer with a bias: logit = w · x + b, above 0 for class 1."""

    weight: Float[Tensor, " width"]
    bias: Float[Tensor, ""]

    def logits(self, x: Float[Tensor, "text width"]) -> Float[Tensor, " text"]:
        return x @ self.weight + self.bias


@dataclass(frozen=True, eq=False)
class Classifier:
    """A model, a residual site, how its tokens are pooled, and the probe."""

    model: LanguageModel
    site: Site
    pooling: str
    """``mean`` over all tokens that are neither padding nor BOS, or the ``last`` token."""
    weight: Float[Tensor, " width"]
    bias: Float[Tensor, ""]
    bos: bool = False
    """Whether texts begin with a BOS."""

    @property
    def probe(self) -> Probe:
        return Probe(self.weight, self.bias)

    @property
    def metric(self) -> Metric:
        """−(logit of the true class) of ``as_model``, for examples whose answer is the number of their class."""
        return CLASSIFIER_MEAN if self.pooling == "mean" else CLASSIFIER_LAST

    def logits(
        self,
        texts: Texts | TokenBatch,
        edits: Edits | EditsOf | None = None,
        *,
        batch_size: int = BATCH_SIZE,
        progress: Progress | bool | None = None,
    ) -> Float[Tensor, " text"]:
        """The logit of class 1 for every text, or for every row of a batch of tokens.

        Args:
            edits: of any batch (``edits_of``); for a batch of tokens also its own (``feature_edits``).
        """
        check_edits(texts, edits)
        with shown(progress):  # which the pooling joins
            pooled = pooled_activations(
                self.model,
                texts,
                site=self.site,
                pooling=self.pooling,
                bos=self.bos,
                edits=edits,
                batch_size=batch_size,
            )
        return self.probe.logits(pooled)

    def predict(
        self, texts: Texts | TokenBatch, edits: Edits | EditsOf | None = None, *, batch_size: int = BATCH_SIZE
    ) -> Int[Tensor, " text"]:
        """The class of every text, 0 or 1."""
        return (self.logits(texts, edits, batch_size=batch_size) > 0).long()

    def as_model(self) -> LanguageModel:
        """The classifier as a language model with one word, whose logit at a token is the probe's there.

        It ends at the site and has no last norm; the blocks are the model's own. ``metric`` reads its logits.
        """
        return self._cut

    @cached_property
    def _cut(self) -> LanguageModel:
        model = self.model
        head = nn.Linear(model.width, 1, device=model.device, dtype=model.dtype)
        with torch.no_grad():
            head.weight.copy_(self.weight[None])
            head.bias.copy_(self.bias[None])
        return cut_after(model, self.site, head, record=self.head)

    @property
    def head(self) -> ClassifierHead:
        """The probe as a recipe keeps it."""
        weight = tuple(self.weight.double().tolist())
        return ClassifierHead(self.site.name, self.pooling, weight, float(self.bias))

    @classmethod
    def of(cls, model: LanguageModel, head: ClassifierHead, *, bos: bool) -> Classifier:
        """The classifier that a recipe names, on its model."""
        weight = torch.tensor(head.weight, dtype=torch.float64, device=model.device)
        wide = torch.promote_types(model.dtype, torch.float32)
        bias = torch.tensor(head.bias, dtype=torch.float64, device=model.device)
        return cls(model, Site.parse(head.site), head.pooling, weight.to(wide), bias.to(wide), bos)
