"""manifest.json: what a folder is, which schema it follows, what made it, and what its files contain (SHA-256).

A file that was damaged or changed is noticed when the folder is read.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from circuitscope.errors import BadFile
from circuitscope.runs.files import MANIFEST, hash_file, read_json, write_json

SCHEMA_VERSION = 1
"""The version that this program writes; older ones are read or refused by name."""

_RECORDED = ("circuitscope", "torch", "transformers", "numpy", "safetensors")


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
        raise BadFile(
            f"there is no folder {folder}", expected=f"a circuitscope {kind} folder", mend="check the path"
        )
    if not path.is_file():
        raise BadFile(
            f"{folder} is not a circuitscope {kind} folder: it has no {MANIFEST}",
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
    files = manifest.get("files")
    if not isinstance(files, dict) or not all(isinstance(digest, str) for digest in files.values()):
        raise BadFile(
            f"{path} does not list its files",
            expected="the SHA-256 of each file by name",
            mend="copy the folder again, or make it again",
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


def versions() -> dict[str, str]:
    """What a result was made with."""
    found = {"python": sys.version.split()[0]}
    for name in _RECORDED:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
