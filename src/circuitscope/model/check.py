"""The self-check of a family record, on a real forward pass at load.

1. Every block obeys resid_l = resid_{l-1} + contribution(attn_l) + contribution(mlp_l), for every tap.
2. Recomputing the MLP from the stream before it gives the tapped tensor.
3. Logits computed only where asked equal the model's own.
"""

from __future__ import annotations

import torch
from torch import Tensor

from circuitscope.errors import UnsupportedModel
from circuitscope.model.family import Tap
from circuitscope.model.language_model import Cache, LanguageModel
from circuitscope.model.tokens import TokenBatch
from circuitscope.terms import Site


def check_record(model: LanguageModel) -> None:
    """Raise UnsupportedModel, naming the site, if the family record does not hold for this model."""
    length = min(6, int(getattr(model.config, "max_position_embeddings", 6)))
    generator = torch.Generator().manual_seed(0)
    ids = torch.randint(0, int(model.config.vocab_size), (2, length), generator=generator)
    tokens = TokenBatch(ids, torch.ones_like(ids, dtype=torch.bool), has_bos=False).to(model.device)
    positions = torch.arange(length, device=model.device).expand(2, length)
    inner = [site for site in model.sites if site.kind in ("attn", "mlp")]
    n_taps = max(len(taps) for taps in model.family.taps.values())
    for variant in range(n_taps):
        taps = {
            site: model.family.taps[site.kind][min(variant, len(model.family.taps[site.kind]) - 1)]
            for site in inner
        }
        cache = model.capture(tokens, taps, positions)
        for layer in range(model.n_layers):
            _check_block(model, cache, layer, taps)
        if variant == 0:
            with torch.no_grad():
                own = model.hf(
                    input_ids=tokens.ids, attention_mask=tokens.mask.long(), use_cache=False
                ).logits
            _compare(model, cache.logits, own, "logits", "the model's own forward pass")


def _check_block(model: LanguageModel, cache: Cache, layer: int, taps: dict[Site, Tap]) -> None:
    block = model.blocks[layer]
    attn, mlp = Site("attn", layer), Site("mlp", layer)
    before, after = cache.streams[layer], cache.streams[layer + 1]
    with torch.no_grad():
        added = [taps[site].contributes(block, cache.x[site]) for site in (attn, mlp)]
        _compare(
            model,
            before + added[0] + added[1],
            after,
            f"resid_{layer}",
            f"resid_{layer - 1} + contribution(attn_{layer}) + contribution(mlp_{layer})",
        )
        read = before if model.parallel else before + added[0]
        _compare(model, model.mlp_contribution(layer, read), added[1], f"mlp_{layer}", "the MLP's own path")


def _compare(model: LanguageModel, ours: Tensor, theirs: Tensor, what: str, source: str) -> None:
    tolerance = {torch.float64: 1e-5, torch.float32: 1e-4}.get(model.dtype, 5e-2)
    scale = theirs.abs().max().clamp(min=1e-6)
    gap = float((ours - theirs).abs().max() / scale)
    if not gap <= tolerance:
        raise UnsupportedModel(
            f"the {model.family.name} record does not describe {model.name}: {what} differs from {source} "
            f"by {gap:.1e} of its largest entry",
            expected=f"at most {tolerance:.0e}",
            mend="the weights may hold NaN, or this model is a variant that needs a record of its own "
            "(circuitscope.model.register_family)",
        )
