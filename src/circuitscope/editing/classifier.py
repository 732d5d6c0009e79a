"""train_classifier: a linear probe on a model's pooled activations, trained on labelled texts."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from circuitscope.editing.probe import fit_probe
from circuitscope.model import EditsOf, LanguageModel, decide_bos
from circuitscope.tasks.labelled import Classifier, LabelledText, pooled_activations
from circuitscope.terms import Site
from circuitscope.work import Batches, Progress, shown


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
    with shown(progress):  # which the pooling joins
        pooled = pooled_activations(
            model,
            texts,
            site=where,
            pooling=pooling,
            bos=has_bos,
            edits=edits,
            partial=partial,
        )
    labels = torch.tensor([text.label for text in texts], dtype=torch.int64, device=pooled.device)
    probe = fit_probe(pooled, labels, lr=lr, epochs=epochs, batch_size=batch_size, seed=seed, fit=fit)
    return Classifier(model, where, pooling, probe.weight, probe.bias, has_bos)


__all__ = ["Classifier", "train_classifier"]
