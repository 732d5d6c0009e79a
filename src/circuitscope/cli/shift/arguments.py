"""What the verbs of SHIFT share: the run folder as their argument."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

RUN = Annotated[Path, typer.Argument(help="The folder of a SHIFT, begun by shift train.", metavar="RUN")]
SHEET = Annotated[Path, typer.Argument(help="A sheet of verdicts, a .csv or .jsonl file.", metavar="SHEET")]
