"""What the verbs of behaviours share: the run folder as their argument."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

RUN = Annotated[
    Path,
    typer.Argument(
        help="The folder of a search for behaviours, begun by behaviours contexts.", metavar="RUN"
    ),
]
