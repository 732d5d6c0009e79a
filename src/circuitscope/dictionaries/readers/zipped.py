"""A folder that holds one zip of dictionaries and nothing else, as the release for Pythia-70M is published.

The archive is unpacked once, into the cache folder (``CIRCUITSCOPE_HOME``, else the user's cache), under a name that
its contents determine. Only files that a reader reads are extracted, and only to places inside that folder; it
appears when it is complete.
"""

from __future__ import annotations

import logging
import os
import shutil
import stat
import zipfile
from pathlib import Path, PurePosixPath

from circuitscope.errors import BadFile, CircuitscopeError, OutOfSpace
from circuitscope.runs import hash_json, new_folder

LAYOUT = "one zip of such a folder"

_READ = (".pt", ".json", ".safetensors", ".npz")
_log = logging.getLogger("circuitscope")


def archive_in(folder: Path) -> Path | None:
    """The zip in a folder, if there is exactly one."""
    archives = sorted(folder.glob("*.zip"))
    return archives[0] if len(archives) == 1 else None


def unpacked(archive: Path) -> Path:
    """The folder with a zip's dictionaries, unpacked now or earlier."""
    try:
        with zipfile.ZipFile(archive) as opened:
            members = _members(opened, archive)
            identity = hash_json([[item.filename, item.CRC, item.file_size] for item in members])
            folder = cache_folder() / "unpacked" / f"{archive.stem}-{identity[:16]}"
            if not folder.is_dir():
                _unpack(opened, members, folder, archive)
            return folder
    except CircuitscopeError:
        raise
    except Exception as error:  # a damaged archive can end in anything
        raise BadFile(
            f"{archive} cannot be unpacked: {(str(error) or type(error).__name__).splitlines()[0]}",
            expected="a complete zip without a password",
            mend="the file is truncated or damaged; fetch it again",
        ) from error


def cache_folder() -> Path:
    """Where circuitscope keeps what it can make again."""
    home = os.environ.get("CIRCUITSCOPE_HOME")
    if home:
        return Path(home).expanduser() / "cache"
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "circuitscope"


def _members(opened: zipfile.ZipFile, archive: Path) -> list[zipfile.ZipInfo]:
    """The files to extract; raises BadFile if one of them would end up elsewhere, or is not a file."""
    members = []
    for item in opened.infolist():
        path = PurePosixPath(item.filename.replace("\\", "/"))
        if item.is_dir() or path.suffix not in _READ or "__MACOSX" in path.parts:
            continue
        link = stat.S_ISLNK(item.external_attr >> 16)
        if path.is_absolute() or ".." in path.parts or ":" in path.parts[0] or link:
            raise BadFile(
                f"{archive} has the entry {item.filename!r}, which leads outside the archive",
                expected="files inside it",
                mend="do not use this archive",
            )
        members.append(item)
    if not members:  # what is left of a truncated archive may look like the last file in it
        raise BadFile(
            f"{archive} cannot be unpacked: it has no dictionaries in it",
            expected=f"files that end in {', '.join(_READ)}",
            mend="it is the wrong archive, or truncated; fetch it again",
        )
    return members


def _unpack(opened: zipfile.ZipFile, members: list[zipfile.ZipInfo], folder: Path, archive: Path) -> None:
    needed = sum(item.file_size for item in members)
    with new_folder(folder) as draft:
        if shutil.disk_usage(draft).free < needed:
            raise OutOfSpace(
                f"unpacking {archive.name} takes {needed / 2**30:.1f} GiB",
                expected=f"that much room in {folder.parent}",
                mend="free some space, or set CIRCUITSCOPE_HOME to a folder on a larger disk",
            )
        _log.info("unpacking %s into %s (%.1f GiB), once", archive.name, folder, needed / 2**30)
        for item in members:
            place = draft / PurePosixPath(item.filename.replace("\\", "/"))
            place.parent.mkdir(parents=True, exist_ok=True)
            with opened.open(item) as source, place.open("wb") as target:
                shutil.copyfileobj(source, target, 2**20)
