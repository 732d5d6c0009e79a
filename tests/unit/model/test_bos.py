"""Whether texts begin with a BOS: the choice, then the dictionaries' metadata, then the tokenizer's default."""

from __future__ import annotations

import pytest
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.processors import TemplateProcessing
from transformers import PreTrainedTokenizerFast

from circuitscope.errors import BadInput
from circuitscope.model import decide_bos


def tokenizer_of(*, bos: bool = True, adds_bos: bool = False) -> PreTrainedTokenizerFast:
    inner = Tokenizer(WordLevel({"<s>": 0, "a": 1}, unk_token="a"))
    if adds_bos:
        inner.post_processor = TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 0)])
    return PreTrainedTokenizerFast(tokenizer_object=inner, **({"bos_token": "<s>"} if bos else {}))


@pytest.mark.parametrize(
    ("choice", "dictionaries", "tokenizer_adds", "wanted"),
    [
        ("yes", False, False, True),
        ("no", True, True, False),
        ("auto", True, False, True),
        ("auto", False, True, False),
        ("auto", None, True, True),
        ("auto", None, False, False),
    ],
)
def test_bos_follows_the_choice_then_the_dictionaries_then_the_tokenizer(
    choice, dictionaries, tokenizer_adds, wanted
):
    tokenizer = tokenizer_of(adds_bos=tokenizer_adds)
    assert decide_bos(choice, dictionaries, tokenizer) is wanted


@pytest.mark.parametrize(("choice", "dictionaries"), [("yes", None), ("auto", True)])
def test_a_bos_that_the_tokenizer_lacks_is_refused(choice, dictionaries):
    with pytest.raises(BadInput, match="no BOS token") as error:
        decide_bos(choice, dictionaries, tokenizer_of(bos=False))
    assert error.value.mend == "bos='no'"


def test_a_choice_of_bos_that_is_none_is_refused():
    with pytest.raises(BadInput, match="'maybe'"):
        decide_bos("maybe", None, tokenizer_of())
