"""Prepared: a stage of a SHIFT that is ready to run, which is what each stage's ``prepare`` returns.

Every stage is three functions. ``prepare_…`` refuses what cannot be done and loads what is needed, ``…_step`` does
the work and writes only what lets a stopped stage continue, and ``finish_…`` writes the stage's folder.
``run_shift_…`` does all three.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic

from circuitscope.config import ConfigType
from circuitscope.pipeline.shift.run import ShiftRun, open_shift
from circuitscope.runs import Stage, Write, made_from, need_shift, refuse_existing, write_stage
from circuitscope.work import Partial, Progress


@dataclass(frozen=True)
class Prepared(Generic[ConfigType]):
    """A stage with everything that it works on."""

    stage: Stage
    run: ShiftRun
    config: ConfigType
    origins: Mapping[str, str]
    """What it is made from, as it was when the stage began."""
    overwrite: bool
    progress: Progress

    @property
    def folder(self) -> Path:
        """Where the stage is written."""
        return self.stage.in_(self.run.folder)

    def partial(self, plan: Mapping[str, Any]) -> Partial:
        """What is kept of the work while it is in progress."""
        return Partial.beside(self.folder, plan)

    def write(self, write: Write) -> None:
        """Write the stage's folder, and delete what was kept on the way."""
        write_stage(
            self.run.folder, self.stage, write, self.config, origins=self.origins, overwrite=self.overwrite
        )
        Partial.discard(self.folder)


def prepare(
    folder: Path,
    stage: Stage,
    config: ConfigType,
    needed: tuple[Stage, ...],
    device: str,
    *,
    overwrite: bool,
    progress: Progress,
) -> Prepared[ConfigType]:
    """Check that a stage can be made, and load model, dictionaries and texts.

    Args:
        needed: the stages that must be there and up to date.

    Raises:
        BadInput: it already exists and ``overwrite`` is not given, or a stage that it needs is missing or out of
            date.
    """
    refuse_existing(stage.in_(folder), overwrite=overwrite, kind=stage.kind)
    need_shift(folder, *needed)
    run = open_shift(folder, device=device, progress=progress)
    return Prepared(stage, run, config, made_from(folder, stage), overwrite, progress)
