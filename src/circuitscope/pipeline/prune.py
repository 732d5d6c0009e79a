"""prune as a stage of a run folder."""

from __future__ import annotations

from pathlib import Path

from circuitscope.config import PruneConfig
from circuitscope.pipeline.open_run import open_run
from circuitscope.pruning import Pruned, prune_circuit
from circuitscope.results import save, write_result
from circuitscope.runs import PRUNE, made_from, refuse_existing, write_stage
from circuitscope.work import Progress, silent


def run_prune(
    run: Path, config: PruneConfig, *, overwrite: bool = False, progress: Progress = silent
) -> Pruned:
    """Prune the circuit of a run folder; writes ``prune/`` into it, with a run folder of its own inside."""
    refuse_existing(PRUNE.in_(run), overwrite=overwrite, kind=PRUNE.kind)
    origins = made_from(run, PRUNE)
    circuit, loaded = open_run(run, device=config.device, dtype=config.dtype, progress=progress)
    found = prune_circuit(circuit, loaded, config, progress=progress)

    def write(draft: Path) -> None:
        write_result(draft / PRUNE.file, found.result)
        save(found.circuit, draft / PRUNE.inner)

    write_stage(run, PRUNE, write, config, origins=origins, overwrite=overwrite)
    return found
