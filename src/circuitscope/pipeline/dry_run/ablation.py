"""What evaluate, sweep and prune would take: their ablated runs counted, and one run timed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from circuitscope.config import AblationConfig, EvaluateConfig, PruneConfig, SweepConfig
from circuitscope.dictionaries import mlp_hidden_dictionaries, neurons_like
from circuitscope.evaluation import (
    FaithfulnessScale,
    RunCount,
    ablated_runs_for,
    evaluation_runs,
    free_layers_of,
    sweep_runs,
)
from circuitscope.pipeline.adds_strict import adds_strict
from circuitscope.pipeline.dry_run.discovery import try_discovery
from circuitscope.pipeline.dry_run.measure import PEAK, peak_memory, quiet, timed
from circuitscope.pipeline.prepared import PreparedStage, prepare_stage
from circuitscope.pruning import pruning_runs
from circuitscope.results import Circuit, DryRun, WorkPart
from circuitscope.runs import EVALUATION, PRUNE, SWEEP
from circuitscope.sources import Loaded
from circuitscope.tasks import longest_kept
from circuitscope.work import Progress, silent, step

FEW = 4
"""Examples of a trial of something other than an ablated run."""


@dataclass(frozen=True)
class TrialRun:
    """An ablated run of a circuit on one batch."""

    seconds: float
    """For each example."""
    batch: int
    examples: int
    """How many examples the stage has."""
    free_layers: int
    nodes: int
    """Of the circuit, in layers that are not free."""

    @property
    def measured(self) -> str:
        return f"an ablated run of {self.batch} examples took {self.seconds * self.batch:.2g} s"

    def parts(self, counts: Sequence[RunCount], examples: int | None = None) -> list[WorkPart]:
        """Counts with their time, on ``examples`` examples or on all."""
        texts = self.examples if examples is None else min(examples, self.examples)
        unit = f"ablated runs of {texts} examples"
        return [
            WorkPart(one.what, one.runs, unit, one.runs * texts * self.seconds, one.at_most) for one in counts
        ]


def try_ablated_run(circuit: Circuit, loaded: Loaded, config: AblationConfig) -> TrialRun:
    """Run the circuit by itself on the first batch of examples."""
    few = replace(config, examples=min(config.examples, config.batch_size))
    with quiet():
        runs = ablated_runs_for(circuit, loaded, few)
    free = free_layers_of(loaded.model, config.free_layers)
    scale = FaithfulnessScale(runs, free, config.seed)
    _, seconds = timed(lambda: scale.values(circuit.nodes))
    settings = circuit.made_by.settings
    usable, _ = loaded.task.encode(
        config.split,
        loaded.model.tokenizer,
        bos=settings.has_bos,
        limit=config.examples,
        longest=longest_kept(loaded.model, settings.truncate),
    )
    nodes = len(scale.tested(circuit.nodes, circuit.sites))
    return TrialRun(seconds / scale.examples, scale.examples, len(usable), free, nodes)


def _dry_run(prepared: PreparedStage[Any], trial: TrialRun, parts: list[WorkPart]) -> DryRun:
    return DryRun(
        parts=tuple(parts),
        measured=trial.measured,
        memory=peak_memory(prepared.loaded.model),
        memory_is=PEAK,
        writes=(str(prepared.stage.in_(prepared.run)),),
        about={
            "circuit": f"{len(prepared.circuit)} nodes, {trial.nodes} of them in layers that are not free"
        },
    )


def dry_run_evaluate(
    run: Path, config: EvaluateConfig, *, overwrite: bool = False, progress: Progress = silent
) -> DryRun:
    """What ``run_evaluate`` would take; writes nothing."""
    overwrite = overwrite or adds_strict(run, config)
    prepared = prepare_stage(run, EVALUATION, config, overwrite=overwrite, progress=progress)
    circuit, loaded = prepared.circuit, prepared.loaded
    with step(progress, "a trial"):
        trial = try_ablated_run(circuit, loaded, config)
    counts = evaluation_runs(config, free_layers=trial.free_layers, nodes=trial.nodes)
    parts = [
        part
        for one in counts
        for part in trial.parts([one], config.spare_examples if "spare" in one.what else None)
    ]
    if config.strict and circuit.findings.pruned is None:
        parts.append(_of_stability(circuit, loaded))
    return _dry_run(prepared, trial, parts)


def _of_stability(circuit: Circuit, loaded: Loaded) -> WorkPart:
    """Node effects once more, on the discovery's own examples."""
    settings = replace(circuit.made_by.settings, nodes=1, node_threshold=None)
    trial = try_discovery(loaded, settings, most=FEW)
    return trial.part("strict: halves of the examples")


def dry_run_sweep(
    run: Path, config: SweepConfig, *, overwrite: bool = False, progress: Progress = silent
) -> DryRun:
    """What ``run_sweep`` would take; writes nothing."""
    prepared = prepare_stage(run, SWEEP, config, overwrite=overwrite, progress=progress, needs_ranking=True)
    circuit, loaded = prepared.circuit, prepared.loaded
    with step(progress, "a trial"):
        trial = try_ablated_run(circuit, loaded, config)
        parts = trial.parts(sweep_runs(config))
        parts += _of_rankings(circuit, loaded) if config.neurons else []
    return _dry_run(prepared, trial, parts)


def _of_rankings(circuit: Circuit, loaded: Loaded) -> list[WorkPart]:
    """Neurons are ranked by discoveries of their own."""
    settings = replace(
        circuit.made_by.settings, nodes=1, node_threshold=None, edges_at="clean", edge_points=None
    )
    bases = {
        "ranking neurons of the sites": neurons_like(loaded.dictionaries, loaded.model),
        "ranking MLP-hidden neurons": mlp_hidden_dictionaries(loaded.model),
    }
    return [
        try_discovery(replace(loaded, dictionaries=basis), settings, most=FEW).part(what)
        for what, basis in bases.items()
    ]


def dry_run_prune(
    run: Path, config: PruneConfig, *, overwrite: bool = False, progress: Progress = silent
) -> DryRun:
    """What ``run_prune`` would take; writes nothing."""
    prepared = prepare_stage(run, PRUNE, config, overwrite=overwrite, progress=progress, needs_ranking=True)
    circuit, loaded = prepared.circuit, prepared.loaded
    with step(progress, "a trial"):
        trial = try_ablated_run(circuit, loaded, replace(config, examples=config.select_examples))
    assert circuit.candidates is not None
    runs = pruning_runs(config, len(circuit.candidates), trial.nodes)
    parts = trial.parts([RunCount(what, count, at_most=True) for what, count in runs.items()])
    found = _dry_run(prepared, trial, parts)
    if config.time is None:
        return replace(
            found, notes=("most searches end much earlier; --time 5m stops with the best by then",)
        )
    limit = f"--time {config.time} stops the search with the best found by then"
    return replace(found, notes=(limit,))
