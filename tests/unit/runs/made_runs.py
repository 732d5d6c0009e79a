"""Run folders of a few bytes, with every stage that a test wants; no model, no torch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from circuitscope.runs import (
    CIRCUIT,
    EVALUATION,
    JUDGING,
    SHIFT,
    STAGES,
    Stage,
    new_folder,
    write_arrays,
    write_file,
    write_json,
    write_judging,
    write_manifest,
    write_stage,
)

ABOUT = {"task": "agreement/simple", "model": "toy", "dictionaries": "random"}
COLUMNS = "site,feature,verdict,note\n"


def make_run(folder: Path, *, content: str = "first", nodes: int = 3, **about: str) -> Path:
    """A circuit without stages; another ``content`` is another circuit."""
    with new_folder(folder, overwrite=True) as draft:
        columns = {"nodes.site": np.zeros(nodes, np.int64), "edges.source": np.zeros(1, np.int64)}
        write_arrays(draft / "circuit.safetensors", columns)
        recipe = {name: {"name": value} for name, value in {**ABOUT, **about}.items()}
        write_manifest(draft, CIRCUIT, {"recipe": {**recipe, "seed": content}})
    return folder


def make_shift(folder: Path, *, content: str = "first") -> Path:
    """A SHIFT without stages."""
    folder.mkdir(parents=True, exist_ok=True)
    config = {"data": "bios", "model": "toy", "dictionaries": "random"}
    write_manifest(folder, SHIFT, {"config": config, "data_hash": content}, files_too=False)
    return folder


def stage(kind: str, name: str) -> Stage:
    return next(item for item in STAGES[kind] if item.name == name)


def make_stage(run: Path, of: Stage, content: Any = "first") -> Path:
    """A stage's folder as its command would leave it, from what is there now."""

    def write(draft: Path) -> None:
        if of.kind == CIRCUIT:
            write_arrays(draft / of.file, {"nodes.site": np.zeros(2, np.int64)})
            write_json(draft / "more.json", content)
        elif of is EVALUATION:
            value = content if isinstance(content, float) else 0.5
            write_json(draft / of.file, {"scores": [{"faithfulness": {"value": value}}]})
        else:
            write_json(draft / of.file, content)

    if of is JUDGING:
        if not (run / "sheet.csv").exists():
            write_sheet(run / "sheet.csv", "keep", "remove")
        write_judging(run, run / "sheet.csv", "person")
        return of.in_(run)
    return write_stage(run, of, write, {"seed": 0}, overwrite=True)


def make_everything(run: Path, kind: str) -> None:
    for of in STAGES[kind]:
        make_stage(run, of)


def write_sheet(path: Path, *verdicts: str) -> Path:
    """A sheet of verdicts, as far as a status looks at it: notes have line breaks and commas."""
    if path.suffix == ".csv":
        rows = "".join(f'resid_0,{number},{word},"a\nb, c"\n' for number, word in enumerate(verdicts))
        write_file(path, ("\ufeff" + COLUMNS + rows).encode())
    else:
        write_file(path, "".join(f'{{"verdict": "{word}"}}\n' for word in verdicts).encode())
    return path
