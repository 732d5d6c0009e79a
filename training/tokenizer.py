"""The tokenizer of the bundled model: one token per word of the bundled language."""

from __future__ import annotations

from tokenizers import Tokenizer, decoders
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Punctuation, Sequence, WhitespaceSplit
from tokenizers.processors import TemplateProcessing
from transformers import PreTrainedTokenizerFast

from circuitscope.tasks.language import vocabulary

BOS, UNKNOWN = "<bos>", "<unk>"
CONTEXT = 128


def make_tokenizer() -> PreTrainedTokenizerFast:
    """Words are split at spaces, punctuation stands alone; a text begins with BOS."""
    ids = {word: number for number, word in enumerate((BOS, UNKNOWN, *vocabulary()))}
    inner = Tokenizer(WordLevel(ids, unk_token=UNKNOWN))
    inner.pre_tokenizer = Sequence([WhitespaceSplit(), Punctuation()])
    inner.decoder = decoders.WordPiece(prefix="##", cleanup=True)
    inner.post_processor = TemplateProcessing(single=f"{BOS} $A", special_tokens=[(BOS, ids[BOS])])
    return PreTrainedTokenizerFast(
        tokenizer_object=inner, bos_token=BOS, eos_token=BOS, unk_token=UNKNOWN, model_max_length=CONTEXT
    )
