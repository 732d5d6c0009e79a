"""need: a stage begins only when the stages it is made from are there and up to date."""

from __future__ import annotations

from pathlib import Path

from circuitscope.errors import BadInput, argument
from circuitscope.runs.files import kind_of
from circuitscope.runs.origins import Manifests
from circuitscope.runs.stages import BEHAVIOURS, RUN, SHIFT, Stage, names_in, stage_named
from circuitscope.runs.status import command


def need(run: Path, *stages: Stage) -> None:
    """Raise BadInput unless the run has these stages, each made from what is there now."""
    look = Manifests(run)
    for stage in stages:
        _need(look, stage)


def _need(look: Manifests, stage: Stage) -> None:
    run = look.run
    if not look.has(stage.name):
        raise BadInput(
            f"{run} has no {stage.name} yet",
            expected=f"the folder {stage.name}, which circuitscope {stage.verb} writes",
            mend=command(run, stage),
        )
    for name in look.origins(stage):
        if name != RUN:  # the first cause first
            _need(look, stage_named(look.kind, name))
    changed = look.change(stage)
    if changed is not None:
        raise BadInput(
            f"{stage.in_(run)} is out of date: {changed}",
            expected=f"{stage.name} made from what is there now",
            mend=command(run, stage, again=True),
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


def need_behaviours(run: Path, *stages: Stage) -> None:
    """``need`` for a run that must be one of behaviours."""
    if kind_of(run) != BEHAVIOURS:
        raise BadInput(
            f"{run} is not a folder of behaviours",
            expected="a folder that circuitscope behaviours contexts began",
            mend=f"circuitscope behaviours contexts {run}, or name the right folder",
        )
    need(run, *stages)


def need_one_of(run: Path, stage: Stage, name: str = "") -> str:
    """The name of one of several of a stage (``vectors/NAME``): that which is asked for, or the only one there is.

    Raises:
        BadInput: there is none, none of this name, or several and no name is given.
    """
    look = Manifests(run)
    there = [own for own in names_in(stage.in_(run)) if look.has(stage.called(own).name)]
    asked = argument(stage.name, name or None)
    if name in there or (not name and len(there) == 1):
        return name or there[0]
    if not there:
        raise BadInput(
            f"{run} has no {stage.name} yet",
            expected=f"the folder {stage.name}, which circuitscope {stage.verb} writes",
            mend=command(run, stage),
        )
    raise BadInput(
        f"{run} has no {asked}" if name else f"{run} has several {stage.name}",
        expected=" or ".join(there),
        mend=f"name one of these with {argument(stage.name)}",
    )
