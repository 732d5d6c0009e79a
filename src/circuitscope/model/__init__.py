"""The language model as a graph of sites: capture their tensors, replace them, replay the rest.

One small record per family (``families.py``) says where the sites are; everything else is generic.
"""

from circuitscope.model.bos import decide_bos, tokenizer_adds_bos
from circuitscope.model.family import Family, Tap, family_of, register_family, supported_families
from circuitscope.model.hooks import Edit, hooked
from circuitscope.model.language_model import Cache, LanguageModel
from circuitscope.model.load import load_model
from circuitscope.model.tokens import TokenBatch, pad

__all__ = [
    "Cache",
    "Edit",
    "Family",
    "LanguageModel",
    "Tap",
    "TokenBatch",
    "decide_bos",
    "family_of",
    "hooked",
    "load_model",
    "pad",
    "register_family",
    "supported_families",
    "tokenizer_adds_bos",
]
