"""What a run has, what of it is out of date, and what comes next."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from circuitscope.errors import BadFile, BadInput
from circuitscope.runs.files import MANIFEST, hash_json, kind_of, read_json
from circuitscope.runs.manifest import read_manifest
from circuitscope.runs.stages import RUN, SHIFT, STAGES, Stage, stage_named

_ABOUT = ("config", "model_hash", "dictionaries_hash", "data_hash", "files", "recipe", "info")
"""What of a run's own manifest later stages depend on."""

DONE, OUT_OF_DATE, UNFINISHED, TO_DO = "done", "out of date", "unfinished", "not made"


def state_of(run: Path, name: str) -> str:
    """A hash of what a stage found, or of what the run itself is; a stage's own later stages do not change it."""
    if name == RUN:
        manifest = read_json(run / MANIFEST)
        return hash_json({key: manifest.get(key) for key in _ABOUT})
    return hash_json(read_json(run / name / MANIFEST)["files"])


def made_from(run: Path, stage: Stage) -> dict[str, str]:
    """What a new result of a stage says about what it is made from."""
    present = [name for name in stage.uses if _there(run, name)]
    return {name: state_of(run, name) for name in (*stage.made_from, *present)}


def is_there(run: Path, stage: Stage) -> bool:
    """Whether a run has a finished result of a stage."""
    return _there(run, stage.name)


def _there(run: Path, name: str) -> bool:
    return (run / MANIFEST).is_file() if name == RUN else (run / name / MANIFEST).is_file()


def need(run: Path, *stages: Stage) -> None:
    """Raise BadInput unless the run has these stages, each made from what is there now."""
    kind = run_kind(run)
    for stage in stages:
        if not is_there(run, stage):
            raise BadInput(
                f"{run} has no {stage.name} yet",
                expected=f"the folder {stage.name}, which circuitscope {stage.verb} writes",
                mend=command(run, stage),
            )
        earlier = (name for name in _origins(run, stage) if name != RUN)
        need(run, *(stage_named(kind, name) for name in earlier))  # the first cause first
        changed = outdated_by(run, stage)
        if changed is not None:
            raise BadInput(
                f"{run / stage.name} was made from another {changed} than the one there now",
                expected=f"a {stage.name} made after the {changed}",
                mend=command(run, stage) + " --overwrite",
            )


def need_shift(run: Path, *stages: Stage) -> None:
    """``need`` for a run that must be a SHIFT."""
    if kind_of(run) != SHIFT:
        raise BadInput(
            f"{run} is not the folder of a SHIFT",
            expected="a folder that circuitscope shift train began",
            mend=f"circuitscope shift train {run}, or name the right folder",
        )
    need(run, *stages)


def run_kind(run: Path) -> str:
    """``run`` or ``shift``.

    Raises:
        BadFile: the folder is neither.
    """
    kind = kind_of(run)
    if kind not in STAGES:
        found = f"{run} is a folder of kind {kind!r}" if kind else f"{run} is not a run folder"
        raise BadFile(
            found if run.exists() else f"there is no folder {run}",
            expected="a folder written by circuitscope discover or circuitscope shift train",
            mend="check the path",
        )
    return kind


def outdated_by(run: Path, stage: Stage) -> str | None:
    """What was made again, or made for the first time, after a stage that depends on it; None if nothing was.

    A stage that does not say what it was made from (written by an earlier version) counts as up to date.
    """
    origins = _origins(run, stage)
    for name, state in origins.items():
        if not _there(run, name) or state_of(run, name) != state:
            return name
    if not origins:
        return None
    return next((name for name in stage.uses if name not in origins and _there(run, name)), None)


def _origins(run: Path, stage: Stage) -> dict[str, str]:
    manifest = read_json(run / stage.name / MANIFEST)
    return dict(manifest.get("made_from") or (manifest.get("config") or {}).get("made_from") or {})


@dataclass(frozen=True)
class StageStatus:
    """Where a stage stands."""

    stage: str
    verb: str
    state: str
    """``done``, ``out of date``, ``unfinished`` (stopped on the way; the same command goes on) or ``not made``."""
    made: str = ""
    """When it was made, in ISO 8601."""
    changed: str | None = None
    """What has been made since, and puts it out of date."""


@dataclass(frozen=True)
class RunStatus:
    """What a run has, and what comes next."""

    run: Path
    kind: str
    """``run`` (a circuit) or ``shift``."""
    about: str
    """What the run is about, in a line."""
    stages: tuple[StageStatus, ...]
    next: str | None
    """The next command; None when all that is usually made is there and up to date."""


def status(run: str | Path) -> RunStatus:
    """Every stage of a run in order; loads no model.

    Raises:
        BadFile: the folder is not a run.
    """
    folder = Path(run)
    kind = run_kind(folder)
    manifest = read_manifest(folder, kind, check_files=False)
    found: list[StageStatus] = []
    for stage in STAGES[kind]:
        found.append(_status(folder, stage, found))
    return RunStatus(folder, kind, _about(manifest), tuple(found), _next(folder, kind, found))


def _status(run: Path, stage: Stage, earlier: list[StageStatus]) -> StageStatus:
    if not is_there(run, stage):
        stopped = (run / f".{stage.name}.partial").exists()
        return StageStatus(stage.name, stage.verb, UNFINISHED if stopped else TO_DO)
    stale = {item.stage for item in earlier if item.state == OUT_OF_DATE}
    changed = outdated_by(run, stage) or next((name for name in _origins(run, stage) if name in stale), None)
    made = str(read_json(run / stage.name / MANIFEST).get("created") or "")
    return StageStatus(stage.name, stage.verb, OUT_OF_DATE if changed else DONE, made, changed)


def _about(manifest: dict[str, object]) -> str:
    settings = manifest.get("config")
    values = settings if isinstance(settings, dict) else {}
    info = manifest.get("info")
    if isinstance(info, dict):
        values = {**values, **info}
    task = values.get("task") or values.get("data") or "?"
    return f"{task} on {values.get('model', '?')} with {values.get('dictionaries', '?')}"


def _next(run: Path, kind: str, found: list[StageStatus]) -> str | None:
    stages = {stage.name: stage for stage in STAGES[kind]}
    for item in found:
        stage = stages[item.stage]
        if item.state == OUT_OF_DATE:
            return command(run, stage) + " --overwrite"
        if item.state == UNFINISHED or (item.state == TO_DO and stage.usual):
            return command(run, stage)
    return None


def command(run: Path, stage: Stage) -> str:
    """What to type to make a stage."""
    return f"circuitscope {stage.verb} {run}{stage.argument}"
