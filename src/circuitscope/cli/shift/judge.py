"""circuitscope shift judge"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from circuitscope.cli.console import progress, say
from circuitscope.cli.dry_run import DRY_RUN, show_dry_run
from circuitscope.cli.options import OVERWRITE, configured
from circuitscope.cli.shift.arguments import RUN
from circuitscope.config import ShiftJudgeConfig
from circuitscope.errors import BadInput
from circuitscope.runs import SHEET

if TYPE_CHECKING:
    from circuitscope.pipeline.shift import Ask, SheetWritten

_CONFLICTS = 10

_SHEET = (
    Annotated[
        Path | None,
        typer.Option(
            "--sheet", help="The file to write, .csv or .jsonl (default: sheet.csv in RUN).", metavar="FILE"
        ),
    ],
    None,
)
_INTERACTIVE = (
    Annotated[
        bool,
        typer.Option(
            "--interactive",
            help="Ask in the terminal, one feature at a time; continues a sheet that already exists.",
        ),
    ],
    False,
)


def register(app: typer.Typer) -> None:
    app.command("judge")(judge)


@configured(
    ShiftJudgeConfig,
    leading={
        "run": RUN,
        "sheet": _SHEET,
        "interactive": _INTERACTIVE,
        "overwrite": OVERWRITE,
        "dry_run": DRY_RUN,
    },
)
def judge(
    config: ShiftJudgeConfig, run: Path, sheet: Path | None, interactive: bool, overwrite: bool, dry_run: bool
) -> None:
    """Write a sheet of every feature in a run's circuit, on which to say whether each is about the task.

    A row has the feature's effect, its top contexts, the tokens that it promotes and suppresses, and a blank verdict
    (keep, remove or unsure) and note. People's earlier verdicts on the same dictionaries and task are filled in.
    Nothing leaves the computer unless an endpoint is the judge.
    """
    from circuitscope.pipeline.shift import finish_judging, judge_by_asking, prepare_judging

    if interactive and config.judge != "person":
        raise BadInput(
            f"--interactive with --judge {config.judge}",
            expected="one judge",
            mend=f"leave out --interactive; you can correct what --judge {config.judge} says in its sheet",
        )
    if dry_run:
        from circuitscope.pipeline.dry_run.shift import dry_run_judge

        show_dry_run(
            lambda show: dry_run_judge(
                run, sheet, config, go_on=interactive, overwrite=overwrite, progress=show
            )
        )
        return
    with progress() as show:  # no bar runs while somebody is asked: it would write over the question
        judging = prepare_judging(
            run, config, sheet=sheet, go_on=interactive, overwrite=overwrite, progress=show
        )
    if interactive:
        judging = judge_by_asking(judging, _asker(judging.task), config.who)
    _report(run, finish_judging(judging))


def _asker(task: str) -> Ask:
    from circuitscope.cli.shift.asking import ask_in_terminal

    def ask(features, take):  # type: ignore[no-untyped-def]
        ask_in_terminal(features, take, task=task)

    return ask


def _report(run: Path, written: SheetWritten) -> None:
    """What is in the sheet, and what to do next."""
    verdicts = Counter(item.verdict or "blank" for item in written.features)
    words = ", ".join(f"{count} {verdict}" for verdict, count in sorted(verdicts.items()))
    say(f"{len(written.features)} features: {words}; in {written.path}")
    if written.conflicts:
        rest = len(written.conflicts) - _CONFLICTS
        count = len(written.conflicts)
        say(f"judges disagree about {count} of the features; the newest verdict of a person is filled in:")
        for line in written.conflicts[:_CONFLICTS]:
            say(f"  {line}")
        if rest > 0:
            say(f"  and {rest} more")
    if verdicts["blank"]:
        sheet = "" if written.path == run / SHEET else f" --sheet {written.path}"
        say(
            f"next: fill in the verdicts (circuitscope shift judge {run}{sheet} --interactive asks for them), then"
        )
    say(f"{'' if verdicts['blank'] else 'next: '}circuitscope shift apply {run} {written.path}")
