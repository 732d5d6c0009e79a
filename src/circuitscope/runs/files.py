"""Single files, written whole or not at all: safetensors and JSON, no pickle."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from circuitscope.errors import BadFile, OutOfSpace

MANIFEST = "manifest.json"
_LARGEST_HEADER = 100 * 2**20
"""Bytes; the limit of the format."""
_REFUSED = (
    *(errno.EACCES, errno.EROFS, errno.EPERM),
    *(errno.EEXIST, errno.EISDIR, errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG),
)
"""What the system says where nothing can be written, or where no file or folder can be."""


@contextmanager
def explained_disk(path: Path) -> Iterator[None]:
    """Turn a full disk or a forbidden folder into an error that says so."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            free = shutil.disk_usage(existing_parent(path)).free
            raise OutOfSpace(
                f"the disk is full: writing {path} failed ({free / 2**20:.0f} MiB free)",
                expected="room for the whole result; nothing was left half-written",
                mend="free some space, or write elsewhere, and run the same command again",
            ) from error
        if error.errno in _REFUSED:
            raise BadFile(
                f"{path} cannot be written: {error.strerror}", mend="choose a folder that you may write to"
            ) from error
        raise


def existing_parent(path: Path) -> Path:
    """A path itself, or the nearest of what it would be in that is there."""
    path = path.absolute()
    while not path.exists():
        path = path.parent
    return path


def write_file(path: Path, content: bytes) -> None:
    """Write one file whole or not at all."""
    draft = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with explained_disk(path):
        try:
            with draft.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            draft.replace(path)
        finally:
            draft.unlink(missing_ok=True)


def write_arrays(path: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write named arrays as safetensors, whole or not at all."""
    from safetensors.numpy import save

    write_file(path, save({name: np.asarray(array, order="C") for name, array in arrays.items()}))


def read_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """Read a safetensors file into named arrays."""
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        return dict(load_file(path))
    except (OSError, SafetensorError) as error:
        raise BadFile(
            f"{path} cannot be read: {error}",
            expected="a complete safetensors file",
            mend="the file is missing or damaged; make it again",
        ) from error


def array_shapes(path: Path) -> dict[str, tuple[int, ...]]:
    """The shapes of the arrays in a safetensors file, from its header alone."""
    try:
        with path.open("rb") as file:
            size = int.from_bytes(file.read(8), "little")
            if size > _LARGEST_HEADER:
                raise ValueError("it does not begin with a header")
            header = json.loads(file.read(size))
            return {name: tuple(item["shape"]) for name, item in header.items() if name != "__metadata__"}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadFile(
            f"{path} cannot be read: {error}",
            expected="a complete safetensors file",
            mend="the file is missing or damaged; make it again",
        ) from error


def write_json(path: Path, value: Any) -> None:
    """Write a JSON file, whole or not at all; NaN is refused, since JSON has none."""
    write_file(path, (json.dumps(value, indent=1, allow_nan=False) + "\n").encode())


def read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise BadFile(
            f"{path} cannot be read: {error}",
            expected="a JSON file that circuitscope wrote",
            mend="check the path; a damaged file has to be made again",
        ) from error


def hash_file(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def hash_json(value: Any) -> str:
    """SHA-256 of a JSON value, independent of the order of its keys."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()


def kind_of(folder: Path) -> str | None:
    """What a folder's manifest says it is; None if there is no readable manifest."""
    try:
        manifest = read_json(folder / MANIFEST)
    except BadFile:
        return None
    return manifest.get("kind") if isinstance(manifest, dict) else None
