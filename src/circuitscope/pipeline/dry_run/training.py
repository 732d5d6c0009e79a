"""What training dictionaries would take: a few steps on the first contexts, timed."""

from __future__ import annotations

from pathlib import Path

from circuitscope.config import TrainConfig
from circuitscope.pipeline.dry_run.measure import PEAK, peak_memory, quiet
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
    from circuitscope.dictionaries.training import try_training

    ready = prepare_training(model, text, out, config, device=device, overwrite=overwrite, progress=progress)
    with step(progress, "a trial"), quiet():
        trial = try_training(ready.model, ready.text[:CHARACTERS], config, steps=STEPS)
    tokens = config.steps * config.batch
    activations = trial.buffer_seconds * tokens / trial.buffer_tokens
    return DryRun(
        parts=(
            WorkPart("activations", tokens, "tokens through the model", activations),
            WorkPart(
                "training",
                config.steps,
                f"steps of {config.batch:,} tokens",
                config.steps * trial.step_seconds,
            ),
        ),
        measured=f"activations of {trial.buffer_tokens:,} tokens took {trial.buffer_seconds:.2g} s, "
        f"{trial.steps} steps {trial.steps * trial.step_seconds:.2g} s",
        memory=peak_memory(ready.model) + _of_buffers(ready, config),
        memory_is=f"{PEAK}, and two buffers of activations",
        writes=(str(out), str(out / "saelens")),
        about={"sites": str(len(config.chosen_sites(ready.model.sites)))},
        notes=(f"a checkpoint beside {out} every {config.save_every} steps, until it is done",),
    )


def _of_buffers(ready: PreparedTraining, config: TrainConfig) -> int:
    """Bytes of the buffer in use and of the one that is computed meanwhile."""
    sites = len(config.chosen_sites(ready.model.sites))
    return 2 * sites * config.buffer * config.context * ready.model.width * 4
