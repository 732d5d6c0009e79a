"""Texts cut into contexts, and tokens as texts."""

from __future__ import annotations

import pytest
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import WhitespaceSplit
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from circuitscope.errors import BadInput
from circuitscope.model import NOTHING, TokenTexts, cut, documents_of, read_contexts


def test_documents_are_cut_and_never_joined():
    contexts = cut([[1, 2, 3, 4, 5], [6], [7, 8]], 3, None)
    batch = contexts.take([0, 1, 2])
    assert batch.ids.tolist() == [[1, 2, 3], [4, 5, 0], [7, 8, 0]]
    assert batch.mask.sum(dim=1).tolist() == [3, 2, 2]
    assert len(contexts) == 3  # the single token 6 predicts nothing


def test_bos_stands_before_every_context_and_counts():
    contexts = cut([[1, 2, 3, 4]], 3, 0)
    batch = contexts.take([0, 1])
    assert batch.ids.tolist() == [[0, 1, 2], [0, 3, 4]]
    assert batch.live.tolist() == [[False, True, True]] * 2


def test_what_follows_a_context_is_known():
    contexts = cut([[1, 2, 3, 4, 5], [6, 7], [8, 9, 10]], 3, 0)
    assert [contexts.tokens(row) for row in range(4)] == [[1, 2], [3, 4], [6, 7], [8, 9]]
    assert contexts.follows.tolist() == [3, 5, NOTHING, 10]
    first, rest = contexts.split(1)
    assert (first.follows.tolist(), rest.follows.tolist()) == ([3], [5, NOTHING, 10])


def test_documents_are_separated_and_empty_ones_left_out():
    assert documents_of(" a b <|endoftext|>\n<|endoftext|>c") == ["a b", "c"]
    assert documents_of(["a", " "]) == ["a"]


def tokenizer() -> PreTrainedTokenizerFast:
    inner = Tokenizer(WordLevel({"<s>": 0, "he": 1, "she": 2}, unk_token="<s>"))
    inner.pre_tokenizer = WhitespaceSplit()
    return PreTrainedTokenizerFast(tokenizer_object=inner, bos_token="<s>", unk_token="<s>")


def test_reading_stops_after_enough_tokens():
    documents = ["he she", "she", "he he he", "she she"]
    read = {
        most: len(read_contexts(documents, tokenizer(), context=9, bos="no", most=most).ids)
        for most in (1, 3, 4)
    }
    assert read == {1: 2, 3: 3, 4: 6}
    with pytest.raises(BadInput, match="no tokenizer"):
        read_contexts(documents, None, context=9)


def test_words_begin_with_a_space():
    texts = TokenTexts.of(known := tokenizer())
    assert texts.many([1, 2]) == (" he", " she")
    assert TokenTexts.of(known) is texts
    assert TokenTexts.of(tokenizer()) is not texts


@pytest.mark.parametrize("folder", ["models/stories260K", "tokenizers/gpt_neox"])
def test_tokens_join_to_their_text(shared, folder):
    known = AutoTokenizer.from_pretrained(shared / folder)
    text = " The cats aren't\n\n  here , don't \"ask\"?\t42"
    ids = known(text, add_special_tokens=False)["input_ids"]
    joined = "".join(TokenTexts.of(known).many(ids))
    assert joined.lstrip() == text.lstrip(), "SentencePiece puts one more space in front"
    assert any(piece.startswith(" ") for piece in TokenTexts.of(known).many(ids))
