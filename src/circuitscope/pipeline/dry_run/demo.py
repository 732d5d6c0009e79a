"""What the demonstration would take: its first behaviour tried, times the number of those that are not there."""

from __future__ import annotations

from dataclasses import replace

from circuitscope.bundled import BUNDLED
from circuitscope.config import DemoConfig, DiscoverConfig, EvaluateConfig, SweepConfig
from circuitscope.evaluation import evaluation_runs, sweep_runs
from circuitscope.pipeline.demo import SIZES, missing_behaviours
from circuitscope.pipeline.dry_run.ablation import try_ablated_run
from circuitscope.pipeline.dry_run.discovery import try_discovery
from circuitscope.pipeline.dry_run.measure import PEAK, peak_memory
from circuitscope.results import DryRun, WorkPart
from circuitscope.sources import open_named
from circuitscope.work import Progress, silent, step


def dry_run_demo(config: DemoConfig, *, overwrite: bool = False, progress: Progress = silent) -> DryRun:
    """What ``run_demo`` would take; writes nothing."""
    missing = missing_behaviours(config, overwrite=overwrite)
    if not missing:
        return DryRun((), "every behaviour is there", 0, "no model is loaded", ())
    task = f"agreement/{missing[0]}"
    loaded = open_named(BUNDLED, BUNDLED, task, device=config.device, dtype="float32", progress=progress)
    settings = DiscoverConfig(task=task, out=config.out, nodes=config.nodes, examples=config.examples)
    evaluate, sweep = EvaluateConfig(), SweepConfig(sizes=SIZES, random=1)
    with step(progress, "a trial"):
        found = try_discovery(loaded, settings.settings)
        run = try_ablated_run(found.circuit, loaded, evaluate)
    counts = [*evaluation_runs(evaluate, free_layers=run.free_layers, nodes=run.nodes), *sweep_runs(sweep)]
    parts = [found.part("circuits"), *run.parts(counts)]
    return DryRun(
        parts=tuple(_times(part, len(missing)) for part in parts),
        measured=f"{found.measured}, {run.measured}; reports come on top",
        memory=peak_memory(loaded.model),
        memory_is=PEAK,
        writes=(config.out,),
        about={"behaviours": ", ".join(missing)},
    )


def _times(part: WorkPart, times: int) -> WorkPart:
    return replace(part, count=part.count * times, seconds=part.seconds * times)
