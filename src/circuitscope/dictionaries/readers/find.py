"""From a folder to dictionaries: tells the format and calls its reader.

Our own folder wins wherever its manifest is, since it has a copy for SAELens inside. A folder must have exactly one
of the published formats: which one is meant is not guessed. A zip is opened if there is nothing else.
"""

from __future__ import annotations

from pathlib import Path
from typing import Protocol, cast

from circuitscope.dictionaries.collection import Dictionaries
from circuitscope.dictionaries.readers import (
    dictionary_learning,
    gemma_scope,
    gemma_scope_2,
    own_folder,
    saelens,
    sparsify,
    transcoders,
    zipped,
)
from circuitscope.dictionaries.readers.gather import name_skipped
from circuitscope.errors import BadFile
from circuitscope.terms import Site


class Reader(Protocol):
    """What a module in this folder offers."""

    NAME: str
    """What people call the format."""
    LAYOUT: str
    """A few words on the files."""
    HOLDS: tuple[str, ...]
    """The classes or architectures that are read, in the format's own words."""

    def recognises(self, folder: Path) -> bool: ...
    def read(self, folder: Path, site: Site | None = None) -> Dictionaries: ...


PUBLISHED = cast(tuple[Reader, ...], (dictionary_learning, saelens, gemma_scope, gemma_scope_2, sparsify))
READERS = (cast(Reader, own_folder), *PUBLISHED)
_REFUSED = cast(tuple[Reader, ...], (transcoders,))


def read_dictionaries(folder: Path, site: Site | None = None) -> Dictionaries:
    """Read every dictionary below a folder, whatever supported format it has.

    Args:
        folder: the folder; or a zip of one.
        site: read only this site's dictionary; a single one that does not say its site is taken to be it.

    Raises:
        BadFile: there is no such folder, its format is not known, or it has dictionaries in two formats.
        BadDictionary: a dictionary is damaged, or of a kind that is not supported.
    """
    if folder.suffix == ".zip" and folder.is_file():
        return read_dictionaries(zipped.unpacked(folder), site)
    if not folder.is_dir():
        raise BadFile(
            f"there is no folder {folder}",
            expected="a folder with dictionaries",
            mend="check the path",
        )
    if own_folder.recognises(folder):
        return own_folder.read(folder, site)
    name_skipped(folder)
    fitting = [reader for reader in (*PUBLISHED, *_REFUSED) if reader.recognises(folder)]
    if len(fitting) == 1:
        return fitting[0].read(folder, site)
    if fitting:
        raise BadFile(
            f"{folder} has dictionaries in several formats: {', '.join(reader.NAME for reader in fitting)}",
            expected="one format",
            mend="name the folder inside it that you mean",
        )
    archive = zipped.archive_in(folder)
    if archive is not None:
        return read_dictionaries(zipped.unpacked(archive), site)
    raise BadFile(
        f"{folder} has no dictionaries in a known format",
        expected="; or ".join([*(reader.LAYOUT for reader in READERS), zipped.LAYOUT]),
        mend="check the path, or train some: circuitscope train-dictionaries",
    )
