"""What each stage of a run was made from, and what has changed since."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from circuitscope.errors import BadFile
from circuitscope.runs.files import MANIFEST, hash_json, kind_of, read_json
from circuitscope.runs.stages import RUN, STAGES, Stage

_ABOUT = (
    *("config", "model_hash", "dictionaries_hash", "data_hash"),
    *("files", "sites", "recipe", "findings", "info"),
)
"""What of a run's own manifest later stages depend on."""

MADE_FROM = "made_from"
"""Where a manifest says what its stage was made from."""


class Manifests:
    """The manifests of a run and of its stages, each read once."""

    def __init__(self, run: Path) -> None:
        self.run = run
        self._read: dict[str, dict[str, Any]] = {}
        self._states: dict[str, str] = {}

    @cached_property
    def kind(self) -> str:
        return run_kind(self.run)

    def folder(self, name: str) -> Path:
        return self.run if name == RUN else self.run / name

    def has(self, name: str) -> bool:
        """Whether there is a finished result of a stage, or of the run itself."""
        return (self.folder(name) / MANIFEST).is_file()

    def of(self, name: str) -> dict[str, Any]:
        """The manifest of a stage, or of the run itself.

        Raises:
            BadFile: it is damaged.
        """
        if name not in self._read:
            path = self.folder(name) / MANIFEST
            found = read_json(path)
            if not isinstance(found, dict):
                raise BadFile(f"{path} is not a manifest", expected="a JSON object", mend="make it again")
            self._read[name] = found
        return self._read[name]

    def state(self, name: str) -> str:
        """A hash of what a stage found, or of what the run is; a stage's own later stages do not change it."""
        if name not in self._states:
            manifest = self.of(name)
            about = {key: manifest.get(key) for key in _ABOUT}
            self._states[name] = hash_json(about if name == RUN else manifest.get("files"))
        return self._states[name]

    def origins(self, stage: Stage) -> dict[str, str]:
        """What a stage says it was made from; nothing if an earlier version wrote it."""
        manifest = self.of(stage.name)
        return dict(manifest.get(MADE_FROM) or (manifest.get("config") or {}).get(MADE_FROM) or {})

    def change(self, stage: Stage) -> Change | None:
        """What has changed since a stage was made from it; None if it is up to date."""
        origins = self.origins(stage)
        for name, state in origins.items():
            if not self.has(name):
                return Change(name, "is gone")
            if self.state(name) != state:
                return Change(name, "was made again")
        if not origins:
            return None
        added = (name for name in stage.uses if name not in origins and self.has(name))
        return next((Change(name, "was added") for name in added), None)


@dataclass(frozen=True)
class Change:
    """Something that makes a later stage out of date."""

    name: str
    """A stage, or ``run`` for the run itself."""
    what: str
    """What happened to it, as a verb."""

    def __str__(self) -> str:
        """``the classifier was made again``."""
        return f"the run itself {self.what}" if self.name == RUN else f"{self.name} {self.what}"


def run_kind(run: Path) -> str:
    """``run``, ``shift`` or ``behaviours``.

    Raises:
        BadFile: the folder is neither.
    """
    kind = kind_of(run)
    if kind not in STAGES:
        found = f"{run} is a folder of kind {kind!r}" if kind else f"{run} is not a run folder"
        raise BadFile(
            found if run.exists() else f"there is no folder {run}",
            expected="a folder written by circuitscope discover, circuitscope shift train or circuitscope behaviours "
            "contexts",
            mend="check the path",
        )
    return kind


def is_there(run: Path, stage: Stage) -> bool:
    """Whether a run has a finished result of a stage."""
    return Manifests(run).has(stage.name)


def state_of(run: Path, name: str) -> str:
    """A hash of what a stage found, or of what the run itself is (``run``)."""
    return Manifests(run).state(name)


def made_from(run: Path, stage: Stage) -> dict[str, str]:
    """What a new result of a stage says about what it is made from: name → state."""
    look = Manifests(run)
    present = [name for name in stage.uses if look.has(name)]
    return {name: look.state(name) for name in (*stage.made_from, *present)}


def outdated_by(run: Path, stage: Stage) -> str | None:
    """What was made again, added or removed after a stage that depends on it; None if nothing was.

    A stage that does not say what it was made from (written by an earlier version) counts as up to date.
    """
    change = Manifests(run).change(stage)
    return None if change is None else change.name
