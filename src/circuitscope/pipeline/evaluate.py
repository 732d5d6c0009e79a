"""evaluate and sweep as stages of a run folder."""

from __future__ import annotations

from pathlib import Path

from circuitscope.config import EvaluateConfig, SweepConfig
from circuitscope.evaluation import evaluate_circuit, sweep_circuit
from circuitscope.pipeline.open_run import open_run
from circuitscope.results import Evaluation, Sweep, write_result
from circuitscope.runs import EVALUATION, SWEEP, made_from, refuse_existing, write_stage
from circuitscope.work import Progress, silent


def run_evaluate(
    run: Path, config: EvaluateConfig, *, overwrite: bool = False, progress: Progress = silent
) -> Evaluation:
    """Evaluate the circuit of a run folder; writes ``evaluation/`` into it."""
    refuse_existing(EVALUATION.in_(run), overwrite=overwrite, kind=EVALUATION.kind)
    origins = made_from(run, EVALUATION)
    circuit, loaded = open_run(run, device=config.device, dtype=config.dtype, progress=progress)
    progress(0, 1, "ablated runs")
    result = evaluate_circuit(circuit, loaded, config, progress=progress)
    write_stage(
        run,
        EVALUATION,
        lambda draft: write_result(draft / EVALUATION.file, result),
        config,
        origins=origins,
        overwrite=overwrite,
    )
    return result


def run_sweep(
    run: Path, config: SweepConfig, *, overwrite: bool = False, progress: Progress = silent
) -> Sweep:
    """Sweep over circuit sizes; writes ``sweep/`` with JSON, a table and a picture into the run folder."""
    from circuitscope.pages.pictures import plot_sweep

    refuse_existing(SWEEP.in_(run), overwrite=overwrite, kind=SWEEP.kind)
    origins = made_from(run, SWEEP)
    circuit, loaded = open_run(run, device=config.device, dtype=config.dtype, progress=progress)
    result = sweep_circuit(circuit, loaded, config, progress=progress)

    def write(draft: Path) -> None:
        write_result(draft / SWEEP.file, result)
        (draft / "sweep.csv").write_text(sweep_csv(result))
        plot_sweep(result, draft / "sweep.png")

    write_stage(run, SWEEP, write, config, origins=origins, overwrite=overwrite)
    return result


def sweep_csv(result: Sweep) -> str:
    """A sweep as one table, a row per curve and size."""
    names = ("faithfulness", "faithfulness_low", "faithfulness_high", "completeness")
    lines = [",".join(("curve", "nodes", *names))]
    for curve in result.curves:
        columns = (
            curve.faithfulness,
            curve.faithfulness_low,
            curve.faithfulness_high,
            curve.completeness,
        )
        for nodes, *values in zip(curve.nodes, *columns, strict=True):
            cells = ["" if value is None else f"{value:.6g}" for value in values]
            lines.append(",".join((curve.name, str(nodes), *cells)))
    return "\n".join(lines) + "\n"
