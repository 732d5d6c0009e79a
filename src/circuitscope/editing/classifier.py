"""Classifier: a linear probe on a model's pooled activations, which is also a model itself.

    logit(text) = w · pool(x_site(text)) + b,        above 0: class 1

A mean of linear functions is the linear function of the mean. So the classifier is the model cut after the site, with
the probe as the only word of its vocabulary: the mean of that word's logits over a text's tokens is the classifier's
logit. Node effects, circuits and ablated runs work on it unchanged, with a metric that takes that mean
(``metric``), and the probe lies inside the graph that gradients flow through.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from circuitscope.editing.pooling import check_edits, pooled_activations
from circuitscope.editing.probe import Probe, fit_probe
from circuitscope.interventions import Edits, EditsOf
from circuitscope.model import LanguageModel, TokenBatch, cut_after, decide_bos
from circuitscope.tasks import CLASSIFIER_LAST, CLASSIFIER_MEAN, Metric
from circuitscope.tasks.labelled import BATCH_SIZE, LabelledText, Texts
from circuitscope.terms import Site
from circuitscope.work import Batches, Progress, shown


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
        with shown(progress) as tell:
            pooled = pooled_activations(
                self.model,
                texts,
                site=self.site,
                pooling=self.pooling,
                bos=self.bos,
                edits=edits,
                batch_size=batch_size,
                progress=tell,
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
        return cut_after(model, self.site, head)


def train_classifier(
    model: LanguageModel,
    texts: Sequence[LabelledText],
    *,
    site: Site | str,
    pooling: str = "mean",
    edits: EditsOf | None = None,
    lr: float = 0.01,
    epochs: int = 1,
    batch_size: int = 128,
    seed: int = 42,
    fit: str = "adamw",
    bos: bool | str = "auto",
    partial: Batches | None = None,
    progress: Progress | bool | None = None,
) -> Classifier:
    """Train a probe on labelled texts (Marks et al. 2024, appendix D); the model itself stays as it is.

    Args:
        site: the residual site whose activations are pooled.
        edits: edits of any batch of tokens (``edits_of``): the probe is trained on what they leave.
        lr, epochs, batch_size, seed, fit: see ``fit_probe``.
        bos: whether texts begin with a BOS; ``auto`` is the tokenizer's own default.
        partial: where pooled activations of finished batches are kept.
    """
    has_bos = bos if isinstance(bos, bool) else decide_bos(bos, None, model.tokenizer)
    where = Site.parse(site) if isinstance(site, str) else site
    with shown(progress) as tell:
        pooled = pooled_activations(
            model,
            texts,
            site=where,
            pooling=pooling,
            bos=has_bos,
            edits=edits,
            partial=partial,
            progress=tell,
        )
    labels = torch.tensor([text.label for text in texts], dtype=torch.int64, device=pooled.device)
    probe = fit_probe(pooled, labels, lr=lr, epochs=epochs, batch_size=batch_size, seed=seed, fit=fit)
    return Classifier(model, where, pooling, probe.weight, probe.bias, has_bos)
