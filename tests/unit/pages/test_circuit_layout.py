"""Places only: what stands where, and which way the edges take."""

from __future__ import annotations

import numpy as np
import pytest
from drawn_circuits import circuit_of, random_circuit

from circuitscope.errors import BadInput
from circuitscope.pages.pictures import Layout, layout
from circuitscope.pages.pictures.edge_routes import spread

SIZES = [(n, keep) for n in (1, 20, 150, 300) for keep in (True, False)]


def overlaps(x: np.ndarray, y: np.ndarray, box: tuple[float, float]) -> int:
    near = (np.abs(x[:, None] - x) < box[0]) & (np.abs(y[:, None] - y) < box[1])
    return int(near.sum() - x.size)


@pytest.mark.parametrize(("count", "keep"), SIZES)
@pytest.mark.parametrize("labelled", [False, True])
def test_boxes_do_not_overlap_and_stay_inside(count: int, keep: bool, labelled: bool) -> None:
    placed = layout(random_circuit(count, keep=keep), labelled=labelled)
    x, y = np.append(placed.x, placed.output[0]), np.append(placed.y, placed.output[1])
    assert x.size == count + 1
    assert overlaps(x, y, placed.box) == 0
    assert (x - placed.box[0] / 2 > 0.75).all()
    assert (x + placed.box[0] / 2 < placed.width).all()
    assert (y - placed.box[1] / 2 > placed.bottom).all()
    assert (y + placed.box[1] / 2 < placed.top).all()


@pytest.mark.parametrize(("count", "keep"), SIZES)
def test_shape_fits_a_screen(count: int, keep: bool) -> None:
    placed = layout(random_circuit(count, keep=keep))
    assert 0.6 < placed.width / placed.height < 7
    assert placed.width * placed.height < 90 + 3 * count


def test_rows_follow_the_computation_upward() -> None:
    names = {"resid_1/5": 1.0, "embed/3": 1.0, "mlp_0/4": -1.0, "attn_0/2": 1.0, "resid_0/error": 0.5}
    placed = layout(circuit_of(names))
    assert [row.site.name for row in placed.rows] == ["embed", "attn_0", "mlp_0", "resid_0", "resid_1"]
    assert (np.diff([row.bottom for row in placed.rows]) > placed.box[1]).all()
    for node, y in zip(placed.circuit.ids, placed.y, strict=True):
        row = next(row for row in placed.rows if row.site == node.site)
        assert row.bottom < y < row.top
    assert placed.output[1] > max(row.top for row in placed.rows)


def test_columns_follow_the_positions() -> None:
    names = {"resid_1/5@4": 1.0, "embed/3@1": 1.0, "resid_0/4@2": -1.0}
    placed = layout(circuit_of(names, positions="keep"))
    assert [column.position for column in placed.columns] == [1, 2, 4]
    where = dict(zip(map(str, placed.circuit.ids), placed.x.tolist(), strict=True))
    assert where["embed/3@1"] < where["resid_0/4@2"] < where["resid_1/5@4"] == placed.output[0]
    with_tokens = layout(circuit_of(names, positions="keep"), tokens=["<bos>", "a", "b", "c", "d", "e"])
    assert [column.position for column in with_tokens.columns] == [0, 1, 2, 3, 4, 5]
    for node, x in zip(with_tokens.circuit.ids, with_tokens.x, strict=True):
        column = with_tokens.columns[node.position]
        assert column.left < x < column.right


def test_a_full_cell_wraps() -> None:
    names = {f"resid_0/{n}@1": 1.0 + n for n in range(60)} | {"embed/1@2": 1.0}
    placed = layout(circuit_of(names, positions="keep"))
    assert 3 < np.unique(placed.y.round(6)).size < 20


@pytest.mark.parametrize(("count", "keep"), [(20, True), (150, True), (150, False), (300, True)])
def test_edges_run_from_box_to_box_and_behind_none(count: int, keep: bool) -> None:
    placed = layout(random_circuit(count, keep=keep))
    half = placed.box[0] / 2
    edges = placed.circuit.edges
    x, y = np.append(placed.x, placed.output[0]), np.append(placed.y, placed.output[1])
    assert len(placed.paths) == placed.edges.size > 0
    for row, points in zip(placed.edges, placed.paths, strict=True):
        source, target = edges.source[row], edges.target[row]
        assert points[0, 1] == pytest.approx(y[source] + placed.box[1] / 2)
        assert points[-1, 1] == pytest.approx(y[target] - placed.box[1] / 2)
        assert abs(points[0, 0] - x[source]) < half
        assert abs(points[-1, 0] - x[target]) < half
        assert (np.diff(points[:, 1]) > 0).all()
        for start, end in zip(points[1:-1:2], points[2:-1:2], strict=True):
            beside = (y > start[1]) & (y < end[1])
            assert beside.any()
            assert (np.abs(x[beside] - start[0]) > half).all()
            assert start[0] == end[0]


