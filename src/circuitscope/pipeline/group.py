"""group as a stage of a run folder."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from circuitscope.config import GroupConfig
from circuitscope.grouping import group_circuit
from circuitscope.pipeline.prepared import PreparedStage, prepare_stage
from circuitscope.results import Groups
from circuitscope.runs import GROUP, write_json
from circuitscope.work import Progress, silent


def run_group(
    run: Path, config: GroupConfig, *, overwrite: bool = False, progress: Progress = silent
) -> Groups:
    """Group the features of a run's circuit; writes ``group/`` into the run folder."""
    prepared = prepare_stage(run, GROUP, config, overwrite=overwrite, progress=progress)
    found = group_step(prepared)
    finish_group(prepared, found)
    return found


def group_step(prepared: PreparedStage[GroupConfig]) -> Groups:
    """Find the groups."""
    return group_circuit(prepared.circuit, prepared.loaded, prepared.config, progress=prepared.progress)


def finish_group(prepared: PreparedStage[GroupConfig], found: Groups) -> None:
    """Write ``group/``."""
    prepared.write(lambda draft: write_json(draft / GROUP.file, asdict(found)))
