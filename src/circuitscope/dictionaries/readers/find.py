"""From what the user names to dictionaries: tells the format of a folder and calls its reader."""

from __future__ import annotations

from pathlib import Path

from circuitscope.dictionaries.collection import Dictionaries
from circuitscope.dictionaries.readers import dictionary_learning, own_folder
from circuitscope.errors import BadFile

_READERS = (own_folder, dictionary_learning)


def read_dictionaries(folder: Path) -> Dictionaries:
    """Read every dictionary below a folder, whatever supported format it has."""
    if not folder.is_dir():
        raise BadFile(
            f"there is no folder {folder}",
            expected="a folder with dictionaries",
            mend="check the path",
        )
    for reader in _READERS:
        if reader.recognises(folder):
            found: Dictionaries = reader.read(folder)
            return found
    raise BadFile(
        f"{folder} has no dictionaries in a known format",
        expected="; or ".join(reader.LAYOUT for reader in _READERS),
        mend="check the path, or train some: circuitscope train-dictionaries",
    )
