"""evaluate and sweep as stages of a run folder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from circuitscope.config import AblationConfig, EvaluateConfig, SweepConfig
from circuitscope.evaluation import evaluate, sweep
from circuitscope.pipeline.open_run import open_run
from circuitscope.runs import new_folder, refuse_existing, write_json, write_manifest
from circuitscope.work import Progress, silent, step


def run_evaluate(
    run: Path, config: EvaluateConfig, *, overwrite: bool = False, progress: Progress = silent
) -> dict[str, Any]:
    """Evaluate the circuit of a run folder; writes ``evaluation/`` into it."""
    refuse_existing(run / "evaluation", overwrite=overwrite)
    circuit, parts = open_run(run, device=config.device, dtype=config.dtype, progress=progress)
    with step(progress, "ablated runs"):
        result = evaluate(
            circuit,
            parts.model,
            parts.dictionaries,
            parts.task,
            **_evaluation_settings(config),
            progress=progress,
        )
    _write_stage(run / "evaluation", "evaluation", result, config, overwrite)
    return result


def run_sweep(
    run: Path, config: SweepConfig, *, overwrite: bool = False, progress: Progress = silent
) -> dict[str, Any]:
    """Sweep over circuit sizes; writes ``sweep/`` with JSON, a table and a picture into the run folder."""
    from circuitscope.pages.pictures import plot_sweep

    refuse_existing(run / "sweep", overwrite=overwrite)
    circuit, parts = open_run(run, device=config.device, dtype=config.dtype, progress=progress)
    result = sweep(
        circuit,
        parts.model,
        parts.dictionaries,
        parts.task,
        **_evaluation_settings(config),
        progress=progress,
    )
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


def _evaluation_settings(config: AblationConfig) -> dict[str, Any]:
    return {name: value for name, value in asdict(config).items() if name not in ("device", "dtype")}


def _write_stage(
    folder: Path, kind: str, result: Mapping[str, Any], config: EvaluateConfig, overwrite: bool
) -> None:
    with new_folder(folder, overwrite=overwrite) as draft:
        write_json(draft / f"{kind}.json", result)
        write_manifest(draft, kind, {"config": asdict(config)})
