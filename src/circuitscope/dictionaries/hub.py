"""Dictionaries on the HuggingFace hub: which files of a repository are wanted, and fetching just those.

1. list the repository's files with their sizes;
2. choose: all of them, those below a folder, and for Gemma Scope, 1 or 2, one dictionary per layer;
3. download what the hub's cache lacks. Without a network, what an earlier download left is used.
"""

from __future__ import annotations

import glob
import logging
from collections.abc import Iterable
from pathlib import Path

from circuitscope.dictionaries.readers import gemma_scope, gemma_scope_2, transcoders
from circuitscope.dictionaries.readers.gather import refuse_transcoder
from circuitscope.dictionaries.source import parts
from circuitscope.errors import BadFile

_log = logging.getLogger("circuitscope")


def fetch(repository: str, inside: str = "") -> Path:
    """The local folder with a repository's dictionaries, or with those of a folder inside it.

    Raises:
        BadFile: the hub cannot be reached and nothing was downloaded before, or there is no such repository or
            folder.
        BadDictionary: it holds transcoders.
    """
    from huggingface_hub import snapshot_download

    try:
        sizes = _list(repository)
    except Exception as error:
        earlier = _downloaded(repository)
        if earlier is None or not (earlier / inside).is_dir():
            raise _unreachable(repository, error) from error
        _log.warning(
            "the hub did not answer for %s: using what was downloaded earlier, even if it is incomplete",
            repository,
        )
        return earlier / inside
    wanted = choose(repository, sizes, inside)
    try:
        whole = snapshot_download(repository, allow_patterns=[glob.escape(name) for name in wanted])
    except Exception as error:
        raise _unreachable(repository, error) from error
    return Path(whole) / inside


def missing(repository: str, inside: str = "") -> int | None:
    """Bytes that ``fetch`` would download; None where the hub does not say."""
    from huggingface_hub import try_to_load_from_cache

    try:
        sizes = _list(repository)
    except Exception:  # no network or no such repository: fetching says which
        return None if _downloaded(repository) is None else 0
    wanted = choose(repository, sizes, inside)
    return sum(
        sizes[name] for name in wanted if not isinstance(try_to_load_from_cache(repository, name), str)
    )


def missing_dictionaries(source: str) -> dict[str, int | None]:
    """What loading dictionaries would download first, with sizes in bytes; None where the hub does not say."""
    sizes = {str(part): missing(part.place, part.inside) for part in parts(source) if part.on_hub}
    return {name: size for name, size in sizes.items() if size != 0}


def choose(repository: str, files: Iterable[str], inside: str = "") -> list[str]:
    """The files of a repository that are read."""
    if gemma_scope.kind_of(repository) == "transcoders":
        raise refuse_transcoder(repository)
    files = list(files)
    below = [name for name in files if not inside or name.startswith(f"{inside}/")]
    if not below:
        raise BadFile(
            f"{repository} has no folder {inside}",
            expected=", ".join(sorted({name.split("/")[0] for name in files if "/" in name})[:20]),
            mend="check the part after the colon",
        )
    start = len(f"{inside}/") if inside else 0
    if any(transcoders.FILE.fullmatch(name[start:]) for name in below):
        raise refuse_transcoder(repository)
    if any(name.endswith(f"/{gemma_scope.WEIGHTS}") for name in below):
        return gemma_scope.choose(below, repository)
    if gemma_scope_2.holds(below):
        return gemma_scope_2.choose(below, repository)
    return below


def _list(repository: str) -> dict[str, int]:
    """Every file of a repository with its size in bytes."""
    from huggingface_hub import HfApi

    files = HfApi().model_info(repository, files_metadata=True).siblings or []
    return {file.rfilename: file.size or 0 for file in files}


def _downloaded(repository: str) -> Path | None:
    """The folder of an earlier download, complete or not."""
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(repository, local_files_only=True))
    except OSError:
        return None


def _unreachable(repository: str, error: Exception) -> BadFile:
    return BadFile(
        f"there is no folder {repository}, and the hub returned nothing for {repository!r}: "
        f"{(str(error).splitlines() or [''])[0]}",
        expected="a folder on this disk, or the id of a hub repository and a network connection",
        mend="check the spelling",
    )
