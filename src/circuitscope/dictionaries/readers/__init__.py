"""Readers of published dictionary formats, one file each."""

from circuitscope.dictionaries.readers.find import read_dictionaries

__all__ = ["read_dictionaries"]
