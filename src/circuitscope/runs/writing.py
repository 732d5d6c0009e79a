"""write_stage: the one way in which a stage's folder is written."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import Any

from circuitscope.runs.folders import new_folder
from circuitscope.runs.manifest import write_manifest
from circuitscope.runs.origins import MADE_FROM, made_from
from circuitscope.runs.stages import Stage

Write = Callable[[Path], Mapping[str, Any] | None]
"""Fills a folder that is being written; may return what else the manifest says."""


def write_stage(
    run: Path,
    stage: Stage,
    write: Write,
    config: Any = None,
    *,
    origins: Mapping[str, str] | None = None,
    out: Path | None = None,
    overwrite: bool = False,
) -> Path:
    """Write a stage of a run, whole or not at all, with a manifest that says what it was made from.

    Args:
        write: fills the folder with the stage's files.
        config: the stage's settings, a dataclass or a mapping.
        origins: what ``made_from`` said when the stage began; by default what it says now.
        out: a folder other than the stage's own.

    Returns:
        The folder.
    """
    origins = made_from(run, stage) if origins is None else origins
    folder = stage.in_(run) if out is None else out
    with new_folder(folder, overwrite=overwrite) as draft:
        content = dict(write(draft) or {})
        if config is not None:
            content["config"] = asdict(config) if is_dataclass(config) else dict(config)  # type: ignore[arg-type]
        write_manifest(draft, stage.kind, {**content, MADE_FROM: dict(origins)})
    return folder
