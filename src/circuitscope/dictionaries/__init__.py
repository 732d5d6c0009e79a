"""Dictionaries (SAEs and the identity): encode, decode, read and write vectors, formats, training."""

from circuitscope.dictionaries.base import CHUNK_BYTES, Dictionary
from circuitscope.dictionaries.collection import (
    Dictionaries,
    mlp_hidden_dictionaries,
    neuron_dictionaries,
    neurons_like,
)
from circuitscope.dictionaries.hub import missing_dictionaries
from circuitscope.dictionaries.load import load_dictionaries, refuse_missing_dictionaries
from circuitscope.dictionaries.readers.own_folder import KIND as DICTIONARIES_FOLDER
from circuitscope.dictionaries.readers.own_folder import write as write_dictionaries
from circuitscope.dictionaries.source import portable_source

__all__ = [
    "CHUNK_BYTES",
    "DICTIONARIES_FOLDER",
    "Dictionaries",
    "Dictionary",
    "load_dictionaries",
    "missing_dictionaries",
    "mlp_hidden_dictionaries",
    "neuron_dictionaries",
    "neurons_like",
    "portable_source",
    "refuse_missing_dictionaries",
    "write_dictionaries",
]