def test_the_strongest_are_kept_and_counted() -> None:
    circuit = random_circuit(40, keep=False)
    features = np.abs(circuit.nodes.effect[circuit.nodes.feature >= 0])
    placed = layout(circuit, max_nodes=10, max_edges=2, errors="never")
    assert len(placed.circuit) == 10
    assert np.abs(placed.circuit.nodes.effect).min() == np.sort(features)[-10]
    assert placed.edges.size == min(2, len(placed.circuit.edges))
    drawn = np.abs(placed.circuit.edges.effect[placed.edges])
    assert set(drawn) == set(np.sort(np.abs(placed.circuit.edges.effect))[-2:])
    assert (np.diff(drawn) >= 0).all()
    assert (placed.all_nodes, placed.all_edges) == (40, len(circuit.edges))


def test_huge_circuits_are_cut() -> None:
    placed = layout(random_circuit(700, keep=False))
    assert len(placed.circuit) - placed.added_errors == 400
    assert placed.edges.size <= 600


def test_neighbours_stand_above_each_other() -> None:
    """In the order of effects all edges would cross; after the sweeps none do."""
    count = 6
    low, high = [f"attn_0/{n}" for n in range(count)], [f"resid_0/{n}" for n in range(count)]
    names = {name: 1.0 + n for n, name in enumerate(low)} | {name: 9.0 - n for n, name in enumerate(high)}
    placed = layout(circuit_of(names, dict.fromkeys(zip(low, high, strict=True), 1.0)))
    where = dict(zip(map(str, placed.circuit.ids), placed.x.tolist(), strict=True))
    assert [where[name] for name in low] == pytest.approx([where[name] for name in high])


def test_no_nodes() -> None:
    placed = layout(circuit_of({}))
    assert placed.rows == ()
    assert placed.edges.size == 0
    assert placed.bottom < placed.output[1] < placed.top


def test_effects_must_be_numbers() -> None:
    with pytest.raises(BadInput, match="not numbers"):
        layout(circuit_of({"embed/1": float("nan")}))


def test_limits_must_not_be_negative() -> None:
    with pytest.raises(BadInput, match="max_nodes is -1"):
        layout(circuit_of({"embed/1": 1.0}), max_nodes=-1)


def test_too_few_tokens() -> None:
    with pytest.raises(BadInput, match="2 tokens, but a node at position 4"):
        layout(circuit_of({"embed/1@4": 1.0}, positions="keep"), tokens=["a", "b"])


def test_layout_is_repeatable() -> None:
    circuit = random_circuit(80, keep=True)
    first: Layout = layout(circuit)
    second = layout(circuit)
    assert np.array_equal(first.x, second.x)
    assert all(map(np.array_equal, first.paths, second.paths))


@pytest.mark.parametrize("count", [1, 2, 7, 200])
def test_spread_keeps_order_bounds_and_distance(count: int) -> None:
    wanted = np.random.default_rng(count).uniform(-1, 2, count)
    places = spread(wanted, 0.0, 1.0)
    assert places.min() >= -1e-12
    assert places.max() <= 1 + 1e-12
    ordered = places[np.argsort(wanted)]
    assert (np.diff(ordered) >= min(0.035, 1 / max(1, count - 1)) - 1e-12).all()


def test_spread_leaves_alone_what_is_apart() -> None:
    assert spread(np.array([0.9, 0.1, 0.5]), 0.0, 1.0).tolist() == pytest.approx([0.9, 0.1, 0.5])


def test_the_aspect_that_is_asked_for_decides_how_cells_wrap():
    drawn = random_circuit(60, keep=False)
    narrow, wide = (layout(drawn, aspect=aspect) for aspect in (0.3, 6.0))
    assert narrow.width <= wide.width
    assert narrow.height > wide.height
