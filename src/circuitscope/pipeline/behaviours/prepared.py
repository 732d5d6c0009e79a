"""PreparedBehaviours: a step of a search for behaviours that is ready to run; each step's ``prepare`` returns one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic

from circuitscope.config import ConfigType
from circuitscope.pipeline.behaviours.run import BehavioursRun
from circuitscope.runs import Stage, Write, write_stage
from circuitscope.work import Partial, Progress


@dataclass(frozen=True)
class PreparedBehaviours(Generic[ConfigType]):
    """A step with everything that it works on."""

    stage: Stage
    run: BehavioursRun
    config: ConfigType
    origins: Mapping[str, str]
    """What it is made from, as it was when the step began."""
    overwrite: bool
    progress: Progress

    @property
    def folder(self) -> Path:
        """Where the step's result is written."""
        return self.stage.in_(self.run.folder)

    def partial(self, plan: Mapping[str, Any]) -> Partial:
        """What is kept of the work while it is in progress."""
        return Partial.beside(self.folder, plan)

    def write(self, write: Write) -> None:
        """Write the result's folder, and delete what was kept on the way."""
        write_stage(
            self.run.folder, self.stage, write, self.config, origins=self.origins, overwrite=self.overwrite
        )
        Partial.discard(self.folder)
