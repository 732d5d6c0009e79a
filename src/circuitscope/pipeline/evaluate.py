"""evaluate and sweep as stages of a run folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from circuitscope.config import EvaluateConfig, SweepConfig
from circuitscope.evaluation import evaluate_circuit, sweep_circuit
from circuitscope.pipeline.open_run import open_run
from circuitscope.runs import EVALUATION, SWEEP, made_from, refuse_existing, write_json, write_stage
from circuitscope.work import Progress, silent, step


def run_evaluate(
    run: Path, config: EvaluateConfig, *, overwrite: bool = False, progress: Progress = silent
) -> dict[str, Any]:
    """Evaluate the circuit of a run folder; writes ``evaluation/`` into it."""
    refuse_existing(EVALUATION.in_(run), overwrite=overwrite, kind=EVALUATION.kind)
    origins = made_from(run, EVALUATION)
    circuit, loaded = open_run(run, device=config.device, dtype=config.dtype, progress=progress)
    with step(progress, "ablated runs"):
        result = evaluate_circuit(circuit, loaded, config, progress=progress)
    write_stage(
        run,
        EVALUATION,
        lambda draft: write_json(draft / EVALUATION.file, result),
        config,
        origins=origins,
        overwrite=overwrite,
    )
    return result


def run_sweep(
    run: Path, config: SweepConfig, *, overwrite: bool = False, progress: Progress = silent
) -> dict[str, Any]:
    """Sweep over circuit sizes; writes ``sweep/`` with JSON, a table and a picture into the run folder."""
    from circuitscope.pages.pictures import plot_sweep

    refuse_existing(SWEEP.in_(run), overwrite=overwrite, kind=SWEEP.kind)
    origins = made_from(run, SWEEP)
    circuit, loaded = open_run(run, device=config.device, dtype=config.dtype, progress=progress)
    result = sweep_circuit(circuit, loaded, config, progress=progress)

    def write(draft: Path) -> None:
        write_json(draft / SWEEP.file, result)
        (draft / "sweep.csv").write_text(sweep_csv(result))
        plot_sweep(result, draft / "sweep.png")

    write_stage(run, SWEEP, write, config, origins=origins, overwrite=overwrite)
    return result


def sweep_csv(result: Mapping[str, Any]) -> str:
    """A sweep as one table, a row per curve and size."""
    columns = ("faithfulness", "faithfulness_low", "faithfulness_high", "completeness")
    lines = [",".join(("curve", "nodes", *columns))]
    for curve in result["curves"]:
        for row, nodes in enumerate(curve["nodes"]):
            values = ["" if curve[name][row] is None else f"{curve[name][row]:.6g}" for name in columns]
            lines.append(",".join((curve["name"], str(nodes), *values)))
    return "\n".join(lines) + "\n"
