"""Figures as files: whole or not at all, in the format that the suffix names."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

from circuitscope.errors import BadInput
from circuitscope.runs import explained_disk, write_file

if TYPE_CHECKING:
    import matplotlib.figure

# Without a date, equal pictures are equal files.
_METADATA: dict[str, dict[str, Any]] = {".png": {}, ".svg": {"Date": None}, ".pdf": {"CreationDate": None}}
SUFFIXES = tuple(_METADATA)

_DOTS_PER_INCH = 160
_MOST_PIXELS = 16_000
"""On the longer side; browsers and viewers refuse much more."""


def check_suffix(path: Path) -> None:
    """Raise BadInput, before anything is drawn, if no picture can have this name."""
    if path.suffix.lower() not in SUFFIXES:
        raise BadInput(
            f"{path} does not name a picture format: its suffix is {path.suffix!r}",
            expected="a name that ends in " + ", ".join(SUFFIXES),
            mend=f"for example {path.with_suffix('.png').name}" if path.name else "name a file",
        )


def save_figure(figure: matplotlib.figure.Figure, path: Path) -> None:
    """Write a figure as PNG, SVG or PDF."""
    check_suffix(path)
    suffix = path.suffix.lower()
    content = io.BytesIO()
    dots = min(_DOTS_PER_INCH, _MOST_PIXELS / max(figure.get_size_inches()))
    figure.savefig(content, format=suffix[1:], dpi=dots, metadata=_METADATA[suffix])
    with explained_disk(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    write_file(path, content.getvalue())
