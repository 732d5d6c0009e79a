"""What a run has, what of it is out of date, and what comes next."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path

from circuitscope.runs.about import About, about_of
from circuitscope.runs.judging import SHEET, Sheet, sheet_of
from circuitscope.runs.manifest import read_manifest
from circuitscope.runs.origins import Change, Manifests
from circuitscope.runs.stages import JUDGING, PARTIAL, Stage, stage_named, stages_in

DONE, OUT_OF_DATE, UNFINISHED, TO_DO = "done", "out of date", "unfinished", "not made"


@dataclass(frozen=True)
class StageStatus:
    """Where a stage stands."""

    stage: str
    verb: str
    state: str
    """``done``, ``out of date``, ``unfinished`` (stopped; the same command continues it) or ``not made``."""
    made: str = ""
    """When it was made, in ISO 8601."""
    changed: str | None = None
    """What has changed since and makes it out of date: a stage, or ``run`` for the run itself."""
    note: str = ""
    """Why it is out of date or unfinished, in words."""

    def __str__(self) -> str:
        """``report: out of date, evaluation was made again``."""
        return f"{self.stage}: {self.state}" + f", {self.note}" * bool(self.note)


@dataclass(frozen=True)
class RunStatus:
    """What a run has, and what comes next."""

    run: Path
    kind: str
    """``run`` (a circuit), ``shift`` or ``behaviours``."""
    about: About
    """What the run is about."""
    stages: tuple[StageStatus, ...]
    next: str | None
    """The next command; None when everything that is usually made is there and up to date."""

    def __getitem__(self, stage: str) -> StageStatus:
        """The status of a stage by its name.

        Raises:
            KeyError: runs of this kind have no such stage.
        """
        for item in self.stages:
            if item.stage == stage:
                return item
        raise KeyError(stage)

    @property
    def outdated(self) -> tuple[str, ...]:
        """The stages that are out of date."""
        return tuple(item.stage for item in self.stages if item.state == OUT_OF_DATE)

    def __repr__(self) -> str:
        """A line per stage, for a person at a prompt."""
        width = max(len(item.stage) for item in self.stages)
        lines = [f"{self.run}: {self.about}"]
        for item in self.stages:
            said = f"{item.state}: {item.note}" if item.note else item.state
            lines.append(f"  {item.stage:<{width}}  {said}" + f"  ({item.made})" * bool(item.made))
        lines.append(f"next: {self.next}" if self.next else "nothing is left to do")
        return "\n".join(lines)


def status(run: str | Path) -> RunStatus:
    """Every stage of a run in order; loads no model, and hashes no file.

    Raises:
        BadFile: the folder is not a run.
    """
    look = Manifests(Path(run).expanduser())
    manifest = read_manifest(look.run, look.kind, check_files=False)
    found: list[StageStatus] = []
    for stage in stages_in(look.run, look.kind):
        found.append(_status(look, stage, found))
    return RunStatus(look.run, look.kind, about_of(manifest), tuple(found), _next(look, found))


def _status(look: Manifests, stage: Stage, earlier: list[StageStatus]) -> StageStatus:
    if not look.has(stage.name):
        folder = stage.in_(look.run)
        stopped = folder.with_name(f".{folder.name}{PARTIAL}").exists()
        return StageStatus(stage.name, stage.verb, UNFINISHED if stopped else TO_DO)
    stale = {item.stage for item in earlier if item.state == OUT_OF_DATE}
    changed = look.change(stage) or next(
        (Change(name, "is out of date") for name in look.origins(stage) if name in stale), None
    )
    made = str(look.of(stage.name).get("created") or "")
    if changed is not None:
        return StageStatus(stage.name, stage.verb, OUT_OF_DATE, made, changed.name, str(changed))
    if stage is JUDGING:
        return _judging(look, made)
    return StageStatus(stage.name, stage.verb, DONE, made)


def _judging(look: Manifests, made: str) -> StageStatus:
    """Judging is finished when no verdict is blank; a sheet that has been applied may be deleted."""
    sheet = sheet_of(look.run)
    assert sheet is not None
    counted = sheet.verdicts()
    if counted is not None:
        blank, all_of_them = counted
        state, note = (UNFINISHED, f"{blank} of {all_of_them} verdicts are blank") if blank else (DONE, "")
    else:
        there = "cannot be read" if sheet.path.exists() else "is gone"
        state = DONE if look.has(JUDGING.prepares) else UNFINISHED
        note = f"the sheet {sheet.path} {there}"
    return StageStatus(JUDGING.name, JUDGING.verb, state, made, note=note)


def _next(look: Manifests, found: list[StageStatus]) -> str | None:
    for item in found:
        stage = stage_named(look.kind, item.stage)
        if item.state == OUT_OF_DATE:
            return command(look.run, stage, again=True)
        if stage.prepares and look.has(stage.prepares):
            continue
        if item.state == UNFINISHED or (item.state == TO_DO and stage.usual):
            return command(look.run, stage)
    return None


def command(run: Path, stage: Stage, *, again: bool = False) -> str:
    """What to type to make a stage, to continue it, or to make it ``again``."""
    words = f"circuitscope {stage.verb} {shlex.quote(str(run))}"
    own = stage.name.partition("/")[2]
    words += f" --name {shlex.quote(own)}" * bool(own)
    sheet = sheet_of(run)
    if stage is JUDGING and sheet is not None:
        words += _to_go_on(run, sheet, asking=not again)
    if stage.name == JUDGING.prepares:
        words += " " + (shlex.quote(str(sheet.path)) if sheet else "SHEET")
    return words + " --overwrite" * again


def _to_go_on(run: Path, sheet: Sheet, *, asking: bool) -> str:
    named = "" if sheet.path == run / SHEET else f" --sheet {shlex.quote(str(sheet.path))}"
    counted = sheet.verdicts()
    return named + " --interactive" * bool(asking and counted and counted[0])
