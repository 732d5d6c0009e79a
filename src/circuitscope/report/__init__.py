"""What a person reads: static pictures of circuits and of sweeps. Nothing here loads torch."""

from circuitscope.report.circuit_layout import Layout, layout
from circuitscope.report.figure_file import SUFFIXES, save_figure
from circuitscope.report.plot_circuit import plot_circuit
from circuitscope.report.plot_sweep import plot_sweep

__all__ = ["SUFFIXES", "Layout", "layout", "plot_circuit", "plot_sweep", "save_figure"]
