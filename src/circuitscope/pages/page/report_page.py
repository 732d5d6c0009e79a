"""ReportPage: a report that was written, as a value that opens, prints and shows itself."""

from __future__ import annotations

import html
from dataclasses import dataclass
from pathlib import Path

_HEIGHT = 720
"""Pixels of a notebook's cell."""


@dataclass(frozen=True)
class ReportPage:
    """A page on disk; ``open`` and everything else that takes a path takes it."""

    path: Path
    """The page itself, one HTML file that needs nothing else."""

    def __fspath__(self) -> str:
        return str(self.path)

    def __str__(self) -> str:
        return str(self.path)

    def _repr_html_(self) -> str:
        """The page in a frame, with its path: what a notebook shows.

        The frame holds the page itself and not a link to it, since notebooks do not serve every folder.
        """
        page = html.escape(self.path.read_text(encoding="utf-8"))
        return (
            f"<p>report: <code>{html.escape(str(self.path))}</code></p>"
            f'<iframe title="report" sandbox="allow-scripts" width="100%" height="{_HEIGHT}" '
            f'style="border: 1px solid #ccc" srcdoc="{page}"></iframe>'
        )
