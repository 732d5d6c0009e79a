"""What training dictionaries would take: a few steps on the first contexts, timed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from circuitscope.config import TrainConfig
from circuitscope.pipeline.dry_run.measure import PEAK, peak_memory, timed
from circuitscope.pipeline.training import PreparedTraining, prepare_training
from circuitscope.results import DryRun, WorkPart
from circuitscope.work import Progress, silent, step

STEPS = 4
CHARACTERS = 400_000
"""Of the text; more than a trial needs."""


def dry_run_training(
    model: str,
    text: Path,
    out: Path,
    config: TrainConfig,
    *,
    device: str = "auto",
    overwrite: bool = False,
    progress: Progress = silent,
) -> DryRun:
    """What ``run_training`` would take; writes nothing."""
    ready = prepare_training(model, text, out, config, device=device, overwrite=overwrite, progress=progress)
    with step(progress, "a trial"):
        trained, seconds = _trial(ready, config)
    whole = config.steps * seconds / trained
    return DryRun(
        parts=(WorkPart("training", config.steps, f"steps of {config.batch:,} tokens", whole),),
        measured=f"{trained} steps took {seconds:.2g} s",
        memory=peak_memory(ready.model) + _of_buffers(ready, config),
        memory_is=f"{PEAK}, and two buffers of activations",
        writes=(str(out), str(out / "saelens")),
        about={"sites": str(len(config.chosen_sites(ready.model.sites)))},
        notes=(f"a checkpoint beside {out} every {config.save_every} steps, until it is done",),
    )


def _trial(ready: PreparedTraining, config: TrainConfig) -> tuple[int, float]:
    """How many steps were made, and how long they took with the activations that they need."""
    from circuitscope.dictionaries.training import try_steps

    contexts = -(-STEPS * config.batch // config.context) * 2  # twice as many: contexts may be shorter
    few = replace(config, tokens=STEPS * config.batch, buffer=min(config.buffer, contexts))
    return timed(lambda: try_steps(ready.model, ready.text[:CHARACTERS], few))


def _of_buffers(ready: PreparedTraining, config: TrainConfig) -> int:
    """Bytes of the buffer in use and of the one that is computed meanwhile."""
    sites = len(config.chosen_sites(ready.model.sites))
    return 2 * sites * config.buffer * config.context * ready.model.width * 4
