"""The self-checks of a family record, on real forward passes.

At load:

1. Every block obeys resid_l = resid_{l-1} + contribution(attn_l) + contribution(mlp_l), for every tap.
2. Recomputing the MLP from the stream before it gives the tapped tensor.
3. Logits computed only where asked equal the model's own.

Before blocks are first called one by one: every block gives the stream that it gives in the model, on copies of
padded examples, and copies that enter on the way end in the logits that they have.
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


def check_block_calls(model: LanguageModel) -> None:
    """Raise UnsupportedModel, naming the site, if calling the blocks one by one is not the model."""
    tokens = _padded_tokens(model)
    everywhere = torch.arange(tokens.positions, device=model.device).expand(tokens.batch, -1)
    cache = model.capture(tokens, {}, everywhere)
    rows = torch.tensor([2, 0, 1, 0], device=model.device)
    real, columns = tokens.mask[rows], everywhere[:1].expand(len(rows), -1)
    what = "resid_0"
    try:
        with torch.no_grad():
            calls = model.block_calls(tokens)
            for layer in range(model.n_layers):
                what = f"resid_{layer}"
                ours = calls.on(rows).run(layer, cache.streams[layer][rows])
                _compare_called(model, ours[real], cache.streams[layer + 1][rows][real], what)
            what = "logits"
            entering = {-1: cache.streams[0][rows[:1]], 0: cache.streams[1][rows[1:]]}
            logits = model.replay_growing(entering, calls.on(rows), columns)
            _compare_called(model, logits[real], cache.logits[rows][real], what)
    except (UnsupportedModel, torch.OutOfMemoryError):
        raise
    except Exception as error:  # whatever a block of someone's own may say
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise UnsupportedModel(
            f"the blocks of {model.name} ({model.family.name}) cannot be called one by one (for {what}): {reason}",
            expected=_CALLABLE,
            mend=_LAYER_BY_LAYER,
        ) from error


_CALLABLE = "blocks that depend on nothing but what the model hands to them"
_LAYER_BY_LAYER = "leave out CIRCUITSCOPE_WAVE=on: layer by layer gives the same numbers"


def _padded_tokens(model: LanguageModel) -> TokenBatch:
    """Three examples: a whole one, one with padding on the left, and one with padding on the right."""
    length = min(6, model.positions or 6)
    generator = torch.Generator().manual_seed(0)
    ids = torch.randint(0, int(model.config.vocab_size), (3, length), generator=generator)
    mask = torch.ones_like(ids, dtype=torch.bool)
    mask[1, : length // 3] = False
    mask[2, length - length // 3 :] = False
    return TokenBatch(ids, mask, has_bos=False).to(model.device)


def _compare_called(model: LanguageModel, ours: Tensor, theirs: Tensor, what: str) -> None:
    tolerance, gap = _gap(model, ours, theirs)
    if not gap <= tolerance:
        raise UnsupportedModel(
            f"the blocks of {model.name} ({model.family.name}) cannot be called one by one: {what} differs from "
            f"the model's own forward pass by {gap:.1e} of its largest entry",
            expected=_CALLABLE,
            mend=_LAYER_BY_LAYER,
        )


def _compare(model: LanguageModel, ours: Tensor, theirs: Tensor, what: str, source: str) -> None:
    tolerance, gap = _gap(model, ours, theirs)
    if not gap <= tolerance:
        raise UnsupportedModel(
            f"the {model.family.name} record does not describe {model.name}: {what} differs from {source} "
            f"by {gap:.1e} of its largest entry",
            expected=f"at most {tolerance:.0e}",
            mend="the weights may hold NaN, or this model is a variant that needs a record of its own "
            "(circuitscope.model.register_family)",
        )


def _gap(model: LanguageModel, ours: Tensor, theirs: Tensor) -> tuple[float, float]:
    """How far two tensors may be apart, and how far they are, relative to the largest entry."""
    tolerance = {torch.float64: 1e-5, torch.float32: 1e-4}.get(model.dtype, 5e-2)
    scale = theirs.abs().max().clamp(min=1e-6)
    return tolerance, float((ours - theirs).abs().max() / scale)
