"""A tokenizer is known by what it makes of texts, not by how it was last called."""

from __future__ import annotations

import pytest
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import WhitespaceSplit
from transformers import PreTrainedTokenizerFast

from circuitscope.model import tokenizer_fingerprint


def fast(words=("<s>", "a", "b"), split=True, **special):
    inner = Tokenizer(WordLevel({word: number for number, word in enumerate(words)}, unk_token="<s>"))
    if split:
        inner.pre_tokenizer = WhitespaceSplit()
    return PreTrainedTokenizerFast(tokenizer_object=inner, bos_token="<s>", pad_token="<s>", **special)


class Slow:
    """One that is not made of rules."""

    def __init__(self, *words):
        self._words = words
        self.special_tokens_map = {"bos_token": "<s>"}

    def get_vocab(self):
        return {word: number for number, word in enumerate(self._words)}


def test_equal_tokenizers_have_one_fingerprint():
    used = fast()
    used(["a b", "a"], padding=True, truncation=True, max_length=7)
    assert tokenizer_fingerprint(used) == tokenizer_fingerprint(fast())
    assert tokenizer_fingerprint(Slow("a", "b")) == tokenizer_fingerprint(Slow("a", "b"))


@pytest.mark.parametrize(
    "other", [fast(("<s>", "b", "a")), fast(split=False), fast(eos_token="b"), Slow("a", "b"), Slow("b", "a")]
)
def test_others_have_another(other):
    these = [fast(), fast(("<s>", "b", "a")), fast(split=False), fast(eos_token="b")]
    these += [Slow("a", "b"), Slow("b", "a")]
    same = [item for item in these if tokenizer_fingerprint(item) == tokenizer_fingerprint(other)]
    assert len(same) == 1
