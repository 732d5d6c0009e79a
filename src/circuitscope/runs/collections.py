"""A folder of run folders: opened, listed and searched.

Only manifests, scores and the headers of array files are read, so thousands of runs take a moment. No file is hashed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from circuitscope.errors import BadFile
from circuitscope.runs.about import About, about_of
from circuitscope.runs.files import MANIFEST, array_shapes, read_json
from circuitscope.runs.stages import CIRCUIT, CLASSIFIER_CIRCUIT, EVALUATION, STAGES


@dataclass(frozen=True)
class RunEntry:
    """A run, as a line of a collection."""

    path: Path
    kind: str
    """``run`` (a circuit), ``shift`` or ``behaviours``."""
    about: About
    created: str
    """When it was begun, in ISO 8601; empty where the manifest does not say."""
    nodes: int | None
    """How many nodes its circuit has; None where there is none yet."""
    faithfulness: float | None
    """The one that its evaluation puts first; None if it was not evaluated, or is undefined."""

    @property
    def name(self) -> str:
        return self.path.name

    def matches(self, text: str) -> bool:
        """Whether every word of a text occurs in what the run is called and about, whatever its case."""
        said = " ".join((self.name, self.kind, str(self.about), self.created)).casefold()
        return all(word in said for word in text.casefold().split())


@dataclass(frozen=True)
class Collection:
    """The runs of a folder, by name."""

    folder: Path
    runs: tuple[RunEntry, ...]

    def __len__(self) -> int:
        return len(self.runs)

    def __iter__(self) -> Iterator[RunEntry]:
        return iter(self.runs)

    def __getitem__(self, name: str) -> RunEntry:
        """A run by its name.

        Raises:
            KeyError: there is none of this name.
        """
        for run in self.runs:
            if run.name == name:
                return run
        raise KeyError(name)

    def search(self, text: str) -> Collection:
        """The runs in whose name, task, model or dictionaries every word of a text occurs."""
        return Collection(self.folder, tuple(run for run in self.runs if run.matches(text)))

    def __repr__(self) -> str:
        """A line per run, for a person at a prompt."""
        lines = [f"{self.folder}: {len(self)} run{'' if len(self) == 1 else 's'}"]
        for run in self.runs:
            size = "" if run.nodes is None else f", {run.nodes} nodes"
            score = "" if run.faithfulness is None else f", faithfulness {run.faithfulness:.2f}"
            lines.append(f"  {run.name}: {run.about}{size}{score}")
        return "\n".join(lines)


def open_collection(folder: str | Path) -> Collection:
    """The runs in a folder; hidden folders and those that are not runs are skipped.

    Raises:
        BadFile: there is no such folder.
    """
    place = Path(folder).expanduser()
    if not place.is_dir():
        raise BadFile(
            f"there is no folder {place}", expected="a folder of run folders", mend="check the path"
        )
    found = (_entry(path) for path in sorted(place.iterdir()) if path.name[0] != ".")
    return Collection(place, tuple(entry for entry in found if entry is not None))


def runs_in(folder: Path, kind: str = CIRCUIT) -> list[Path]:
    """The runs of a kind in a folder that is not a run itself, by name."""
    if not folder.is_dir() or _run_manifest(folder) is not None:
        return []
    inside = sorted(path for path in folder.iterdir() if path.name[0] != ".")
    return [path for path in inside if (_run_manifest(path) or {}).get("kind") == kind]


def _run_manifest(folder: Path) -> dict[str, Any] | None:
    """A run's manifest; None for a folder that is not a run, or whose manifest is damaged."""
    if not (folder / MANIFEST).is_file():
        return None
    try:
        found = read_json(folder / MANIFEST)
    except BadFile:
        return None
    return found if isinstance(found, dict) and found.get("kind") in STAGES else None


def _entry(folder: Path) -> RunEntry | None:
    manifest = _run_manifest(folder)
    if manifest is None:
        return None
    kind = str(manifest["kind"])
    circuit = folder if kind == CIRCUIT else CLASSIFIER_CIRCUIT.in_(folder)
    return RunEntry(
        folder,
        kind,
        about_of(manifest),
        str(manifest.get("created") or ""),
        _nodes(circuit),
        _faithfulness(circuit),
    )


def _nodes(circuit: Path) -> int | None:
    try:
        return array_shapes(circuit / CLASSIFIER_CIRCUIT.file)["nodes.site"][0]
    except (BadFile, KeyError, IndexError):
        return None


def _faithfulness(circuit: Path) -> float | None:
    path = EVALUATION.path(circuit)
    if not path.is_file():
        return None
    try:
        value = read_json(path)["scores"][0]["faithfulness"]["value"]
    except (BadFile, KeyError, IndexError, TypeError):
        return None
    return None if value is None else float(value)
