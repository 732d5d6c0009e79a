"""group as a stage of a run folder."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from circuitscope.config import GroupConfig
from circuitscope.discovery.job import Progress
from circuitscope.grouping import Groups, group
from circuitscope.grouping.values import FILE, STAGE, to_json
from circuitscope.pipeline.parts import open_run, silent
from circuitscope.store import new_folder, refuse_existing, write_json, write_manifest


def run_group(
    run: Path, config: GroupConfig, *, overwrite: bool = False, progress: Progress = silent
) -> Groups:
    """Group the features of a run's circuit; writes ``group/`` into the run folder."""
    folder = run / STAGE
    refuse_existing(folder, overwrite=overwrite, kind=STAGE)
    circuit, parts = open_run(run, device=config.device, dtype=config.dtype, progress=progress)
    settings = {name: value for name, value in asdict(config).items() if name not in ("device", "dtype")}
    found = group(parts.model, parts.dictionaries, parts.task, circuit, **settings, progress=progress)
    with new_folder(folder, overwrite=overwrite) as draft:
        write_json(draft / FILE, to_json(found))
        write_manifest(draft, STAGE, {"config": asdict(config)})
    return found
