"""circuitscope shift score-dictionaries"""

from __future__ import annotations

from collections.abc import Sequence

import typer
from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.table import Table

from circuitscope.cli.console import out, progress, say
from circuitscope.cli.dry_run import DRY_RUN, show_dry_run
from circuitscope.cli.options import OVERWRITE, configured
from circuitscope.config import ShiftDictionariesConfig
from circuitscope.results import DictionaryScores


def register(app: typer.Typer) -> None:
    app.command("score-dictionaries")(score_dictionaries)


@configured(ShiftDictionariesConfig, leading={"overwrite": OVERWRITE, "dry_run": DRY_RUN})
def score_dictionaries(config: ShiftDictionariesConfig, overwrite: bool, dry_run: bool) -> None:
    """Score dictionaries by SCR and TPP: how well they let one concept be taken out without the other.

    Both are computed as in SAEBench, for the label and the attribute of the texts.
    """
    from circuitscope.pipeline.shift import run_score_dictionaries

    if dry_run:
        from circuitscope.pipeline.dry_run.shift import dry_run_scores

        show_dry_run(lambda show: dry_run_scores(config, overwrite=overwrite, progress=show))
        return
    with progress() as show:
        result = run_score_dictionaries(config, overwrite=overwrite, progress=show)
    out.print(scr_tpp_table(result))
    if config.json:
        say(f"written to {config.json}")


def scr_tpp_table(result: DictionaryScores) -> Table:
    """Two rows per site, a column per number of features."""
    counts = sorted({count for row in result.rows for count in row.scores.counts})
    concepts = {name: " or ".join(values) for name, values in result.concepts.items()}
    table = Table(
        box=SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        pad_edge=False,
        title=f"SCR and TPP, {escape(result.data)}, by number of features taken out",
        caption="SCR: how far taking out the spurious concept goes on the way from the biased classifier to the "
        "oracle, in the direction that begins lower (accuracy: both ends); – where there is no way to go. TPP: what "
        "a concept's probe loses when its own features are taken out, less what the other's loses. Label: "
        f"{concepts['label']}; attribute: {concepts['attribute']}.",
    )
    for heading in ("site", "score"):
        table.add_column(heading, no_wrap=True)
    for count in counts:
        table.add_column(str(count), justify="right", no_wrap=True)
    table.add_column("accuracy", justify="right", no_wrap=True)
    for row in result.rows:
        found = row.scores
        meant = "label" if found.spurious == "attribute" else "attribute"
        way = f"{found.biased[meant]:.2f}→{found.oracle[meant]:.2f}"
        table.add_row(row.site, "SCR", *_cells(found.counts, found.scr, counts), way)
        table.add_row("", "TPP", *_cells(found.counts, found.tpp, counts))
    return table


def _cells(own: Sequence[int], scores: Sequence[float | None], counts: list[int]) -> list[str]:
    values = dict(zip(own, scores, strict=True))
    found = (values.get(count) for count in counts)
    return ["–" if value is None else f"{value:.2f}" for value in found]
