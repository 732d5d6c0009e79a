"""A HuggingFace cache on disk, as downloads leave it, so that hub ids work without a network."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

REVISION = "0123456789abcdef0123456789abcdef01234567"


def snapshot(hub: Path, repository: str, kind: str = "models") -> Path:
    """The folder that a repository's files are put in; made if it is not there."""
    place = hub / f"{kind}--{repository.replace('/', '--')}"
    files = place / "snapshots" / REVISION
    files.mkdir(parents=True, exist_ok=True)
    (place / "refs").mkdir(exist_ok=True)
    (place / "refs" / "main").write_text(REVISION)
    return files


def put(hub: Path, repository: str, folder: Path) -> None:
    """Put a folder's files into the cache as a repository."""
    shutil.copytree(folder, snapshot(hub, repository), dirs_exist_ok=True)


def offline(hub: Path) -> dict[str, str]:
    """The environment of a process that has this cache and no network."""
    return {
        **os.environ,
        "HF_HUB_CACHE": str(hub),
        "HF_HUB_OFFLINE": "1",
        "CIRCUITSCOPE_HOME": str(hub.parent / "home"),
    }
