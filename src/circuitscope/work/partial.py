"""Partial: the results of a run's batches while it is in progress, so that a killed run can continue.

Every batch's result is a file, written whole or not at all, in a hidden folder beside the run folder. The same
command finds it, skips the batches that are done and continues; since batches are summed in order, the
numbers are identical. A folder that was begun with other settings is not used.
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from numpy.typing import NDArray

from circuitscope.errors import BadFile
from circuitscope.runs import PARTIAL, explained_disk, read_arrays, read_json, write_arrays, write_json

log = logging.getLogger("circuitscope")

Arrays = dict[str, NDArray[Any]]


@runtime_checkable
class Batches(Protocol):
    """Where the results of finished batches are kept."""

    def get(self, name: str) -> Arrays | None: ...

    def put(self, name: str, arrays: Arrays) -> None: ...


class InMemory:
    """Results of batches for a discovery that writes nothing; they are gone when it ends."""

    def __init__(self) -> None:
        self._arrays: dict[str, Arrays] = {}

    def get(self, name: str) -> Arrays | None:
        return self._arrays.get(name)

    def put(self, name: str, arrays: Arrays) -> None:
        self._arrays[name] = arrays


class Prefixed:
    """A store whose results have a prefix in their names, for several steps of one kind."""

    def __init__(self, kept: Batches, prefix: str) -> None:
        self._kept, self._prefix = kept, prefix

    def get(self, name: str) -> Arrays | None:
        return self._kept.get(f"{self._prefix}-{name}")

    def put(self, name: str, arrays: Arrays) -> None:
        self._kept.put(f"{self._prefix}-{name}", arrays)


class Partial:
    """Named arrays of finished batches."""

    def __init__(self, folder: Path, plan: Mapping[str, Any]) -> None:
        self.folder = folder
        if self._other_plan(plan):
            log.warning("an unfinished run with other settings was beside it; starting afresh")
            self.remove()
        with explained_disk(folder):
            folder.mkdir(parents=True, exist_ok=True)
        if not (folder / "plan.json").is_file():
            write_json(folder / "plan.json", dict(plan))
        elif any(folder.glob("*.safetensors")):
            log.info("continuing the unfinished run in %s", folder)

    @classmethod
    def beside(cls, out: Path, plan: Mapping[str, Any]) -> Partial:
        """The partial results that belong to the run folder ``out``."""
        return cls(partial_folder(out), plan)

    @staticmethod
    def discard(out: Path) -> None:
        """Remove the partial results of a run that is complete."""
        shutil.rmtree(partial_folder(out), ignore_errors=True)

    def get(self, name: str) -> Arrays | None:
        """A finished batch's arrays, or None if it has to be computed."""
        path = self.folder / f"{name}.safetensors"
        if not path.is_file():
            return None
        try:
            return read_arrays(path)
        except BadFile:  # the machine went down before the file reached the disk
            path.unlink()
            return None

    def put(self, name: str, arrays: Arrays) -> None:
        write_arrays(self.folder / f"{name}.safetensors", arrays)

    def remove(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)

    def _other_plan(self, plan: Mapping[str, Any]) -> bool:
        path = self.folder / "plan.json"
        if not path.is_file():
            return self.folder.exists()
        try:
            return bool(read_json(path) != dict(plan))
        except BadFile:
            return True


def partial_folder(out: Path) -> Path:
    """Where the unfinished results of a run are."""
    return out.with_name(f".{out.name}{PARTIAL}")
