"""The tokenizer of the bundled model: one token per word, by default of the bundled language."""

from __future__ import annotations

from collections.abc import Sequence

from tokenizers import Tokenizer, decoders
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Punctuation, WhitespaceSplit
from tokenizers.pre_tokenizers import Sequence as OneAfterTheOther
from tokenizers.processors import TemplateProcessing
from transformers import PreTrainedTokenizerFast

from circuitscope.tasks.language import vocabulary

BOS, UNKNOWN = "<bos>", "<unk>"
CONTEXT = 128


def make_tokenizer(words: Sequence[str] | None = None) -> PreTrainedTokenizerFast:
    """Words are split at spaces, punctuation stands alone; a text begins with BOS.

    Args:
        words: the vocabulary besides BOS and the unknown word; None for the bundled language's.
    """
    known = vocabulary() if words is None else words
    ids = {word: number for number, word in enumerate((BOS, UNKNOWN, *known))}
    inner = Tokenizer(WordLevel(ids, unk_token=UNKNOWN))
    inner.pre_tokenizer = OneAfterTheOther([WhitespaceSplit(), Punctuation()])
    inner.decoder = decoders.WordPiece(prefix="##", cleanup=True)
    inner.post_processor = TemplateProcessing(single=f"{BOS} $A", special_tokens=[(BOS, ids[BOS])])
    return PreTrainedTokenizerFast(
        tokenizer_object=inner, bos_token=BOS, eos_token=BOS, unk_token=UNKNOWN, model_max_length=CONTEXT
    )
