"""Pictures of circuits, groups, sweeps and removals, as files and as plain drawings."""

from circuitscope.pages.pictures.circuit_layout import Layout, layout
from circuitscope.pages.pictures.drawing import draw
from circuitscope.pages.pictures.figure_file import SUFFIXES, save_figure
from circuitscope.pages.pictures.group_drawing import draw_groups
from circuitscope.pages.pictures.plot_circuit import plot_circuit
from circuitscope.pages.pictures.plot_groups import plot_groups
from circuitscope.pages.pictures.plot_removal import curves_to_draw, plot_removal
from circuitscope.pages.pictures.plot_sweep import plot_sweep

__all__ = [
    "SUFFIXES",
    "Layout",
    "curves_to_draw",
    "draw",
    "draw_groups",
    "layout",
    "plot_circuit",
    "plot_groups",
    "plot_removal",
    "plot_sweep",
    "save_figure",
]
