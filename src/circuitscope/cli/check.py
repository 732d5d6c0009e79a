"""circuitscope check"""

from __future__ import annotations

from collections import Counter

import typer
from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.table import Table

from circuitscope.cli.console import errors, out, progress, say
from circuitscope.cli.dry_run import DRY_RUN, show_dry_run
from circuitscope.cli.options import configured
from circuitscope.config import CheckConfig
from circuitscope.results import CheckedExample, CheckedSide, CheckedText, TaskCheck

_SKIPPED_SHOWN = 10


def register(app: typer.Typer) -> None:
    app.command("check")(check)


@configured(CheckConfig, leading={"dry_run": DRY_RUN})
def check(config: CheckConfig, dry_run: bool) -> None:
    """Check a task on a model: how it is read, what is skipped, and whether the model has the behaviour.

    Loads no dictionaries unless they are named, and writes nothing.
    """
    from circuitscope import pipeline

    if dry_run:
        from circuitscope.pipeline.dry_run import dry_run_check

        show_dry_run(lambda show: dry_run_check(config, progress=show))
        return
    with progress() as show:
        found = pipeline.run_check(config, progress=show)
    say(f"{found.task} in {found.model}: {found.examples} of {found.examples + len(found.skipped)} {found.split} "
        f"examples can be used ({found.kind}); texts begin {'with' if found.bos else 'without'} a BOS")  # fmt: skip
    _say_skipped(found)
    say(f"lengths in tokens: {_counted(found.lengths, 'of {}')}")
    if found.differ:
        say(f"pairs differ at position: {_counted(found.differ, 'at {}')}")
    if found.shown:
        out.print(rows_table(found))
    out.print(sides_table(found))
    for doubt in found.doubts:
        errors.print(f"[yellow]{escape(doubt)}[/]", highlight=False)


def _say_skipped(found: TaskCheck) -> None:
    if not found.skipped:
        return
    reasons = Counter(one.reason for one in found.skipped)
    say(f"skipped: {', '.join(f'{count} ({reason})' for reason, count in reasons.items())}")
    for one in found.skipped[:_SKIPPED_SHOWN]:
        say(f"  {one.where}: {one.reason}")
    if len(found.skipped) > _SKIPPED_SHOWN:
        say(f"  and {len(found.skipped) - _SKIPPED_SHOWN} more")


def _counted(counts: object, words: str) -> str:
    assert isinstance(counts, dict)
    return ", ".join(f"{count} {words.format(key)}" for key, count in counts.items())


def rows_table(found: TaskCheck) -> Table:
    """The first examples, token by token, and what the model says next."""
    table = Table(title="the first examples, as the model reads them", box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("")
    table.add_column("tokens, divided by |")
    table.add_column("its answer", justify="right")
    if found.kind != "single inputs":
        table.add_column("the other", justify="right")
    table.add_column("most probable")
    for example in found.shown:
        for name, text in _texts(example):
            table.add_row(*_cells(name, text))
    return table


def _texts(example: CheckedExample) -> list[tuple[str, CheckedText]]:
    own = [(example.where.rsplit("/", 1)[-1], example.clean)]
    return own if example.patch is None else [*own, ("  patch", example.patch)]


def _cells(name: str, text: CheckedText) -> list[str]:
    cells = [escape(name), escape("|".join(text.pieces)), _placed(text.rank, text.probability)]
    if text.other_rank is not None and text.other_probability is not None:
        cells.append(_placed(text.other_rank, text.other_probability))
    likeliest = f"{text.likeliest.text!r} {text.likeliest.probability:.1%}"
    return [*cells, escape(likeliest) if text.right else f"[yellow]{escape(likeliest)}[/]"]


def _placed(rank: float | int, probability: float) -> str:
    return f"#{rank:,g} {probability:.1%}"


def sides_table(found: TaskCheck) -> Table:
    """How often the model does what the texts ask for."""
    table = Table(
        title="what the model says next",
        box=SIMPLE_HEAD,
        pad_edge=False,
        caption=f"#1 is the most probable token; the metric is {found.metric_shown_as} "
        "of the text's own answer",
    )
    sides = {"clean texts": found.clean} | ({} if found.patch is None else {"patch texts": found.patch})
    table.add_column("")
    for name in sides:
        table.add_column(name, justify="right")
    prefers = (
        "its own answer is preferred" if found.kind != "single inputs" else "its answer is the most probable"
    )
    rows = {prefers: [f"{side.right} of {found.examples}" for side in sides.values()]}
    rows["its own answer: median rank, mean probability"] = [
        _placed(side.rank, side.probability) for side in sides.values()
    ]
    if found.kind != "single inputs":
        rows["the other answer"] = [_other(side) for side in sides.values()]
    rows["mean metric"] = [f"{side.metric:.3f}" for side in sides.values()]
    for name, cells in rows.items():
        table.add_row(name, *cells)
    return table


def _other(side: CheckedSide) -> str:
    assert side.other_rank is not None
    assert side.other_probability is not None
    return _placed(side.other_rank, side.other_probability)
