"""Groups in pictures and pages: nothing overlaps, nothing is lost, nothing breaks the page."""

from __future__ import annotations

import json
from dataclasses import asdict, replace

import matplotlib.figure
import numpy as np
import pytest
from drawn_circuits import circuit_of, random_circuit
from made_groups import activities_of, groups_of_circuit
from made_reports import NASTY, circuit, report
from matplotlib.patches import FancyBboxPatch, PathPatch
from test_circuit_layout import overlaps
from test_report_page import Page

from circuitscope.cli.group import MOST_ROWS, groups_table, weaker_groups
from circuitscope.pages.page import html_of, read_report
from circuitscope.pages.pictures import plot_groups
from circuitscope.pages.pictures.group_layout import MOST_GROUPS, group_layout, not_drawn
from circuitscope.pages.pictures.shapes import smooth
from circuitscope.runs import write_json
from circuitscope.terms import OUTPUT

SIZES = [(n, keep, span) for n in (1, 20, 150) for keep in (True, False) for span in (1, 3)]


@pytest.mark.parametrize(("count", "keep", "span"), SIZES)
def test_boxes_do_not_overlap_and_stay_inside(count, keep, span):
    groups = groups_of_circuit(random_circuit(count, keep=keep), span=span)
    shown = group_layout(groups)
    placed = shown.placed
    assert 1 <= len(shown.shown) <= MOST_GROUPS
    x, y = np.append(placed.x, placed.output[0]), np.append(placed.y, placed.output[1])
    assert overlaps(x, y, placed.box) == 0
    assert (x - placed.box[0] / 2 > 0.75).all()
    assert (x + placed.box[0] / 2 < placed.width).all()
    assert (y - placed.box[1] / 2 > placed.bottom).all()
    assert (y + placed.box[1] / 2 < placed.top).all()
    for points in [*placed.paths, *(arch.points for arch in shown.arches)]:
        assert (points[:, 0] > 0).all()
        assert (points[:, 0] < placed.width).all()
        assert (points[:, 1] > placed.bottom - 0.05).all()
        assert (points[:, 1] < placed.top).all()


def curve_of(points: np.ndarray, *, around: bool) -> np.ndarray:
    """Many points of an edge as it is drawn."""
    if around:
        return np.concatenate(smooth(points).to_polygons(closed_only=False))
    t = np.linspace(0, 1, 50)[:, None]
    a, b, c, d = points
    return (1 - t) ** 3 * a + 3 * t * (1 - t) ** 2 * b + 3 * t**2 * (1 - t) * c + t**3 * d


@pytest.mark.parametrize("aspect", [0.3, 1.5, 4.0])
@pytest.mark.parametrize(("count", "keep", "span"), [*SIZES, (200, False, 18), (200, True, 18)])
def test_no_edge_runs_behind_a_box(count, keep, span, aspect):
    groups = groups_of_circuit(random_circuit(count, keep=keep), span=span)
    shown = group_layout(groups, max_groups=30, max_edges=90, aspect=aspect)
    placed = shown.placed
    centres = np.stack([np.append(placed.x, placed.output[0]), np.append(placed.y, placed.output[1])], axis=1)
    half = np.array(placed.box) / 2 - 0.01
    edges = [(points, True) for points in placed.paths] + [
        (arch.points, arch.around) for arch in shown.arches
    ]
    for points, around in edges:
        curve = curve_of(points, around=around)
        inside = (np.abs(curve[:, None] - centres) < half).all(axis=2)
        assert not inside.any(), points


def test_the_sites_of_a_layer_are_rows_in_the_order_of_computation():
    names = dict.fromkeys(("resid_0/1", "mlp_0/2", "attn_0/3", "embed/4", "attn_1/5"), 1.0)
    placed = group_layout(groups_of_circuit(circuit_of(names), span=0, size=1)).placed
    assert [str(row.site) for row in placed.rows] == ["embed", "attn_0", "mlp_0", "resid_0", "attn_1"]
    assert (np.diff([row.bottom for row in placed.rows]) > 0).all()


