"""evaluate and sweep as stages of a run folder."""

from __future__ import annotations

from pathlib import Path

from circuitscope.config import EvaluateConfig, SweepConfig
from circuitscope.evaluation import evaluate_circuit, sweep_circuit
from circuitscope.pipeline.adds_strict import adds_strict
from circuitscope.pipeline.prepared import PreparedStage, prepare_stage
from circuitscope.results import Evaluation, Sweep, write_result
from circuitscope.runs import EVALUATION, SWEEP
from circuitscope.work import Progress, silent, step


def run_evaluate(
    run: Path, config: EvaluateConfig, *, overwrite: bool = False, progress: Progress = silent
) -> Evaluation:
    """Evaluate the circuit of a run folder; writes ``evaluation/`` into it.

    Scores that are there are replaced without ``overwrite`` if the same are only wanted with the strict tests.
    """
    overwrite = overwrite or adds_strict(run, config)
    prepared = prepare_stage(run, EVALUATION, config, overwrite=overwrite, progress=progress)
    result = evaluate_step(prepared)
    finish_evaluate(prepared, result)
    return result


def evaluate_step(prepared: PreparedStage[EvaluateConfig]) -> Evaluation:
    """Measure the circuit."""
    with step(prepared.progress, "ablated runs"):
        return evaluate_circuit(
            prepared.circuit, prepared.loaded, prepared.config, progress=prepared.progress
        )


def finish_evaluate(prepared: PreparedStage[EvaluateConfig], result: Evaluation) -> None:
    """Write ``evaluation/``."""
    prepared.write(lambda draft: write_result(draft / EVALUATION.file, result))


def run_sweep(
    run: Path, config: SweepConfig, *, overwrite: bool = False, progress: Progress = silent
) -> Sweep:
    """Sweep over circuit sizes; writes ``sweep/`` with JSON, a table and a picture into the run folder."""
    prepared = prepare_stage(run, SWEEP, config, overwrite=overwrite, progress=progress, needs_ranking=True)
    result = sweep_step(prepared)
    finish_sweep(prepared, result)
    return result


def sweep_step(prepared: PreparedStage[SweepConfig]) -> Sweep:
    """Measure every size."""
    return sweep_circuit(prepared.circuit, prepared.loaded, prepared.config, progress=prepared.progress)


def finish_sweep(prepared: PreparedStage[SweepConfig], result: Sweep) -> None:
    """Write ``sweep/``, with a table and a picture."""
    from circuitscope.pages.pictures import plot_sweep

    def write(draft: Path) -> None:
        write_result(draft / SWEEP.file, result)
        (draft / "sweep.csv").write_text(sweep_csv(result))
        plot_sweep(result, draft / "sweep.png")

    prepared.write(write)


def sweep_csv(result: Sweep) -> str:
    """A sweep as one table, a row per curve and size."""
    names = ("faithfulness", "faithfulness_low", "faithfulness_high", "completeness")
    lines = [",".join(("curve", "nodes", *names))]
    for curve in result.curves:
        columns = (curve.faithfulness, curve.faithfulness_low, curve.faithfulness_high, curve.completeness)
        for nodes, *values in zip(curve.nodes, *columns, strict=True):
            cells = ["" if value is None else f"{value:.6g}" for value in values]
            lines.append(",".join((curve.name, str(nodes), *cells)))
    return "\n".join(lines) + "\n"
