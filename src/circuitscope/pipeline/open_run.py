"""A run folder with what it was made from."""

from __future__ import annotations

from pathlib import Path

from circuitscope.results import Circuit, load
from circuitscope.sources import Loaded, reopen
from circuitscope.work import Progress, silent


def open_run(run: Path, *, device: str, dtype: str, progress: Progress = silent) -> tuple[Circuit, Loaded]:
    """The circuit of a run folder, with the model, dictionaries and task that its recipe names.

    Raises:
        BadFile: it is not a run folder, or something it needs is gone.
        BadInput: something it needs has changed, or was made in Python and cannot be loaded by name.
    """
    circuit = load(run)
    return circuit, reopen(circuit, device=device, dtype=dtype, progress=progress)
