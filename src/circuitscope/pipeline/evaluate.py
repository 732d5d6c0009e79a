"""evaluate and sweep as stages of a run folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from circuitscope.config import EvaluateConfig, SweepConfig
from circuitscope.evaluation import evaluate_circuit, sweep_circuit
from circuitscope.pipeline.prepared import PreparedStage, prepare_stage
from circuitscope.runs import EVALUATION, SWEEP, write_json
from circuitscope.work import Progress, silent, step


def run_evaluate(
    run: Path, config: EvaluateConfig, *, overwrite: bool = False, progress: Progress = silent
) -> dict[str, Any]:
    """Evaluate the circuit of a run folder; writes ``evaluation/`` into it."""
    prepared = prepare_stage(run, EVALUATION, config, overwrite=overwrite, progress=progress)
    result = evaluate_step(prepared)
    finish_evaluate(prepared, result)
    return result


def evaluate_step(prepared: PreparedStage[EvaluateConfig]) -> dict[str, Any]:
    """Measure the circuit."""
    with step(prepared.progress, "ablated runs"):
        return evaluate_circuit(
            prepared.circuit, prepared.loaded, prepared.config, progress=prepared.progress
        )


def finish_evaluate(prepared: PreparedStage[EvaluateConfig], result: Mapping[str, Any]) -> None:
    """Write ``evaluation/``."""
    prepared.write(lambda draft: write_json(draft / EVALUATION.file, result))


def run_sweep(
    run: Path, config: SweepConfig, *, overwrite: bool = False, progress: Progress = silent
) -> dict[str, Any]:
    """Sweep over circuit sizes; writes ``sweep/`` with JSON, a table and a picture into the run folder."""
    prepared = prepare_stage(run, SWEEP, config, overwrite=overwrite, progress=progress)
    result = sweep_step(prepared)
    finish_sweep(prepared, result)
    return result


def sweep_step(prepared: PreparedStage[SweepConfig]) -> dict[str, Any]:
    """Measure every size."""
    return sweep_circuit(prepared.circuit, prepared.loaded, prepared.config, progress=prepared.progress)


def finish_sweep(prepared: PreparedStage[SweepConfig], result: Mapping[str, Any]) -> None:
    """Write ``sweep/``, with a table and a picture."""
    from circuitscope.pages.pictures import plot_sweep

    def write(draft: Path) -> None:
        write_json(draft / SWEEP.file, result)
        (draft / "sweep.csv").write_text(sweep_csv(result))
        plot_sweep(result, draft / "sweep.png")

    prepared.write(write)


def sweep_csv(result: Mapping[str, Any]) -> str:
    """A sweep as one table, a row per curve and size."""
    columns = ("faithfulness", "faithfulness_low", "faithfulness_high", "completeness")
    lines = [",".join(("curve", "nodes", *columns))]
    for curve in result["curves"]:
        for row, nodes in enumerate(curve["nodes"]):
            values = ["" if curve[name][row] is None else f"{curve[name][row]:.6g}" for name in columns]
            lines.append(",".join((curve["name"], str(nodes), *values)))
    return "\n".join(lines) + "\n"
