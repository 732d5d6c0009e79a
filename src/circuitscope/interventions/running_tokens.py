"""Which tokens the running forward pass is about, whoever called the model."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

from jaxtyping import Bool, Int
from torch import Tensor, nn

from circuitscope.errors import BadInput
from circuitscope.model import LanguageModel


class RunningTokens:
    """Watches what a model is called with; generation with a cache feeds a few tokens at a time."""

    def __init__(self) -> None:
        self.position: Int[Tensor, "batch position"]
        """Each token's position in its text, from 0 with BOS included."""
        self.live: Bool[Tensor, "batch position"]
        """Neither padding nor BOS."""
        self.furthest = -1
        """The largest position so far; -1 while the model has not run."""

    @contextmanager
    def watching(self, model: LanguageModel) -> Iterator[None]:
        """Follow the forward passes of a model."""
        bos = getattr(model.config if model.tokenizer is None else model.tokenizer, "bos_token_id", None)

        def look(module: nn.Module, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> None:
            ids = _ids(arguments, keywords)
            cache = keywords.get("past_key_values")
            before = 0 if cache is None else int(cache.get_seq_length())
            mask = _mask(keywords, ids, before)
            now = slice(before, before + ids.shape[1])
            self.position = (mask.long().cumsum(dim=1) - 1).clamp(min=0)[:, now]
            real = mask[:, now].bool()
            self.furthest = max(self.furthest, int(self.position.max()))
            self.live = real if bos is None else real & ~((self.position == 0) & (ids == bos))

        base = cast(nn.Module, model.hf.base_model)
        handle = base.register_forward_pre_hook(look, with_kwargs=True)
        try:
            yield
        finally:
            handle.remove()


def _ids(arguments: tuple[Any, ...], keywords: dict[str, Any]) -> Tensor:
    ids = keywords.get("input_ids", arguments[0] if arguments else None)
    if not isinstance(ids, Tensor):
        raise BadInput(
            "the model is called without token ids while nodes are held, scaled or steered",
            expected="token ids, which say where BOS is",
            mend="call it with input_ids, not with embeddings",
        )
    return ids


def _mask(keywords: dict[str, Any], ids: Tensor, before: int) -> Tensor:
    """True at real tokens, those in the cache included."""
    mask = keywords.get("attention_mask")
    if mask is None:
        return ids.new_ones(ids.shape[0], before + ids.shape[1])
    if not isinstance(mask, Tensor) or mask.dim() != 2:
        raise BadInput(
            "the attention mask does not say which tokens are padding",
            expected="a mask of shape (batch, position), or none",
            mend="generate with the usual cache, which grows",
        )
    return mask
