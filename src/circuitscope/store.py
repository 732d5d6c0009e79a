"""Folders that are never half-written: safetensors and JSON, no pickle.

A folder is written to a temporary sibling and renamed when it is complete. Its ``manifest.json`` says what it
is, which schema it follows and what its files contain (SHA-256), so a damaged file is noticed on reading.
"""

from __future__ import annotations

import dataclasses
import errno
import hashlib
import json
import os
import shutil
import sys
import typing
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from circuitscope.errors import BadFile, BadInput, OutOfSpace

SCHEMA_VERSION = 1
"""The version that this program writes; older ones are read or refused by name."""

MANIFEST = "manifest.json"
_REFUSED = (
    *(errno.EACCES, errno.EROFS, errno.EPERM),
    *(errno.EEXIST, errno.EISDIR, errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG),
)
"""What the system says where nothing can be written, or no file or folder can be."""
_RECORDED = ("circuitscope", "torch", "transformers", "numpy", "safetensors")


@contextmanager
def new_folder(path: Path, *, overwrite: bool = False) -> Iterator[Path]:
    """Yield a temporary sibling of ``path`` to write into; it becomes ``path`` if nothing is raised.

    An existing folder is an error unless ``overwrite``, and then stays untouched until the new one is complete.
    """
    _clear_leftovers(path)
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


def _clear_leftovers(path: Path) -> None:
    """Put right what a process that was killed while it renamed folders has left beside ``path``."""
    for left in [*path.parent.glob(f".{path.name}.*.old"), *path.parent.glob(f".{path.name}.*.tmp")]:
        process = left.name.split(".")[-2]
        if not process.isdecimal() or _is_running(int(process)):
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
    """Raise BadInput if there is something at ``path`` that nobody allowed to replace, or that is no result.

    With ``kind`` also if it is a result of another kind: a run must not fall to an export of the same name.
    """
    if overwrite and kind is not None:
        _refuse_other_kind(path, kind)
    if overwrite and path.is_dir() and any(path.iterdir()) and not (path / MANIFEST).is_file():
        raise BadInput(
            f"{path} is a folder that circuitscope did not write",
            expected="a new path, or an earlier result, which --overwrite may replace",
            mend="choose another path, or remove the folder yourself",
        )
    if path.exists() and not overwrite:
        raise BadInput(
            f"{path} exists already",
            expected="a new path",
            mend="say --overwrite to replace it, or choose another",
        )


def _kind_of(folder: Path) -> str | None:
    """What a folder's manifest says it is; None where nothing readable does."""
    try:
        manifest = read_json(folder / MANIFEST)
    except BadFile:
        return None
    return manifest.get("kind") if isinstance(manifest, dict) else None


def _refuse_other_kind(path: Path, kind: str) -> None:
    found = _kind_of(path)
    if found is not None and found != kind:
        raise BadInput(
            f"{path} is of kind {found!r}, and what was to replace it of kind {kind!r}",
            expected=f"a new path, or an earlier result of kind {kind!r}",
            mend="choose another path; --overwrite replaces only what is of the same kind",
        )


def _replace_folder(draft: Path, path: Path) -> None:
    kind = _kind_of(draft)
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


