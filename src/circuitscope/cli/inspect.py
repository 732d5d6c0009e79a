"""circuitscope inspect"""

from __future__ import annotations

from typing import Annotated

import typer
from rich.table import Table

from circuitscope.bundled import BUNDLED
from circuitscope.cli.console import out, progress, say
from circuitscope.config import refuse_bundled_dictionaries


def register(app: typer.Typer) -> None:
    app.command("inspect")(inspect)


def inspect(
    model: Annotated[str, typer.Option(help="The model: bundled, a HuggingFace id or a folder.")] = BUNDLED,
    dictionaries: Annotated[
        str,
        typer.Option(
            help="The dictionaries: bundled, a folder, a hub id, several joined by commas, a YAML file of sites, "
            "identity, or identity:mlp-hidden."
        ),
    ] = BUNDLED,
    device: Annotated[str, typer.Option(help="Where to run.")] = "auto",
    dtype: Annotated[str, typer.Option(help="Number format.")] = "float32",
) -> None:
    """Check that dictionaries fit a model, and list them site by site."""
    from circuitscope.dictionaries import load_dictionaries, refuse_missing_dictionaries
    from circuitscope.model import load_model

    refuse_bundled_dictionaries(model, dictionaries)
    refuse_missing_dictionaries(dictionaries)
    with progress() as show:
        show(0, 2, "loading")
        language_model = load_model(model, device=device, dtype=dtype)
        show(1, 2, "loading")
        loaded = load_dictionaries(dictionaries, language_model)
    say(
        f"{language_model.name}: {language_model.family.name}, {language_model.n_layers} layers of width "
        f"{language_model.width}, {'parallel' if language_model.parallel else 'sequential'} blocks"
    )
    table = Table(title=f"dictionaries in {dictionaries}")
    for heading in ("site", "kind", "features", "width", "reads"):
        table.add_column(heading, justify="right" if heading in ("features", "width") else "left")
    for site, dictionary in loaded.items():
        tap = language_model.tap(site, dictionary.tensor)
        table.add_row(
            site.name, dictionary.kind, f"{dictionary.n_features:,}", str(dictionary.width), tap.name
        )
    out.print(table)
    missing = [site.name for site in language_model.sites if site not in loaded]
    if missing:
        out.print(f"sites without a dictionary: {', '.join(missing)}")
    bos = {None: "not stated", True: "yes", False: "no"}[loaded.prepend_bos]
    out.print(f"trained with BOS: {bos}; content {loaded.content_hash[:16]}")
