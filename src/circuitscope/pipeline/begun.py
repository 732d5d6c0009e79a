"""A run whose first step says what it is about: begun, continued, and opened again."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from circuitscope.errors import BadInput, argument
from circuitscope.runs import MANIFEST, Stage, read_manifest, write_manifest


def begin_run(
    folder: Path, kind: str, content: Mapping[str, Any], first: Stage, *, texts: str, overwrite: bool
) -> None:
    """Say in a run's manifest what it is about; continues a run that says the same.

    A run about something else is refused, unless ``overwrite`` is given or its first stage is not there yet.

    Args:
        texts: what a run of this kind is about besides its model and dictionaries.
    """
    refuse_foreign(folder)
    if (folder / MANIFEST).is_file():
        earlier = read_manifest(folder, kind)
        if all(earlier.get(name) == value for name, value in content.items()):
            return
        if first.in_(folder).exists() and not overwrite:
            raise BadInput(
                f"{folder} is a run about something else",
                expected=f"the same model, dictionaries and {texts}, or a new path",
                mend=f"choose another path, or add {argument('overwrite', True)}",
            )
    folder.mkdir(parents=True, exist_ok=True)
    write_manifest(folder, kind, dict(content), files_too=False)


def refuse_foreign(folder: Path) -> None:
    """Raise BadInput for a folder that circuitscope did not write."""
    if folder.is_dir() and any(folder.iterdir()) and not (folder / MANIFEST).is_file():
        raise BadInput(
            f"{folder} is a folder that circuitscope did not write",
            expected="a new path, or the folder of an earlier run",
            mend="choose another path",
        )


def refuse_changed(
    folder: Path, manifest: Mapping[str, Any], hashes: Mapping[str, str], config: Mapping[str, Any]
) -> None:
    """Raise BadInput if the model, the dictionaries or the texts are not those that a run began with.

    Args:
        hashes: of what was loaded now: ``model_hash``, ``dictionaries_hash``, ``data_hash``; those that are to be
            the same.
        config: what the run is about, with the name of each.
    """
    for name, found in hashes.items():
        if found != manifest[name]:
            what = name.removesuffix("_hash")
            raise BadInput(
                f"the {what} in {config[what]} changed after {folder} was begun",
                expected=f"content {manifest[name][:12]}…",
                mend="restore the old one, or begin another run",
            )


def portable_path(name: str) -> str:
    """A local file or folder in full, so that later steps find it from anywhere; any other name as it is."""
    path = Path(name).expanduser()
    return str(path.resolve()) if path.exists() else name
