"""Folders that are never half-written, and files that are written whole or not at all.

A folder is written to a temporary sibling and renamed once it is complete.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from circuitscope.errors import BadFile, BadInput, argument
from circuitscope.runs.files import MANIFEST, existing_parent, explained_disk, kind_of


@contextmanager
def new_folder(path: Path, *, overwrite: bool = False, claimed: bool = False) -> Iterator[Path]:
    """Yield a temporary sibling of ``path`` to write into; it becomes ``path`` if nothing is raised.

    An existing folder is an error unless ``overwrite``, and then stays untouched until the new one is complete.
    Only whoever has a claim on the path (``claim``) may say so: then whatever another machine left is cleared too.
    """
    clear_leftovers(path, claimed=claimed)
    refuse_existing(path, overwrite=overwrite)
    draft = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with explained_disk(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir()
        try:
            yield draft
            _replace_folder(draft, path)
        finally:
            shutil.rmtree(draft, ignore_errors=True)


def clear_leftovers(path: Path, *, claimed: bool = False) -> None:
    """Clean up what a process that was killed while writing or renaming folders left beside ``path``.

    Args:
        claimed: nobody else writes there, so that whatever is there is left over, even from another machine.
    """
    for left in [*path.parent.glob(f".{path.name}.*.old"), *path.parent.glob(f".{path.name}.*.tmp")]:
        process = left.name.split(".")[-2]
        if not process.isdecimal() or (not claimed and _is_running(int(process))):
            continue
        if left.suffix == ".old" and not path.exists():
            left.rename(path)  # killed between the two renames: this is the earlier result
        else:
            shutil.rmtree(left, ignore_errors=True)


def _is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def refuse_existing(path: Path, *, overwrite: bool, kind: str | None = None) -> None:
    """Raise BadInput if there is something at ``path`` that may not be replaced, or that is not a result.

    With ``kind``, also if it is a result of another kind: an export must not replace a run of the same name.
    """
    refuse_unwritable(path)
    if overwrite and kind is not None:
        _refuse_other_kind(path, kind)
    if overwrite and path.is_dir() and any(path.iterdir()) and not (path / MANIFEST).is_file():
        raise BadInput(
            f"{path} is a folder that circuitscope did not write",
            expected=f"a new path, or an earlier result, which {argument('overwrite', True)} may replace",
            mend="choose another path, or remove the folder yourself",
        )
    if path.exists() and not overwrite:
        raise BadInput(
            f"{path} already exists",
            expected="a new path",
            mend=f"add {argument('overwrite', True)} to replace it, or choose another",
        )


def refuse_unwritable(path: Path) -> None:
    """Raise if nothing can be written at ``path`` because of what it would be in: a file, or a forbidden folder."""
    parent = existing_parent(path.absolute().parent)
    if not parent.is_dir():
        raise BadFile(
            f"{path} cannot be written: {parent} is a file",
            expected="a place in a folder, which may be new",
            mend="choose another path",
        )
    if not os.access(parent, os.W_OK | os.X_OK):
        raise BadFile(
            f"{path} cannot be written: {os.strerror(errno.EACCES)}",
            expected="a folder that you may write to",
            mend="choose another path",
        )


def _refuse_other_kind(path: Path, kind: str) -> None:
    found = kind_of(path)
    if found is not None and found != kind:
        raise BadInput(
            f"{path} is of kind {found!r}, and its replacement would be of kind {kind!r}",
            expected=f"a new path, or an earlier result of kind {kind!r}",
            mend=f"choose another path; {argument('overwrite', True)} replaces only what is of the same kind",
        )


def _replace_folder(draft: Path, path: Path) -> None:
    kind = kind_of(draft)
    if kind is not None:  # whoever wrote it may not have looked before
        _refuse_other_kind(path, kind)
    if not path.exists():
        draft.rename(path)
        return
    old = path.with_name(f".{path.name}.{os.getpid()}.old")
    shutil.rmtree(old, ignore_errors=True)
    path.rename(old)
    draft.rename(path)
    if old.is_file():
        old.unlink()
    shutil.rmtree(old, ignore_errors=True)
