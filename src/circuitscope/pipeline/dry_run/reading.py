"""What group and report would take: a few texts read, timed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from circuitscope.config import GroupConfig, ReportConfig
from circuitscope.dashboards import Reading, known_contexts, node_activations
from circuitscope.pipeline.dry_run.measure import PEAK, peak_memory, timed
from circuitscope.pipeline.prepared import prepare_stage
from circuitscope.pipeline.report import PreparedReport, documents_for, prepare_report, runs_to_report
from circuitscope.results import Circuit, DryRun, WorkPart, groups_of
from circuitscope.runs import GROUP
from circuitscope.sources import Loaded, discovery_examples
from circuitscope.work import Progress, silent, step

TRIAL_CONTEXTS = 32


def dry_run_group(
    run: Path, config: GroupConfig, *, overwrite: bool = False, progress: Progress = silent
) -> DryRun:
    """What ``run_group`` would take; writes nothing."""
    prepared = prepare_stage(run, GROUP, config, overwrite=overwrite, progress=progress)
    circuit, loaded = prepared.circuit, prepared.loaded
    with step(progress, "a trial"):
        part, measured = _of_examples(circuit, loaded, config.batch_size)
    return DryRun(
        parts=(part,),
        measured=measured,
        memory=peak_memory(loaded.model),
        memory_is=PEAK,
        writes=(str(GROUP.in_(run)),),
        about={"circuit": f"{len(circuit)} nodes"},
    )


def _of_examples(circuit: Circuit, loaded: Loaded, batch_size: int) -> tuple[WorkPart, str]:
    """Which of the discovery's texts the circuit's nodes are active on."""
    examples = discovery_examples(circuit, loaded)
    few = examples[:batch_size]
    bos = circuit.made_by.settings.has_bos
    _, seconds = timed(
        lambda: node_activations(
            loaded.model, loaded.dictionaries, circuit.ids, few, bos=bos, batch_size=batch_size
        )
    )
    whole = seconds * len(examples) / len(few)
    part = WorkPart("the task's texts", len(examples), "examples", whole)
    return part, f"reading {len(few)} examples took {seconds:.2g} s"


def dry_run_report(
    run: Path, config: ReportConfig, *, overwrite: bool = False, progress: Progress = silent
) -> DryRun:
    """What ``run_report`` would take; writes nothing. Of a folder of runs, the first that needs a report is timed."""
    runs = runs_to_report(run, config, overwrite=overwrite)
    if not runs:
        return DryRun((), "every report is there", 0, "no model is loaded", ())
    one = prepare_report(runs[0], config, overwrite=overwrite or len(runs) > 1, progress=progress)
    with step(progress, "a trial"):
        parts, measured = _of_report(one, config)
    times = len(runs)
    parts = [replace(p, count=p.count * times, seconds=p.seconds * times) for p in parts]
    return DryRun(
        parts=tuple(parts),
        measured=measured,
        memory=peak_memory(one.loaded.model),
        memory_is=PEAK,
        writes=(str(one.folder),) if times == 1 else (f"{times} reports in {run}",),
        notes=("what the workspace knows from earlier reports is not looked for again",)
        if config.cache
        else (),
    )


def _of_report(one: PreparedReport, config: ReportConfig) -> tuple[list[WorkPart], str]:
    circuit, loaded = one.circuit, one.loaded
    features = one.features(config)
    documents, _ = documents_for(one, config)
    trial = config.context * TRIAL_CONTEXTS
    reading = Reading(
        config.contexts,
        config.context,
        min(config.tokens, trial),
        circuit.made_by.settings.bos,
        config.batch_size,
    )
    found, seconds = timed(
        lambda: known_contexts(loaded.model, loaded.dictionaries, features, documents, reading, cache=None)
    )
    read = max((item.tokens_read for item in found), default=0)
    # a text of fewer tokens than the trial was read whole
    total = read if read < trial * 0.9 else config.tokens
    parts = [
        WorkPart(
            "contexts of features", total, "tokens of text", seconds * total / max(1, read), at_most=True
        )
    ]
    if groups_of(one.run, circuit) is None:
        parts.append(_of_examples(circuit, loaded, config.batch_size)[0])
    return parts, f"reading {read:,} tokens took {seconds:.2g} s"