@contextmanager
def explained_disk(path: Path) -> Iterator[None]:
    """Turn a full disk or a forbidden folder into an error that says so."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            free = shutil.disk_usage(_existing_parent(path)).free
            raise OutOfSpace(
                f"the disk is full: writing {path} failed ({free / 2**20:.0f} MiB free)",
                expected="room for the whole result; nothing half-written was left",
                mend="free some space, or write elsewhere, and run the same command again",
            ) from error
        if error.errno in _REFUSED:
            raise BadFile(
                f"{path} cannot be written: {error.strerror}", mend="choose a folder that you may write to"
            ) from error
        raise


def _existing_parent(path: Path) -> Path:
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


_Plain = TypeVar("_Plain")


def from_plain(kind: type[_Plain], value: Any) -> _Plain:
    """The inverse of ``dataclasses.asdict``: JSON's plain values as a dataclass with the same fields.

    Fields are numbers, strings, dataclasses, ``tuple[X, ...]`` of these, mappings, or one of these or None.
    A field that has a default may be missing, as it is in files from before it existed; any other missing field, and
    an unknown one, is a BadFile error that names it.
    """
    hints = typing.get_type_hints(kind)
    if isinstance(value, Mapping):
        value = {**_defaults(kind), **value}
    if not isinstance(value, Mapping) or set(value) != set(hints):
        got = sorted(set(value) ^ set(hints)) if isinstance(value, Mapping) else type(value).__name__
        raise BadFile(
            f"{kind.__name__} cannot be read: {got}", expected=", ".join(hints), mend="make the file again"
        )
    return kind(**{name: _field(hints[name], item) for name, item in value.items()})


def read_plain(
    kind: type[_Plain], place: str | Path, *, file: str, newest: int, what: str, again: str
) -> _Plain:
    """A dataclass as ``to_json`` of its room wrote it: ``file`` in a folder, or a file itself.

    ``newest`` is the newest schema version that can be read; ``what`` and ``again`` say in an error what was expected
    there and how to make it anew.

    Raises:
        BadFile: it is missing, damaged, or follows a newer schema.
    """
    path = Path(place)
    path = path / file if path.is_dir() else path
    value = read_json(path)
    version = value.get("schema_version") if isinstance(value, dict) else None
    if not isinstance(version, int) or version > newest:
        raise BadFile(
            f"{path} follows schema version {version}",
            expected=f"{what} of at most version {newest}",
            mend=f"install a newer circuitscope, or {again}",
        )
    return from_plain(kind, value)


def _defaults(kind: type[Any]) -> dict[str, Any]:
    fields = dataclasses.fields(kind)
    return {item.name: item.default for item in fields if item.default is not dataclasses.MISSING}


def _field(hint: Any, value: Any) -> Any:
    arguments = typing.get_args(hint)
    if type(None) in arguments:
        wanted = next(item for item in arguments if item is not type(None))
        return None if value is None else _field(wanted, value)
    if typing.get_origin(hint) is tuple:
        return tuple(_field(arguments[0], item) for item in value)
    is_dataclass = isinstance(hint, type) and dataclasses.is_dataclass(hint)
    return from_plain(hint, value) if is_dataclass else value


def write_manifest(folder: Path, kind: str, content: Mapping[str, Any], *, files_too: bool = True) -> None:
    """Finish a folder: record what it is, the versions that made it, and every file's hash.

    Without ``files_too`` no file is listed: for a folder of folders, each of which has a manifest of its own.
    """
    files = {
        str(file.relative_to(folder)): hash_file(file)
        for file in sorted(folder.rglob("*"))
        if files_too and file.is_file() and file.name != MANIFEST
    }
    write_json(
        folder / MANIFEST,
        {
            "schema_version": SCHEMA_VERSION,
            "kind": kind,
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
            "versions": versions(),
            "files": files,
            **content,
        },
    )


def read_manifest(folder: Path, kind: str, *, check_files: bool = True) -> dict[str, Any]:
    """Read a folder's manifest; raises BadFile if it is of another kind or schema, or a file was damaged."""
    path = folder / MANIFEST
    if not folder.exists():
        raise BadFile(f"there is no folder {folder}", expected=f"a {kind} folder", mend="check the path")
    if not path.is_file():
        raise BadFile(
            f"{folder} is no {kind} folder: it has no {MANIFEST}",
            expected=f"a folder that circuitscope wrote ({kind})",
            mend="check the path",
        )
    manifest = read_json(path)
    found = manifest.get("schema_version") if isinstance(manifest, dict) else None
    if not isinstance(found, int) or manifest.get("kind") != kind:
        raise BadFile(
            f"{path} describes {manifest.get('kind') if isinstance(manifest, dict) else manifest!r}",
            expected=f"a manifest of kind {kind!r}",
            mend="this is another kind of folder",
        )
    if found > SCHEMA_VERSION:
        raise BadFile(
            f"{folder} follows schema version {found}",
            expected=f"at most {SCHEMA_VERSION}, which this program knows",
            mend="install a newer circuitscope",
        )
    if check_files:
        for name, digest in manifest["files"].items():
            if not (folder / name).is_file() or hash_file(folder / name) != digest:
                raise BadFile(
                    f"{folder / name} is missing or was changed after it was written",
                    expected=f"SHA-256 {digest[:12]}…",
                    mend="copy the folder again, or make it again",
                )
    return dict(manifest)


def hash_file(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def hash_json(value: Any) -> str:
    """SHA-256 of a JSON value, independent of the order of its keys."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()


def versions() -> dict[str, str]:
    """What a result was made with."""
    found = {"python": sys.version.split()[0]}
    for name in _RECORDED:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
