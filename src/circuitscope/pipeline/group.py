"""group as a stage of a run folder."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from circuitscope.config import GroupConfig
from circuitscope.grouping import group_circuit
from circuitscope.pipeline.open_run import open_run
from circuitscope.results import Groups
from circuitscope.runs import GROUP, made_from, refuse_existing, write_json, write_stage
from circuitscope.work import Progress, silent


def run_group(
    run: Path, config: GroupConfig, *, overwrite: bool = False, progress: Progress = silent
) -> Groups:
    """Group the features of a run's circuit; writes ``group/`` into the run folder."""
    refuse_existing(GROUP.in_(run), overwrite=overwrite, kind=GROUP.kind)
    origins = made_from(run, GROUP)
    circuit, loaded = open_run(run, device=config.device, dtype=config.dtype, progress=progress)
    found = group_circuit(circuit, loaded, config, progress=progress)
    write_stage(
        run,
        GROUP,
        lambda draft: write_json(draft / GROUP.file, asdict(found)),
        config,
        origins=origins,
        overwrite=overwrite,
    )
    return found
