"""prune as a stage of a run folder."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from circuitscope.config import PruneConfig
from circuitscope.pipeline.open_run import open_run
from circuitscope.pruning import Pruned, prune_circuit
from circuitscope.results import save
from circuitscope.runs import new_folder, refuse_existing, write_json, write_manifest
from circuitscope.work import Progress, silent

STAGE = "prune"


def run_prune(
    run: Path, config: PruneConfig, *, overwrite: bool = False, progress: Progress = silent
) -> Pruned:
    """Prune the circuit of a run folder; writes ``prune/`` into it, with a run folder of its own inside."""
    folder = run / STAGE
    refuse_existing(folder, overwrite=overwrite, kind=STAGE)
    circuit, loaded = open_run(run, device=config.device, dtype=config.dtype, progress=progress)
    found = prune_circuit(circuit, loaded, config, progress=progress)
    with new_folder(folder, overwrite=overwrite) as draft:
        write_json(draft / f"{STAGE}.json", dict(found.result))
        save(found.circuit, draft / "circuit")
        write_manifest(draft, STAGE, {"config": asdict(config)})
    return found
