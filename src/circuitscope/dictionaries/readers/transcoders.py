"""Sets of transcoders as circuit-tracer has them: recognised, so that the refusal can say what they are.

``config.yaml`` with ``model_kind: transcoder_set`` or ``cross_layer_transcoder``, and ``layer_3.safetensors`` or
``W_enc_3.safetensors`` files.
"""

from __future__ import annotations

import re
from pathlib import Path

from circuitscope.dictionaries.collection import Dictionaries
from circuitscope.dictionaries.readers.gather import refuse_transcoder
from circuitscope.terms import Site

NAME = "circuit-tracer"
LAYOUT = "layer_L.safetensors files (circuit-tracer's transcoders)"
HOLDS: tuple[str, ...] = ()

FILE = re.compile(r"(?:layer|W_enc|W_dec)_\d+\.safetensors")
"""The names of a set's files, which lie side by side."""
_CONFIG = re.compile(r"^\s*model_kind:\s*['\"]?(?:transcoder_set|cross_layer_transcoder)|^transcoders:", re.M)


def recognises(folder: Path) -> bool:
    config = folder / "config.yaml"
    if config.is_file() and _CONFIG.search(config.read_text(encoding="utf-8", errors="replace")):
        return True
    return any(FILE.fullmatch(path.name) for path in folder.glob("*.safetensors"))


def read(folder: Path, site: Site | None = None) -> Dictionaries:
    raise refuse_transcoder(str(folder))