def test_groups_that_are_not_drawn_are_named():
    drawn = random_circuit(150, keep=True)
    groups = groups_of_circuit(drawn, names=("cats", "dogs"), size=1)
    shown = group_layout(groups)
    assert len(shown.shown) == MOST_GROUPS
    rest = not_drawn(shown)
    drawn_names = {groups.groups[index].name for index in shown.shown}
    assert sorted([*rest, *drawn_names]) == sorted(group.name for group in groups.groups)
    figure = plot_groups(drawn, groups)
    words = [text.get_text() for text in figure.axes[0].texts]
    assert any(word.startswith(f"Not drawn: {rest[0]}; {rest[1]}") for word in words)
    assert not any(
        text.get_text().startswith("Not drawn")
        for text in plot_groups(drawn, groups, max_groups=150).axes[0].texts
    )


@pytest.mark.parametrize(("count", "keep", "span"), SIZES)
def test_the_strongest_groups_and_edges_are_shown(count, keep, span):
    groups = groups_of_circuit(random_circuit(count, keep=keep), span=span)
    shown = group_layout(groups, max_groups=7, max_edges=9)
    strength = [abs(group.effect) for group in groups.groups]
    assert sorted(shown.shown) == sorted(np.argsort(strength)[::-1][:7].tolist())
    possible = [
        edge for edge in groups.edges if edge.source in shown.shown and edge.target in (-1, *shown.shown)
    ]
    assert shown.edges_drawn <= min(9, len(possible))
    if possible:
        drawn = np.abs(shown.all.edges.effect)
        expected = [abs(edge.effect) for edge in possible][: len(drawn)]
        np.testing.assert_allclose(np.sort(drawn)[::-1], expected)
        for edge in possible[len(drawn) : 9]:
            assert abs(edge.effect) < 0.01 * abs(possible[0].effect), "only the weak are left away"


def test_edges_both_ways_in_one_layer_are_arches_that_part():
    nodes = {"attn_0/1": 2.0, "attn_0/2": -1.0, "resid_0/1": 2.0, "resid_0/2": -1.0}
    edges = {
        ("attn_0/1", "resid_0/2"): 0.5,
        ("attn_0/2", "resid_0/1"): -0.4,
        ("attn_0/1", "resid_0/1"): 9.0,
        ("resid_0/1", OUTPUT): 2.0,
    }
    groups = groups_of_circuit(circuit_of(nodes, edges))
    assert [(edge.source, edge.target, edge.effect) for edge in groups.edges] == [
        (0, -1, 2.0),
        (0, 1, 0.5),
        (1, 0, -0.4),
    ]
    assert [group.inside for group in groups.groups] == [9.0, 0.0]
    stacked = group_layout(groups, aspect=0.2)
    up, down = (next(arch.points for arch in stacked.arches if arch.downward is way) for way in (False, True))
    assert up[0, 1] < up[-1, 1]
    assert down[0, 1] > down[-1, 1]
    assert up[:, 0].max() < down[:, 0].min()
    shown = group_layout(groups, aspect=3.0)
    above, below = (next(arch for arch in shown.arches if arch.downward is way) for way in (True, False))
    y = float(shown.placed.y[0])
    assert above.points[:, 1].min() > y > below.points[:, 1].max()
    assert above.points[-1, 0] > above.points[0, 0]
    assert below.points[-1, 0] < below.points[0, 0]


@pytest.mark.parametrize("suffix", [".png", ".svg", ".pdf"])
def test_the_picture_has_a_round_box_for_every_group(tmp_path, suffix):
    drawn = random_circuit(60, keep=True)
    groups = groups_of_circuit(drawn, names=("a $ name", "", "漢", "x" * 200))
    shown = group_layout(groups)
    figure = plot_groups(drawn, groups, tmp_path / f"groups{suffix}")
    assert (tmp_path / f"groups{suffix}").stat().st_size > 1000
    assert isinstance(figure, matplotlib.figure.Figure)
    (axes,) = figure.axes
    boxes = {patch.get_gid() for patch in axes.patches if isinstance(patch, FancyBboxPatch)}
    assert boxes == {f"group-{index}" for index in shown.shown} | {OUTPUT}
    assert sum(isinstance(patch, PathPatch) for patch in axes.patches) == len(shown.arches)
    words = [text.get_text() for text in axes.texts]
    some = groups.groups[shown.shown[0]]
    assert any(f"{len(some.members)} node" in text for text in words)


