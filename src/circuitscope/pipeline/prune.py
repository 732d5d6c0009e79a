"""prune as a stage of a run folder."""

from __future__ import annotations

from pathlib import Path

from circuitscope.config import PruneConfig
from circuitscope.pipeline.prepared import PreparedStage, prepare_stage
from circuitscope.pruning import Pruned, prune_circuit
from circuitscope.results import save, write_result
from circuitscope.runs import PRUNE
from circuitscope.work import Progress, silent


def run_prune(
    run: Path, config: PruneConfig, *, overwrite: bool = False, progress: Progress = silent
) -> Pruned:
    """Prune the circuit of a run folder; writes ``prune/`` into it, with a run folder of its own inside."""
    prepared = prepare_stage(run, PRUNE, config, overwrite=overwrite, progress=progress, needs_ranking=True)
    found = prune_step(prepared)
    finish_prune(prepared, found)
    return found


def prune_step(prepared: PreparedStage[PruneConfig]) -> Pruned:
    """Find the smaller circuit."""
    return prune_circuit(prepared.circuit, prepared.loaded, prepared.config, progress=prepared.progress)


def finish_prune(prepared: PreparedStage[PruneConfig], found: Pruned) -> None:
    """Write ``prune/`` with the comparison, and the circuit as a run folder in it."""

    def write(draft: Path) -> None:
        write_result(draft / PRUNE.file, found.result)
        save(found.circuit, draft / PRUNE.inner)

    prepared.write(write)
