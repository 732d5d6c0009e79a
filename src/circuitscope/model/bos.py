"""Whether texts begin with a BOS: one rule for training, discovery and everything after."""

from __future__ import annotations

from typing import Any

from circuitscope.errors import BadInput, argument


def tokenizer_adds_bos(tokenizer: Any) -> bool:
    """Whether this tokenizer puts a BOS before a text by itself."""
    ids = tokenizer("a")["input_ids"]
    return tokenizer.bos_token_id is not None and bool(ids) and ids[0] == tokenizer.bos_token_id


def decide_bos(choice: str, prepend_bos: bool | None, tokenizer: Any) -> bool:
    """``yes`` or ``no``; ``auto`` follows the dictionaries' metadata, or else the tokenizer's default."""
    if choice not in ("auto", "yes", "no"):
        raise BadInput(f"bos = {choice!r}", expected="auto, yes or no")
    wanted = {"yes": True, "no": False}.get(choice, prepend_bos)
    if wanted is None:
        wanted = tokenizer_adds_bos(tokenizer)
    if wanted and tokenizer.bos_token_id is None:
        raise BadInput(
            "a BOS is wanted, but the tokenizer has no BOS token",
            expected="a tokenizer with bos_token",
            mend=f"{argument('bos', 'no')}",
        )
    return wanted