def test_an_empty_circuit_has_a_picture():
    nothing = circuit_of({"mlp_0/1": 1.0}).strongest(0)
    assert plot_groups(nothing, groups_of_circuit(nothing)).axes


# -- pages ---------------------------------------------------------------------------------------------------


def page_of(drawn, names=("cats",), size=4, **given) -> str:
    groups = groups_of_circuit(drawn, names=names, size=size)
    return html_of(report(drawn, groups=groups, activities=groups.activities, **given))


def test_a_page_has_the_groups_with_their_members():
    drawn = circuit()
    page = Page(page_of(drawn, names=("cats", "dogs")))
    for said in (
        "The picture in groups",
        "The picture, node by node",
        "on cats",
        "→ dogs",
        "Open a line for its members",
        "1 node, +2",
    ):
        assert said in page.words, said
    ids = page.values("id")
    assert len(set(ids)) == len(ids)
    links = {value[1:] for value in page.values("href") if value.startswith("#")}
    assert links <= set(ids)
    assert {f"node-group-{index}" for index in range(5)} <= set(ids)


def test_a_node_says_on_which_texts_it_is_active():
    drawn = circuit()
    words = Page(html_of(report(drawn, activities=activities_of(drawn)))).words
    assert "Active on 100 % of the texts that ask for are, on 0 % of those that ask for is." in words
    assert "for are" in words


def test_names_of_groups_cannot_break_the_page():
    calm, nasty = (page_of(random_circuit(40, keep=True), names=names) for names in (("calm",), NASTY))
    assert Page(nasty).tags["script"] == Page(calm).tags["script"] == 1
    assert not {"img", "iframe"} & set(Page(nasty).tags)
    assert not [name for _, name, _ in Page(nasty).attributes if name.startswith("on")]
    assert "&lt;/script&gt;&lt;script&gt;alert(1)" in nasty
    assert not [
        letter
        for letter in nasty
        if (ord(letter) < 32 and letter not in "\n") or "\u202a" <= letter <= "\u202e"
    ]
    nasty.encode("utf-8")


def test_groups_come_back_from_json_and_reports_from_before_groups_open(tmp_path):
    drawn = circuit()
    groups = groups_of_circuit(drawn)
    made = report(drawn, groups=groups, activities=groups.activities)
    assert made.groups == replace(groups, activities=()), "they are there once"
    write_json(tmp_path / "report.json", asdict(made))
    assert html_of(read_report(tmp_path)) == html_of(made)
    older = json.loads(json.dumps(asdict(report(drawn))))
    for name in ("groups", "grouped", "activities"):
        del older[name]
    for line in older["drawing"]["lines"]:
        del line["downward"]
    write_json(tmp_path / "report.json", older)
    assert html_of(read_report(tmp_path)) == html_of(report(drawn))


def test_many_groups_are_cut_and_say_so():
    drawn = random_circuit(150, keep=True)
    page = Page(page_of(drawn, size=1, features=(), examples=()))
    assert "The 60 strongest of 150" in page.words
    assert sum(value.startswith("node group") for value in page.values("class")) == 60
    links = {value[1:] for value in page.values("href") if value.startswith("#")}
    assert links <= set(page.values("id"))


def test_the_page_names_the_groups_that_its_picture_leaves_out():
    drawn = random_circuit(150, keep=True)
    groups = groups_of_circuit(drawn, size=1)
    made = report(drawn, groups=groups, activities=groups.activities, features=(), examples=())
    words = Page(html_of(made)).words
    assert f"{150 - MOST_GROUPS} weaker groups not in the picture" in words
    assert all(group.name in words for group in groups.groups)


def test_the_table_has_the_strongest_groups_and_the_rest_are_named():
    groups = groups_of_circuit(random_circuit(150, keep=True), names=("well-known",), size=1)
    table, rest = groups_table(groups), weaker_groups(groups)
    assert table.row_count == MOST_ROWS
    assert table.title == f"150 nodes in 150 groups, the {MOST_ROWS} strongest"
    order = sorted(groups.groups, key=lambda group: -abs(group.effect))
    assert [name.rpartition(" ")[0] for name in rest] == [group.name for group in order[MOST_ROWS:]]
    few = groups_of_circuit(circuit(), size=1)
    assert (groups_table(few).row_count, weaker_groups(few)) == (5, [])
