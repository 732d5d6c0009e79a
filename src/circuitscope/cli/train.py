"""circuitscope train-dictionaries"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from circuitscope.cli.console import out as print_to
from circuitscope.cli.console import progress
from circuitscope.cli.dry_run import DRY_RUN, show_dry_run
from circuitscope.cli.options import OVERWRITE, configured
from circuitscope.config import TrainConfig
from circuitscope.results import SiteQuality

LEADING: dict[str, Any] = {
    "model": Annotated[str, typer.Option(help="The model: a HuggingFace id or a folder.")],
    "text": Annotated[Path, typer.Option(help="A text file; <|endoftext|> separates documents.")],
    "out": Annotated[Path, typer.Option(help="The folder of dictionaries to write.")],
    "device": (Annotated[str, typer.Option(help="Where to run: auto, cpu, cuda, cuda:1, mps.")], "auto"),
    "overwrite": OVERWRITE,
    "dry_run": DRY_RUN,
}


def register(app: typer.Typer) -> None:
    app.command("train-dictionaries")(train_dictionaries)


@configured(TrainConfig, leading=LEADING)
def train_dictionaries(
    config: TrainConfig, model: str, text: Path, out: Path, device: str, overwrite: bool, dry_run: bool
) -> None:
    """Train dictionaries for every site of a model in one pass over its activations.

    A killed run continues from its last checkpoint when the same command is given again.
    """
    from circuitscope import pipeline

    if dry_run:
        from circuitscope.pipeline.dry_run import dry_run_training

        show_dry_run(
            lambda show: dry_run_training(
                model, text, out, config, device=device, overwrite=overwrite, progress=show
            )
        )
        return
    with progress() as show:
        quality = pipeline.run_training(
            model, text, out, config, device=device, overwrite=overwrite, progress=show
        )
    print_to.print(quality_table(quality))
    print_to.print(f"written to {out}, and to {out / 'saelens'} for SAELens")


def quality_table(quality: Sequence[SiteQuality]) -> Table:
    """How good each site's dictionary is on held-out text."""
    table = Table(
        title="dictionaries on held-out text",
        caption="loss recovered: n/a where zero-ablating the site costs under 0.05 nats",
    )
    for heading in ("site", "L0", "variance unexplained", "loss recovered", "dead features", "features"):
        table.add_column(heading, justify="left" if heading == "site" else "right")
    for row in quality:
        recovered = row.loss_recovered
        table.add_row(
            row.site,
            f"{row.l0:.1f}",
            f"{row.variance_unexplained:.4f}",
            "n/a" if recovered is None else f"{recovered:.3f}",
            str(row.dead_features),
            str(row.n_features),
        )
    return table
