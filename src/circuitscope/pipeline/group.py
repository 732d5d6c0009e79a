"""group as a stage of a run folder."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from circuitscope.config import GroupConfig
from circuitscope.grouping import group
from circuitscope.pipeline.open_run import open_run
from circuitscope.results import Groups
from circuitscope.runs import GROUP, new_folder, refuse_existing, write_json, write_manifest
from circuitscope.work import Progress, silent


def run_group(
    run: Path, config: GroupConfig, *, overwrite: bool = False, progress: Progress = silent
) -> Groups:
    """Group the features of a run's circuit; writes ``group/`` into the run folder."""
    folder = GROUP.in_(run)
    refuse_existing(folder, overwrite=overwrite, kind=GROUP.kind)
    circuit, parts = open_run(run, device=config.device, dtype=config.dtype, progress=progress)
    settings = {name: value for name, value in asdict(config).items() if name not in ("device", "dtype")}
    found = group(parts.model, parts.dictionaries, parts.task, circuit, **settings, progress=progress)
    with new_folder(folder, overwrite=overwrite) as draft:
        write_json(draft / GROUP.file, asdict(found))
        write_manifest(draft, GROUP.kind, {"config": asdict(config)})
    return found
