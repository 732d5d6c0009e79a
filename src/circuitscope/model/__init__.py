"""The language model as a graph of sites: capture their tensors, replace them, replay the rest.

One small record per family (``families.py``) says where the sites are; everything else is generic.
"""

from circuitscope.model.blocks import BlockCalls
from circuitscope.model.bos import decide_bos, tokenizer_adds_bos
from circuitscope.model.check import check_block_calls
from circuitscope.model.contexts import NOTHING, CutText, bos_id, cut, documents_of, read_contexts, tokenize
from circuitscope.model.cut_model import cut_after
from circuitscope.model.family import (
    RESID,
    TOKEN_EMBEDDING,
    Family,
    Tap,
    family_of,
    module_tensor,
    register_family,
    supported_families,
)
from circuitscope.model.fingerprint import fingerprint, tokenizer_fingerprint
from circuitscope.model.hooks import Edit, Edits, EditsOf, hooked, is_hooked
from circuitscope.model.language_model import Cache, LanguageModel, Taps
from circuitscope.model.linear_rules import LinearRules, linear_rules, register_linear_rules
from circuitscope.model.load import load_model, load_tokenizer
from circuitscope.model.shape import ModelShape, shape_of
from circuitscope.model.token_text import TokenTexts
from circuitscope.model.tokens import TokenBatch, pad

__all__ = [
    "NOTHING",
    "RESID",
    "TOKEN_EMBEDDING",
    "BlockCalls",
    "Cache",
    "CutText",
    "Edit",
    "Edits",
    "EditsOf",
    "Family",
    "LanguageModel",
    "LinearRules",
    "ModelShape",
    "Tap",
    "Taps",
    "TokenBatch",
    "TokenTexts",
    "bos_id",
    "check_block_calls",
    "cut",
    "cut_after",
    "decide_bos",
    "documents_of",
    "family_of",
    "fingerprint",
    "hooked",
    "is_hooked",
    "linear_rules",
    "load_model",
    "load_tokenizer",
    "module_tensor",
    "pad",
    "read_contexts",
    "register_family",
    "register_linear_rules",
    "shape_of",
    "supported_families",
    "tokenize",
    "tokenizer_adds_bos",
    "tokenizer_fingerprint",
]
