"""Random models and dictionaries of a given shape, for measuring what things cost.

The numbers mean nothing, but they are as many, as large and as sparse as those of trained ones: activations
depend on the input, and a chosen number of features is active on a token.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from transformers import (
    Gemma2Config,
    Gemma2ForCausalLM,
    GPTNeoXConfig,
    GPTNeoXForCausalLM,
    PreTrainedModel,
)

from circuitscope.dictionaries.affine import ReluDictionary
from circuitscope.dictionaries.collection import Dictionaries
from circuitscope.model import LanguageModel, TokenBatch, load_model
from circuitscope.tasks.inputs import Encoded
from circuitscope.terms import Site


@dataclass(frozen=True)
class Shape:
    """The shape of a model; the defaults are Pythia-70M's, a GPT-NeoX with parallel blocks."""

    layers: int = 6
    width: int = 512
    heads: int = 8
    vocab: int = 50304
    family: str = "gpt_neox"
    """``gpt_neox`` or ``gemma2``."""
    hidden_width: int | None = None
    """Width of the MLP; four times the stream's by default."""
    head_width: int | None = None
    key_heads: int | None = None
    """Heads of keys and values, where there are fewer than of queries."""

    @property
    def hidden(self) -> int:
        return self.hidden_width or 4 * self.width


def random_network(shape: Shape, seed: int = 0, scale: float = 3.0, device: str = "cpu") -> PreTrainedModel:
    """A model with random weights, ``scale`` times the usual ones so that logits depend on the input."""
    torch.manual_seed(seed)
    common = {
        "num_hidden_layers": shape.layers,
        "hidden_size": shape.width,
        "num_attention_heads": shape.heads,
        "intermediate_size": shape.hidden,
        "vocab_size": shape.vocab,
        "max_position_embeddings": 2048,
        "initializer_range": 0.02 * scale,
        "bos_token_id": 0,
        "eos_token_id": 0,
        "attn_implementation": "eager",
    }
    with torch.device(device):
        if shape.family == "gemma2":
            keys = {"num_key_value_heads": shape.key_heads, "head_dim": shape.head_width}
            return Gemma2ForCausalLM(Gemma2Config(**common, **keys)).eval()
        return GPTNeoXForCausalLM(GPTNeoXConfig(**common, rotary_pct=0.25, use_parallel_residual=True)).eval()


def random_model(shape: Shape, seed: int = 0, dtype: str = "float32", device: str = "cpu") -> LanguageModel:
    """The same as circuitscope sees it, without a tokenizer."""
    return load_model(random_network(shape, seed, device=device), device=device, dtype=dtype)


def site_activations(model: LanguageModel, tokens: TokenBatch) -> dict[Site, Tensor]:
    """The tensor of every site at every token, as (token, width)."""
    with torch.no_grad():
        cache = model.capture(tokens, model.taps(model.sites), tokens.last[:, None])
    return {site: x[tokens.mask] for site, x in cache.x.items()}


def random_dictionary(x: Tensor, features: int, active: int, generator: torch.Generator) -> ReluDictionary:
    """Random unit write vectors, read by themselves, with about ``active`` of them active on a token of ``x``.

    The bias is the mean of ``x``; one threshold for all features is the quantile of their pre-activations.
    """
    vectors = torch.randn(features, x.shape[1], generator=generator).to(x.device, x.dtype)
    vectors /= torch.linalg.vector_norm(vectors, dim=1, keepdim=True)
    bias = x.mean(dim=0)
    pre = (x - bias) @ vectors.T
    threshold = pre.float().flatten().kthvalue(max(1, round(pre.numel() * (1 - active / features)))).values
    return ReluDictionary(
        w_enc=vectors,
        b_enc=-threshold.to(x.dtype).expand(features).clone(),
        w_dec=vectors.clone(),  # a trained decoder is a tensor of its own
        b_dec=bias,
        pre_bias=bias,
    )


def random_dictionaries(
    model: LanguageModel, tokens: TokenBatch, features: int, active: int, seed: int = 0
) -> Dictionaries:
    """A random dictionary for every site of a model, calibrated on ``tokens``."""
    generator = torch.Generator().manual_seed(seed)
    by_site = {
        site: random_dictionary(x, features, active, generator)
        for site, x in site_activations(model, tokens).items()
    }
    return Dictionaries(by_site, name="random")


def random_pairs(batch: int, length: int, vocab: int, seed: int = 0) -> list[Encoded]:
    """Pairs of random tokens that differ at the second one, as "The athlete…" does, with two random answers."""
    generator = torch.Generator().manual_seed(seed)
    pairs = []
    for _ in range(batch):
        clean = torch.randint(0, vocab, (length,), generator=generator).tolist()
        other, answer, wrong = torch.randperm(vocab, generator=generator)[:3].tolist()
        pairs.append(Encoded(tuple(clean), (clean[0], other, *clean[2:]), (answer,), (wrong,)))
    return pairs
