"""save and load: a circuit as a run folder.

RUN/circuit.safetensors   nodes, edges and candidates as columns
RUN/manifest.json         sites, recipe, findings
RUN/task.json             the examples, where they were made in Python and cannot be read again
RUN/evaluation/           its scores, where it has any
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, TypeVar

from numpy.typing import NDArray

from circuitscope.errors import BadFile, BadInput
from circuitscope.results.circuit import Circuit, Edges, Nodes
from circuitscope.results.circuit_json import from_info
from circuitscope.results.plain import from_plain
from circuitscope.results.recipe import Findings, Recipe
from circuitscope.results.result_files import read_evaluation, write_result
from circuitscope.runs import (
    CIRCUIT,
    EVALUATION,
    made_from,
    new_folder,
    read_arrays,
    read_json,
    read_manifest,
    write_arrays,
    write_json,
    write_manifest,
)
from circuitscope.terms import Site

FILE, TASK_FILE = "circuit.safetensors", "task.json"

_Table = TypeVar("_Table", Nodes, Edges)


def save(
    circuit: Circuit,
    path: str | Path,
    *,
    overwrite: bool = False,
    origins: Mapping[str, str] | None = None,
) -> Path:
    """Write a circuit as a run folder, whole or not at all, with its scores if it was evaluated.

    Args:
        overwrite: replace a run that is there.
        origins: for a circuit that is a stage of another run, what it was made from.
    """
    if not isinstance(circuit, Circuit):
        raise BadInput(
            f"save({type(circuit).__name__}, …)",
            expected="save(circuit, path)",
            mend="pass the circuit first",
        )
    folder = Path(path).expanduser()
    with new_folder(folder, overwrite=overwrite) as draft:
        _write(circuit, draft, origins or {})
        if circuit.evaluation is not None:
            _write_evaluation(circuit, draft)
    return folder


def _write(circuit: Circuit, draft: Path, origins: Mapping[str, str]) -> None:
    tables = {"nodes": circuit.nodes, "edges": circuit.edges, "candidates": circuit.candidates}
    columns = {
        f"{table}.{name}": column
        for table, value in tables.items()
        if value is not None
        for name, column in vars(value).items()
    }
    write_arrays(draft / FILE, columns)
    content: dict[str, Any] = {
        "sites": [site.name for site in circuit.sites],
        "recipe": None,
        "findings": asdict(circuit.findings),
    }
    if circuit.recipe is not None:
        content["recipe"] = recipe = asdict(circuit.recipe)
        task = recipe["task"]
        examples = {split: task.pop(split) for split in ("train", "test")}
        if any(examples.values()):
            write_json(draft / TASK_FILE, examples)
    if origins:
        content["made_from"] = dict(origins)
    write_manifest(draft, CIRCUIT, content)


def _write_evaluation(circuit: Circuit, run: Path) -> None:
    folder = EVALUATION.in_(run)
    folder.mkdir()
    write_result(folder / EVALUATION.file, circuit.evaluation)
    write_manifest(folder, EVALUATION.kind, {"config": {}, "made_from": made_from(run, EVALUATION)})


def load(path: str | Path) -> Circuit:
    """Open the circuit of a run folder; needs neither torch nor the model.

    Raises:
        BadFile: it is not a run folder, was made by a newer schema, or was damaged.
    """
    if not isinstance(path, str | Path):
        raise BadInput(
            f"load({type(path).__name__})",
            expected="load(path) with the path of a run folder",
            mend="pass its path",
        )
    folder = Path(path).expanduser()
    manifest = read_manifest(folder, CIRCUIT)
    arrays = read_arrays(folder / FILE)
    try:
        nodes, edges = _table(arrays, "nodes", Nodes), _table(arrays, "edges", Edges)
        candidates = _table(arrays, "candidates", Nodes) if "candidates.site" in arrays else None
    except KeyError as error:
        raise BadFile(f"{folder / FILE} lacks {error}", expected="a circuit", mend="make it again") from error
    recipe, findings = _origin(folder, manifest, nodes)
    evaluation = EVALUATION.path(folder)
    return Circuit(
        tuple(Site.parse(name) for name in manifest["sites"]),
        nodes,
        edges,
        recipe,
        findings,
        read_evaluation(evaluation) if evaluation.is_file() else None,
        candidates,
    )


def _table(arrays: Mapping[str, NDArray[Any]], name: str, kind: type[_Table]) -> _Table:
    return kind(**{column: arrays[f"{name}.{column}"] for column in kind.__dataclass_fields__})


def _origin(folder: Path, manifest: Mapping[str, Any], nodes: Nodes) -> tuple[Recipe | None, Findings]:
    """Recipe and findings; for a run of schema version 1, from what was in their place."""
    if "info" in manifest:
        return from_info(manifest["info"], nodes, manifest.get("config"))
    findings = from_plain(Findings, manifest["findings"])
    if manifest["recipe"] is None:
        return None, findings
    recipe = from_plain(Recipe, manifest["recipe"])
    if (folder / TASK_FILE).is_file():
        examples = read_json(folder / TASK_FILE)
        task = replace(recipe.task, train=tuple(examples["train"]), test=tuple(examples["test"]))
        recipe = replace(recipe, task=task)
    return recipe, findings
