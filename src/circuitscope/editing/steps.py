"""The steps of a SHIFT in its run folder: which there are, from what each was made, and what comes next.

    RUN/manifest.json   what the run is about: model, dictionaries and data, with their hashes
    RUN/classifier/     train      the probe
    RUN/circuit/        effects    a run folder like any other
    RUN/removed/        apply      the features that a sheet of verdicts strikes, and the sheet
    RUN/retrained/      retrain    the probe trained again without them
    RUN/scores/         evaluate   what each version gets right

Every step says from which results of earlier steps it was made. One that was made from results which have been
replaced since is out of date, and no later step is made from it. Needs no model, and no torch.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from circuitscope.errors import BadInput
from circuitscope.runs import MANIFEST, hash_json, read_json, read_manifest

KIND = "shift"
"""The kind of a run's own manifest."""

VERBS = {
    "classifier": "train",
    "circuit": "effects",
    "removed": "apply",
    "retrained": "retrain",
    "scores": "evaluate",
}
"""The folder of each step, and the verb that makes it."""

RUN = "run"
"""What a classifier was made from: the run's own manifest."""

_ABOUT = ("config", "model_hash", "dictionaries_hash", "data_hash")


def state_of(run: Path, step: str) -> str:
    """A hash of what a step found, or of what the run is about; a step's own later stages do not change it."""
    if step == RUN:
        manifest = read_manifest(run, KIND)
        return hash_json({name: manifest.get(name) for name in _ABOUT})
    return hash_json(read_json(run / step / MANIFEST)["files"])


def made_from(run: Path, *steps: str) -> dict[str, str]:
    """What a new step says about the steps that it is made from."""
    return {step: state_of(run, step) for step in steps}


def need(run: Path, *steps: str) -> None:
    """Raise BadInput unless these steps are there, each made from what is there now."""
    if not (run / MANIFEST).is_file() or read_json(run / MANIFEST).get("kind") != KIND:
        raise BadInput(
            f"{run} is not the folder of a SHIFT",
            expected="a folder that circuitscope shift train began",
            mend=f"circuitscope shift train {run}, or name the right folder",
        )
    for step in steps:
        if not (run / step / MANIFEST).is_file():
            raise BadInput(
                f"{run} has no {step} yet",
                expected=f"the folder {step}, which circuitscope shift {VERBS[step]} writes",
                mend=_command(run, step),
            )
        need(run, *(earlier for earlier in _origins(run, step) if earlier != RUN))  # the first cause first
        changed = outdated_by(run, step)
        if changed is not None:
            raise BadInput(
                f"{run / step} was made from another {changed} than is there now",
                expected=f"a {step} that was made after the {changed}",
                mend=_command(run, step) + " --overwrite",
            )


def outdated_by(run: Path, step: str) -> str | None:
    """The earlier step that was made again after a step was made from it; None if there is none."""
    for earlier, state in _origins(run, step).items():
        there = run / MANIFEST if earlier == RUN else run / earlier / MANIFEST
        if not there.is_file() or state_of(run, earlier) != state:
            return earlier
    return None


def _left_out(run: Path, step: str) -> str | None:
    """A step that the scores know nothing of, since it was made after them."""
    if step != "scores":
        return None
    later = (name for name in ("removed", "retrained") if (run / name / MANIFEST).is_file())
    return next((name for name in later if name not in _origins(run, step)), None)


def _origins(run: Path, step: str) -> dict[str, str]:
    manifest = read_json(run / step / MANIFEST)
    return dict(manifest.get("made_from") or (manifest.get("config") or {}).get("made_from") or {})


@dataclass(frozen=True)
class StepStatus:
    """Where a step stands."""

    step: str
    verb: str
    state: str
    """``done``, ``out of date``, ``unfinished`` (stopped on the way; the same command goes on) or ``to do``."""
    made: str = ""
    """When it was made, in ISO 8601."""
    changed: str | None = None
    """The earlier step that has been made again since."""


def statuses(run: Path) -> list[StepStatus]:
    """Every step of a run, in order.

    Raises:
        BadFile: the folder is no run.
    """
    read_manifest(run, KIND)
    found: list[StepStatus] = []
    for step, verb in VERBS.items():
        if not (run / step / MANIFEST).is_file():
            stopped = (run / f".{step}.partial").exists()
            found.append(StepStatus(step, verb, "unfinished" if stopped else "to do"))
            continue
        stale = {item.step for item in found if item.state == "out of date"}
        changed = (
            outdated_by(run, step)
            or _left_out(run, step)
            or next((name for name in _origins(run, step) if name in stale), None)
        )
        made = str(read_json(run / step / MANIFEST).get("created") or "")
        found.append(StepStatus(step, verb, "out of date" if changed else "done", made, changed))
    return found


def next_command(run: Path, steps: list[StepStatus]) -> str | None:
    """What to type next; None when all is done."""
    for item in steps:
        if item.state == "done":
            continue
        again = " --overwrite" if item.state == "out of date" else ""
        if item.step == "removed" and not again:
            return f"circuitscope shift judge {run}, and then circuitscope shift apply {run} SHEET"
        return _command(run, item.step) + again
    return None


def _command(run: Path, step: str) -> str:
    return f"circuitscope shift {VERBS[step]} {run}" + " SHEET" * (step == "removed")


def config_of(run: Path) -> dict[str, Any]:
    """What a run is about: the settings of its first step that later ones read."""
    return dict(read_manifest(run, KIND)["config"])
