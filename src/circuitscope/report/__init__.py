"""What a person reads: pictures of circuits and sweeps, reports, and exports. Nothing here loads torch.

``circuitscope.report`` is this package and, called, the public function of that name: Python lets a package and
a function share a name only if the package can be called.
"""

import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from circuitscope.report.circuit_layout import Layout, layout
from circuitscope.report.content import make_report
from circuitscope.report.figure_file import SUFFIXES, save_figure
from circuitscope.report.page import html_of, index_html
from circuitscope.report.plot_circuit import plot_circuit
from circuitscope.report.plot_groups import plot_groups
from circuitscope.report.plot_sweep import plot_sweep
from circuitscope.report.schema import ExampleText, IndexRow, Report, read_report

__all__ = [
    "SUFFIXES",
    "ExampleText",
    "IndexRow",
    "Layout",
    "Report",
    "html_of",
    "index_html",
    "layout",
    "make_report",
    "plot_circuit",
    "plot_groups",
    "plot_sweep",
    "read_report",
    "save_figure",
]


class _Callable(ModuleType):
    """This package, which can be called."""

    def __call__(self, run: str | Path, **settings: Any) -> Path:
        """Write the report of a run folder: ``circuitscope.pipeline.report``."""
        page: Path = import_module("circuitscope.pipeline").report(run, **settings)
        return page


sys.modules[__name__].__class__ = _Callable
