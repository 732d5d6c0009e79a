from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import matplotlib.axes
import matplotlib.figure
import numpy as np
import pytest

from circuitscope.errors import BadInput
from circuitscope.pages.pictures import plot_sweep
from circuitscope.results import Areas, Curve, Sweep

AREAS = Areas(0.9551, None, None, None, (1, 10), (None, 0.9))


def curve(name: str, **changed: Any) -> Curve:
    made = Curve(
        name=name,
        nodes=(1000, 10, 100),
        faithfulness=(0.95, 0.1, 0.6),
        faithfulness_low=(0.9, None, 0.5),
        faithfulness_high=(1.0, None, 0.7),
        completeness=(0.0, 0.4, None),
        needed={"0.5": 80.0, "0.75": 400.0, "0.9": None},
        candidates=1000,
        areas=AREAS,
    )
    return replace(made, **changed)


def sweep(*curves: Curve) -> Sweep:
    return Sweep("simple", "toy", "m", "test", 40, 1, "circuit", (0.5, 0.75, 0.9), (0.1, 1.0), curves)


def panel(figure: matplotlib.figure.Figure, name: str) -> matplotlib.axes.Axes:
    return next(axes for axes in figure.axes if axes.get_gid() == name)


def line(figure: matplotlib.figure.Figure, quantity: str, name: str) -> Any:
    return next(x for x in panel(figure, quantity).lines if x.get_gid() == f"{quantity}: {name}")


def test_two_panels_over_a_logarithmic_axis_in_the_order_of_nodes() -> None:
    figure = plot_sweep(sweep(curve("features")))
    drawn = line(figure, "faithfulness", "features")
    assert drawn.get_xdata().tolist() == [10, 100, 1000]
    assert drawn.get_ydata().tolist() == [0.1, 0.6, 0.95]
    undefined = line(figure, "completeness", "features").get_ydata()
    assert np.isnan(undefined).tolist() == [False, True, False]
    assert {panel(figure, name).get_xscale() for name in ("faithfulness", "completeness")} == {"log"}


def test_rings_where_levels_are_reached() -> None:
    figure = plot_sweep(sweep(curve("features"), curve("random features", needed={})))
    rings = [x for x in panel(figure, "faithfulness").lines if x.get_gid() == "reached"]
    assert [(x.get_xdata()[0], x.get_ydata()[0]) for x in rings] == [(80, 0.5), (400, 0.75)]
    colour = line(figure, "faithfulness", "features").get_color()
    assert {x.get_markeredgecolor() for x in rings} == {colour}
    dotted = [x for x in panel(figure, "faithfulness").lines if x.get_linestyle() == ":"]
    assert sorted(x.get_ydata()[0] for x in dotted) == [0.5, 0.75, 0.9]
    written = [text.get_text() for text in panel(figure, "legend").texts]
    assert {"features", "random features", "80", "400", "–"} <= set(written)


def test_curves_differ_in_colour_and_marker() -> None:
    names = ["other", "random features", "features", "MLP-hidden neurons", "neurons of the sites", "more"]
    figure = plot_sweep(sweep(*map(curve, names)))
    lines = [line(figure, "faithfulness", name) for name in names]
    assert len({x.get_color() for x in lines}) == len({x.get_marker() for x in lines}) == 6
    alone = plot_sweep(sweep(curve("features")))
    assert line(alone, "faithfulness", "features").get_color() == lines[2].get_color()


def test_bands_are_drawn_but_do_not_set_the_scale() -> None:
    wide = curve("features", faithfulness_low=(-90.0, None, 0.0), faithfulness_high=(90.0, None, 1.0))
    axes = panel(plot_sweep(sweep(wide)), "faithfulness")
    assert len(axes.collections) == 1
    assert axes.get_ylim()[0] > -1
    assert axes.get_ylim()[1] < 2
    assert not panel(plot_sweep(sweep(wide)), "completeness").collections, "which has no interval"


def test_no_nodes_have_no_place_and_all_undefined_is_no_failure() -> None:
    nothing = curve("neurons of the sites", nodes=(0, 0, 0), faithfulness=(None,) * 3)
    assert line(plot_sweep(sweep(nothing)), "faithfulness", nothing.name).get_xdata().size == 0
    figure = plot_sweep(sweep(curve("features", nodes=(0, 10, 100), completeness=(None,) * 3)))
    assert line(figure, "faithfulness", "features").get_xdata().tolist() == [10, 100]


def test_saves(tmp_path: Path) -> None:
    plot_sweep(sweep(curve("features")), tmp_path / "sweep.svg")
    assert "</svg>" in (tmp_path / "sweep.svg").read_text()
    with pytest.raises(BadInput, match=r"\.png"):
        plot_sweep(sweep(curve("features")), tmp_path / "sweep.gif")


def test_unfit_sweeps_are_refused() -> None:
    with pytest.raises(BadInput, match="no curves"):
        plot_sweep(sweep())
    with pytest.raises(BadInput, match="3 node counts but 2 of completeness"):
        plot_sweep(sweep(curve("features", completeness=(1.0, None))))


def test_text_meets_no_other_text() -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.transforms import Bbox

    names = ["features", "neurons of the sites", "MLP-hidden neurons", "random features", "x" * 80]
    figure = plot_sweep(replace(sweep(*map(curve, names)), task="t" * 300))
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    found = [*figure.texts, *(text for axes in figure.axes for text in axes.texts)]
    for axes in figure.axes:
        found += [axes.title, axes._left_title, axes.xaxis.label]
    boxes = [(x.get_text(), x.get_window_extent()) for x in found if x.get_text()]
    assert len(boxes) > 25
    for index, (text, box) in enumerate(boxes):
        assert box.x0 >= 0, text
        assert box.x1 <= figure.bbox.x1, text
        for other, other_box in boxes[index + 1 :]:
            assert Bbox.intersection(box, other_box) is None, (text, other)


def test_the_legend_has_the_areas() -> None:
    figure = plot_sweep(sweep(curve("features")))
    found = [text.get_text() for text in panel(figure, "legend").texts]
    assert {"CPR", "CMD", "0.955", "–"} <= set(found)
    assert any("own candidates" in text for text in found)
