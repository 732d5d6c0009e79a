"""evaluate and sweep as stages of a run folder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from circuitscope.config import EvaluateConfig, SweepConfig
from circuitscope.evaluation import evaluate_circuit, sweep_circuit
from circuitscope.pipeline.open_run import open_run
from circuitscope.runs import new_folder, refuse_existing, write_json, write_manifest
from circuitscope.work import Progress, silent


def run_evaluate(
    run: Path, config: EvaluateConfig, *, overwrite: bool = False, progress: Progress = silent
) -> dict[str, Any]:
    """Evaluate the circuit of a run folder; writes ``evaluation/`` into it."""
    refuse_existing(run / "evaluation", overwrite=overwrite)
    circuit, loaded = open_run(run, device=config.device, dtype=config.dtype, progress=progress)
    progress(0, 1, "ablated runs")
    result = evaluate_circuit(circuit, loaded, config, progress=progress)
    _write_stage(run / "evaluation", "evaluation", result, config, overwrite)
    return result


def run_sweep(
    run: Path, config: SweepConfig, *, overwrite: bool = False, progress: Progress = silent
) -> dict[str, Any]:
    """Sweep over circuit sizes; writes ``sweep/`` with JSON, a table and a picture into the run folder."""
    from circuitscope.pages.pictures import plot_sweep

    refuse_existing(run / "sweep", overwrite=overwrite)
    circuit, loaded = open_run(run, device=config.device, dtype=config.dtype, progress=progress)
    result = sweep_circuit(circuit, loaded, config, progress=progress)
    folder = run / "sweep"
    with new_folder(folder, overwrite=overwrite) as draft:
        write_json(draft / "sweep.json", result)
        (draft / "sweep.csv").write_text(sweep_csv(result))
        plot_sweep(result, draft / "sweep.png")
        write_manifest(draft, "sweep", {"config": asdict(config)})
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


def _write_stage(
    folder: Path, kind: str, result: Mapping[str, Any], config: EvaluateConfig, overwrite: bool
) -> None:
    with new_folder(folder, overwrite=overwrite) as draft:
        write_json(draft / f"{kind}.json", result)
        write_manifest(draft, kind, {"config": asdict(config)})
