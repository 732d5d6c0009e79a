"""Checkpoints of a training run, in a hidden sibling of the folder that it will write.

``run.json`` says what is trained on what, and is written once; ``state.safetensors`` holds the step and all
weights, and is replaced whole, so a kill at any moment leaves the old or the new state and never half of one.
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from circuitscope.config import TrainConfig
from circuitscope.errors import BadFile, BadInput, argument
from circuitscope.model import CutText, LanguageModel
from circuitscope.runs import explained_disk, hash_json, read_arrays, read_json, write_arrays, write_json
from circuitscope.terms import Site

_log = logging.getLogger("circuitscope")
_STEP = "step"
_IRRELEVANT = ("save_every",)
"""Settings that may change between a killed run and the one that continues it."""


def identify(
    model: LanguageModel, contexts: CutText, sites: list[Site], config: TrainConfig
) -> dict[str, Any]:
    """What a checkpoint belongs to: settings, text and model."""
    settings = {name: value for name, value in asdict(config).items() if name not in _IRRELEVANT}
    # The sum of every tensor tells models apart without hashing all of a large one.
    sums = {name: float(weight.double().sum()) for name, weight in model.hf.state_dict().items()}
    return {
        "settings": settings | {"sites": ",".join(map(str, sites))},
        "text": contexts.fingerprint,
        "model": hash_json({"sums": sums, "dtype": str(model.dtype)}),
    }


class Checkpoint:
    """Where a run of ``out`` keeps its state until it is done."""

    def __init__(self, out: Path, identity: Mapping[str, Any]) -> None:
        self.folder = out.with_name(f".{out.name}.training")
        self.identity = dict(identity)

    def load(self, *, overwrite: bool) -> tuple[int, dict[str, Tensor]] | None:
        """(steps done, state) of an unfinished run with the same settings; None if there is none.

        An unfinished run with other settings is an error, unless ``overwrite``, which discards it.
        """
        path = self.folder / "state.safetensors"
        if not path.is_file():
            return None
        try:
            difference = self._difference(read_json(self.folder / "run.json"))
            if not difference:
                arrays = read_arrays(path)
                step = int(arrays.pop(_STEP).item())
                _log.info("continuing the unfinished run in %s, at step %d", self.folder, step)
                return step, {name: torch.from_numpy(array) for name, array in arrays.items()}
        except (BadFile, KeyError) as error:
            difference = f"cannot be read ({str(error).splitlines()[0]})"
        if not overwrite:
            raise BadInput(
                f"an unfinished run in {self.folder} {difference}",
                expected="the settings, text and model of the unfinished run, to continue it",
                mend="repeat the old command, or start afresh with "
                f"{argument('overwrite', True)} or another {argument('out')}",
            )
        _log.warning("starting afresh: the unfinished run in %s %s", self.folder, difference)
        self.remove()
        return None

    def _difference(self, found: Mapping[str, Any]) -> str:
        if found == self.identity:
            return ""
        for part in ("text", "model"):
            if found.get(part) != self.identity[part]:
                return f"has another {part}"
        settings = found.get("settings", {})
        names = [n for n, value in self.identity["settings"].items() if settings.get(n) != value]
        return "has " + ", ".join(f"{n} = {settings.get(n)}" for n in names)

    def save(self, step: int, state: Mapping[str, Tensor]) -> None:
        """Keep the state after ``step`` steps."""
        with explained_disk(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
        if not (self.folder / "run.json").exists():
            write_json(self.folder / "run.json", self.identity)
        arrays = {name: value.cpu().numpy() for name, value in state.items()}
        write_arrays(self.folder / "state.safetensors", {**arrays, _STEP: np.array(step)})

    def remove(self) -> None:
        """Forget the run: it is done, or given up."""
        shutil.rmtree(self.folder, ignore_errors=True)
