"""Whether what a user names is a place on this disk or the id of a repository on the HuggingFace hub."""

from __future__ import annotations

import re
from pathlib import Path

_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]{0,95}(?:/[A-Za-z0-9][\w.-]{0,95})?")
_FILES = (".pt", ".pth", ".bin", ".zip", ".npz", ".json", ".jsonl", ".yaml", ".yml", ".safetensors")


def looks_like_path(name: str) -> bool:
    """Whether a name means a place on this disk, there or not: then nobody asks the hub for it.

    A hub id is a word, or two words with one slash between them. Two words are a path if the first is a folder here:
    ``runs/typo`` beside ``runs`` is a mistyped path and not a repository of the user ``runs``.
    """
    if name.startswith((".", "/", "~")) or not _HUB_ID.fullmatch(name) or Path(name).exists():
        return True
    first, slash, _ = name.partition("/")
    return name.endswith(_FILES) or (bool(slash) and Path(first).is_dir())
