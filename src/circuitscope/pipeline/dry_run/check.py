"""What a check of a task would take: its first texts, timed."""

from __future__ import annotations

from dataclasses import replace

from circuitscope.config import CheckConfig
from circuitscope.pipeline.check import check_step, prepare_check
from circuitscope.pipeline.dry_run.measure import PEAK, peak_memory, timed
from circuitscope.results import DryRun, WorkPart
from circuitscope.work import Progress, silent, step


def dry_run_check(config: CheckConfig, *, progress: Progress = silent) -> DryRun:
    """What ``run_check`` would take; writes nothing."""
    prepared = prepare_check(config, progress=progress)
    few = replace(prepared, config=replace(config, examples=min(config.examples, config.batch_size), rows=0))
    with step(progress, "a trial"):
        found, seconds = timed(lambda: check_step(few))
    part = WorkPart("texts", config.examples, "examples", config.examples * seconds / found.examples, True)
    return DryRun(
        parts=(part,),
        measured=f"{found.examples} examples took {seconds:.2g} s",
        memory=peak_memory(prepared.model),
        memory_is=PEAK,
        writes=(),
    )
