"""Tokenizers: a tiny one of words, and GPT-NeoX's own."""

from __future__ import annotations

from pathlib import Path

import pytest
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import WhitespaceSplit
from tokenizers.processors import TemplateProcessing
from transformers import PreTrainedTokenizerFast

WORDS = ("<s>", "<unk>", "The", "cat", "cats", "dog", "dogs", "old", "is", "are", "has", "have", "not")


def tokenizer_of(*words: str, bos: bool = True, adds_bos: bool = False) -> PreTrainedTokenizerFast:
    inner = Tokenizer(WordLevel({word: number for number, word in enumerate(words)}, unk_token="<unk>"))
    inner.pre_tokenizer = WhitespaceSplit()
    if adds_bos:
        inner.post_processor = TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 0)])
    special = {"bos_token": "<s>"} if bos else {}
    return PreTrainedTokenizerFast(tokenizer_object=inner, unk_token="<unk>", **special)


@pytest.fixture(scope="session")
def make_tokenizer():
    return tokenizer_of


@pytest.fixture(scope="session")
def tokenizer() -> PreTrainedTokenizerFast:
    return tokenizer_of(*WORDS)


@pytest.fixture(scope="session")
def gpt_neox(shared: Path) -> PreTrainedTokenizerFast:
    return PreTrainedTokenizerFast(tokenizer_file=str(shared / "tokenizers" / "gpt_neox" / "tokenizer.json"))
