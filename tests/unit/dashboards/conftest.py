"""Toy models that can read text: forty words, two of them for the beginning and the end."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import WhitespaceSplit
from toys import VOCAB, toy_hf
from transformers import PreTrainedTokenizerFast

from circuitscope.model import LanguageModel, load_model

Reader = Callable[..., LanguageModel]


def word_tokenizer(words: int = VOCAB) -> PreTrainedTokenizerFast:
    names = ["<s>", "</s>", *(f"w{number}" for number in range(2, words))]
    inner = Tokenizer(WordLevel({name: number for number, name in enumerate(names)}, unk_token="</s>"))
    inner.pre_tokenizer = WhitespaceSplit()
    return PreTrainedTokenizerFast(tokenizer_object=inner, bos_token="<s>", unk_token="</s>")


@pytest.fixture(scope="session")
def reader() -> Reader:
    """A toy model of a family with a tokenizer of so many words."""

    def make(family: str = "llama", words: int = VOCAB) -> LanguageModel:
        hf = toy_hf(family)
        return load_model(hf, dtype="float64", device="cpu", tokenizer=word_tokenizer(words))

    return make
