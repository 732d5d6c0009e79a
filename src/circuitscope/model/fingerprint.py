"""Whether two models have the same weights."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from circuitscope.model.language_model import LanguageModel


def fingerprint(model: LanguageModel) -> str:
    """SHA-256 over a sample of a model's weights: enough to tell two models apart, and cheap for large ones."""
    digest = hashlib.sha256()
    for name, weight in model.hf.named_parameters():
        flat = weight.detach().flatten()
        sample = flat[:: max(1, flat.numel() // 4096)].double().cpu().numpy()
        digest.update(f"{name} {tuple(weight.shape)}".encode())
        digest.update(np.ascontiguousarray(sample).data)
    return digest.hexdigest()


def tokenizer_fingerprint(tokenizer: Any) -> str:
    """SHA-256 over what a tokenizer makes of texts: its rules and tokens, but not how it was last used."""
    fast = getattr(tokenizer, "backend_tokenizer", None)
    if fast is not None:
        # Truncation and padding, which come first, are remembered from the last call.
        _, name, rules = fast.to_str().partition('"added_tokens"')
        content = name + rules
    else:
        content = f"{type(tokenizer).__qualname__} {sorted(tokenizer.get_vocab().items())}"
    return hashlib.sha256(f"{content} {tokenizer.special_tokens_map}".encode()).hexdigest()
