"""promoted_tokens: the tokens whose logits a feature's write vector raises and lowers most.

For a write vector v at a tap,

    u = what the tap contributes to the residual stream for v        (v itself where the tap is the stream's)
    w = U (g ⊙ c(u))                                                 U: unembedding, g: scale of the last norm
    weight of token t = w_t − mean over the vocabulary

where c subtracts the mean if the last norm is a LayerNorm and does nothing if it is an RMS norm. Special tokens (BOS,
padding) are not shown: they are not words. This is the direct path alone: no later attention or MLP. It leaves out
the last norm's denominator, which depends on the text and divides all of a token's weights alike; a feature that
changes the denominator much does more than is shown. Softmax does not see the mean over the vocabulary. A soft cap
on the logits (Gemma-2) is monotone and is left out.

Where a norm stands between tap and stream (Gemma's attention heads and hidden MLP neurons), u is a
linearisation: the norm's scale is kept, and its denominator, which depends on the text, is that of the write
vector by itself. Directions and signs are right, lengths are not comparable between features: ``exact`` is
False.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from circuitscope.dictionaries import Dictionaries
from circuitscope.model import LanguageModel, Tap, TokenTexts
from circuitscope.results import FeatureTokens, TokenWeight
from circuitscope.terms import Site

_ROWS = 32
"""Features whose logits over the whole vocabulary are held at once, always this many: how a product is rounded
depends on its shape, and what is found about a feature must not depend on the others that are asked for."""
_LOUD = 32.0
"""Root mean square of what is sent through a norm: so large that the norm's epsilon is negligible."""


def promoted_tokens(
    model: LanguageModel,
    dictionaries: Dictionaries,
    features: Sequence[tuple[Site, int]],
    *,
    count: int = 10,
) -> tuple[FeatureTokens, ...]:
    """The tokens that features raise and lower most on the direct path to the logits; see this module's text.

    Args:
        features: (site, feature) pairs; the result has their order.
        count: at most this many tokens on each side.
    """
    found: dict[tuple[Site, int], FeatureTokens] = {}
    wanted = sorted(set(features))
    texts = TokenTexts.of(model.tokenizer)
    known = len(model.tokenizer)  # the unembedding may have more rows, which mean nothing
    with torch.no_grad():
        for start in range(0, len(wanted), _ROWS):
            part = wanted[start : start + _ROWS]
            vectors = [stream_vector(model, dictionaries, *feature) for feature in part]
            rows = torch.stack([vector for vector, _ in vectors])
            filled = torch.cat([rows, rows[-1:].expand(_ROWS - len(rows), -1)])
            weights = direct_logits(model, filled)[: len(rows), :known]
            weights = weights - weights.mean(dim=1, keepdim=True)
            weights[:, model.tokenizer.all_special_ids] = 0  # padding and the like are not words to a reader
            for feature, row, (_, exact) in zip(part, weights, vectors, strict=True):
                raised, lowered = (_strongest(row, texts, count, sign) for sign in (1, -1))
                found[feature] = FeatureTokens(feature[0].name, feature[1], raised, lowered, exact)
    return tuple(found[feature] for feature in features)


def direct_logits(model: LanguageModel, direction: Float[Tensor, "row width"]) -> Float[Tensor, "row vocab"]:
    """What directions in the last residual stream add to the logits, without the last norm's denominator.

    For a model that was cut (a classifier's), the logits are those of the whole one, whose tokens people read.
    """
    return linear_part(model.whole.final_norm, direction) @ model.whole.unembedding.T


def linear_part(norm: nn.Module, x: Float[Tensor, "row width"]) -> Float[Tensor, "row width"]:
    """g ⊙ c(x) for a norm N(x) = g ⊙ c(x) / rms(c(x)) + bias, whichever class it has.

    A norm forgets the length of what it reads: N of a large x, less N(0), is g ⊙ c(x) / rms(c(x)), and the root
    mean square is put back. A module that does not forget it (no norm at all) is already linear.
    """
    zero: Tensor = norm(torch.zeros_like(x[:1]))
    length = _rms(x - x.mean(dim=1, keepdim=True) if _centres(norm, x) else x)
    loud = x * (_LOUD / length)
    once, twice = (Tensor.sub(norm(scale * loud), zero) for scale in (1, 2))
    return once * (length / _LOUD) if _same(twice, 2 * once) else once * length


def _centres(norm: nn.Module, x: Tensor) -> bool:
    """Whether a norm subtracts the mean: to a LayerNorm every constant vector is the zero vector."""
    zero = torch.zeros_like(x[:1])
    ramp = torch.linspace(-_LOUD, _LOUD, x.shape[1], dtype=x.dtype, device=x.device)
    constant, other = (norm(zero + probe) - norm(zero) for probe in (_LOUD, ramp))
    return bool(constant.abs().max() <= 1e-2 * other.abs().max())


def _rms(x: Tensor) -> Tensor:
    """1 for a vector of zeros, which nothing can make large."""
    length = x.pow(2).mean(dim=1, keepdim=True).sqrt()
    return torch.where(length > 0, length, 1.0)


def stream_vector(
    model: LanguageModel, dictionaries: Dictionaries, site: Site, feature: int
) -> tuple[Float[Tensor, " width"], bool]:
    """A write vector as the residual stream receives it, and whether the way there is linear."""
    dictionary = dictionaries[site]
    vector = dictionary.write_vectors(torch.tensor([feature], device=model.device))
    tap: Tap = model.tap(site, dictionary.tensor)
    if tap.contribution is None:
        return vector[0], True
    block = model.blocks[site.layer]
    zero, once, twice = (tap.contributes(block, scale * vector) for scale in (0, 1, 2))
    return (once - zero)[0], _same(twice - zero, 2 * (once - zero))


def _same(first: Tensor, second: Tensor) -> bool:
    scale = float(second.abs().max())
    tolerance = 1e-3 if first.dtype in (torch.float32, torch.float64) else 5e-2
    return bool((first - second).abs().max() <= tolerance * scale)


def _strongest(
    weights: Float[Tensor, " vocab"], texts: TokenTexts, count: int, sign: int
) -> tuple[TokenWeight, ...]:
    value, token = (sign * weights.float()).topk(min(count, len(weights)))
    pairs = zip(token.tolist(), value.tolist(), strict=True)
    return tuple(TokenWeight(texts[token], sign * value) for token, value in pairs if value > 0)
