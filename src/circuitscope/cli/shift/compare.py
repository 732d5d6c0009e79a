"""circuitscope shift compare"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import typer
from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.table import Table

from circuitscope.cli.console import out, progress, say
from circuitscope.cli.dry_run import DRY_RUN, show_dry_run
from circuitscope.cli.options import OVERWRITE, configured
from circuitscope.cli.shift.arguments import RUN
from circuitscope.cli.shift.tables import per_cent
from circuitscope.config import ShiftCompareConfig
from circuitscope.results import ProbeTraining, RemovalCurve, ShiftComparison, Spread
from circuitscope.runs import COMPARISON, sheet_of


def register(app: typer.Typer) -> None:
    app.command("compare")(compare)


@configured(ShiftCompareConfig, leading={"run": RUN, "overwrite": OVERWRITE, "dry_run": DRY_RUN})
def compare(config: ShiftCompareConfig, run: Path, overwrite: bool, dry_run: bool) -> None:
    """Compare SHIFT with baselines, skylines and simpler ways to choose features, after apply.

    A stopped comparison continues with the first row that is missing.
    """
    from circuitscope.pipeline.shift import run_shift_compare

    if dry_run:
        from circuitscope.pipeline.dry_run.shift import dry_run_compare

        show_dry_run(lambda show: dry_run_compare(run, config, overwrite=overwrite, progress=show))
        return
    with progress() as show:
        result = run_shift_compare(run, config, overwrite=overwrite, progress=show)
    show_comparison(result)
    _say_what_next(run, result)
    picture = ", with a picture of the curves" if _curves(result) else ""
    say(f"written to {COMPARISON.in_(run)}{picture}")


def show_comparison(result: ShiftComparison) -> None:
    """Print the table, and the worst group along the curves."""
    out.print(comparison_table(result))
    curves = _curves(result)
    if curves:
        out.print(curves_table(curves))
    else:
        say(
            "no curves over the number of features taken out: the automatic judge has no words for the attribute, or "
            "removes nothing (--cue-words)"
        )
    if result.unjudged:
        say(
            f"{result.unjudged:.0f} features of the circuits had no verdict and stayed in the model; "
            "--verdicts takes a sheet that has them"
        )


def _say_what_next(run: Path, result: ShiftComparison) -> None:
    """After poor verdicts: which groups stay wrong, and which features were left."""
    from circuitscope.pages.words import what_next
    from circuitscope.pipeline.shift import features_left

    lines = what_next(result, features_left(run))
    for line in lines:
        say(line)
    if lines:
        known = sheet_of(run)
        sheet = known.path if known else "SHEET"
        say(f"change verdicts in {sheet}, then: circuitscope shift apply {run} {sheet} --overwrite")


def _curves(result: ShiftComparison) -> list[RemovalCurve]:
    from circuitscope.pages.pictures import curves_to_draw

    return curves_to_draw(result)


def comparison_table(result: ShiftComparison) -> Table:
    """A row per classifier, in per cent, in sections."""
    from circuitscope.pages.words import named_sentence

    seeds = result.seeds
    span = (
        f"mean, lowest and highest of {len(seeds)} seeds"
        if len(seeds) > 1
        else "with 95 % intervals (random features: the lowest and highest draw)"
    )
    table = Table(
        box=SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        pad_edge=False,
        title=f"{escape(result.task)}, {result.sizes['test_balanced']} balanced texts",
        caption=f"Per cent, {span}. Intended: how often the prediction is the label. Unintended: how often it is "
        "the attribute; 50 means that it knows nothing of it. Out: features or neurons taken out. "
        + named_sentence(result)
        + settled_sentence(result.training),
    )
    table.add_column("classifier", no_wrap=True)
    table.add_column("out", justify="right", no_wrap=True, min_width=3)
    for heading in ("intended", "unintended", "worst group"):
        table.add_column(heading, justify="right", no_wrap=True)
    for section in dict.fromkeys(row.section for row in result.rows):
        table.add_section()
        table.add_row(f"[bold]{section}[/]")
        for row in (row for row in result.rows if row.section == section):
            found = row.summary
            cells = map(_with_span, (found.intended, found.unintended, found.worst_group))
            table.add_row(f" {row.name}", f"{found.removed:.0f}" if found.removed else "", *cells)
    return table


def settled_sentence(training: ProbeTraining | None) -> str:
    """Whether anything but the ambiguous texts can have settled what the probe reads."""
    if training is None:
        return ""
    what = f" Site {training.site} and batches of {training.batch}"
    if training.tried:
        return f"{what} were chosen on {training.tried[0].texts} ambiguous texts held out, without a balanced one."
    return f"{what} were given, not chosen on texts held out (--validate)."


def _with_span(figure: Spread) -> str:
    """``61.9 60…64``."""
    return f"{per_cent(figure.mean)} [dim]{100 * figure.low:.0f}…{100 * figure.high:.0f}[/]"


def curves_table(curves: Sequence[RemovalCurve]) -> Table:
    """The worst group's accuracy when only the strongest of the features that the judge removes are taken out."""
    counts = list(dict.fromkeys(name for curve in curves for name in curve.mean if name != "all"))
    counts = [*sorted(counts, key=int), "all"]
    table = Table(
        box=SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        pad_edge=False,
        title="worst group, by number of features taken out",
        caption="Per cent, mean over seeds, without retraining. The automatic judge's features, strongest first; "
        "all: and how many that is.",
    )
    table.add_column("chosen by", no_wrap=True)
    for count in counts:
        table.add_column(count, justify="right", no_wrap=True)
    for curve in curves:
        cells = [per_cent(curve.mean[count].worst_group) if count in curve.mean else "" for count in counts]
        table.add_row(curve.chooser, *cells[:-1], f"{cells[-1]} [dim]{curve.mean['all'].removed:.0f}[/]")
    return table
