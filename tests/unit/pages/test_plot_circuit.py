"""What a person sees: measured on the drawn figure."""

from __future__ import annotations

from pathlib import Path

import matplotlib.axes
import matplotlib.figure
import numpy as np
import pytest
from drawn_circuits import circuit_of, random_circuit
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import PathCollection
from matplotlib.patches import Polygon, Rectangle
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from circuitscope.errors import BadInput
from circuitscope.pages.pictures import plot_circuit
from circuitscope.pages.pictures.colours import ink_on, shade
from circuitscope.pages.pictures.figure_text import clean_token, shorten, width, wrap
from circuitscope.terms import NodeId


def parts(figure: matplotlib.figure.Figure) -> matplotlib.axes.Axes:
    return figure.axes[0]


def named(figure: matplotlib.figure.Figure) -> dict[str, Rectangle | Polygon]:
    """The nodes' shapes by the nodes' names."""
    shapes = {patch.get_gid(): patch for patch in parts(figure).patches}
    return {name: shape for name, shape in shapes.items() if name and not name.startswith("legend")}


def extents(figure: matplotlib.figure.Figure) -> list[tuple[Text, Bbox]]:
    """Every text and the pixels that its letters cover."""
    renderer = FigureCanvasAgg(figure).get_renderer()
    texts = [text for text in parts(figure).texts if text.get_text()]
    return [(text, text.get_window_extent(renderer)) for text in texts]


def texts(figure: matplotlib.figure.Figure) -> list[str]:
    return [text.get_text() for text in parts(figure).texts]


def edges_of(figure: matplotlib.figure.Figure) -> PathCollection | None:
    return next((item for item in parts(figure).collections if item.get_gid() == "edges"), None)


def meet(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Which boxes (x0, y0, x1, y1) overlap."""
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    high = np.minimum(a[:, None, 2:], b[None, :, 2:])
    return (low < high).all(axis=2)


LABELS = (
    "plural subject nouns",
    "x",
    "opens a relative clause; singular verbs follow",
    "W" * 60,
    "$5 and $6",
)
TOKENS = ["<bos>", " The", " athletes", " that", " the", " managers", " like", "antidisestablishmentarianism"]


@pytest.mark.parametrize("count", [20, 150, 300])
@pytest.mark.parametrize("keep", [True, False])
@pytest.mark.parametrize("labelled", [True, False])
def test_text_meets_no_other_text_and_stays_in_its_box(count: int, keep: bool, labelled: bool) -> None:
    circuit = random_circuit(count, keep=keep)
    labels = {node: LABELS[row % 5] for row, node in enumerate(circuit.ids)} if labelled else None
    figure = plot_circuit(circuit, tokens=TOKENS if keep else None, labels=labels)
    written = extents(figure)
    words = [text.get_text() for text, _ in written]
    boxes = np.array([box.extents for _, box in written])
    shapes = np.array([shape.get_window_extent().extents for shape in named(figure).values()])
    assert (boxes[:, :2] >= 0).all()
    assert (boxes[:, 2:] <= figure.bbox.extents[2:]).all()
    touching = np.argwhere(np.triu(meet(boxes, boxes), 1))
    assert [(words[a], words[b]) for a, b in touching] == []
    pairs = np.argwhere(meet(boxes, shapes))
    assert len(pairs) >= count + 1
    text, shape = boxes[pairs[:, 0]], shapes[pairs[:, 1]]
    out = (text[:, :2] < shape[:, :2]).any(axis=1) | (text[:, 2:] > shape[:, 2:]).any(axis=1)
    assert [words[index] for index in pairs[out, 0]] == []


def test_numbers_of_any_length_fit() -> None:
    circuit = circuit_of({"resid_0/1048575": 1.0, "resid_0/123456789012": -1.0, "resid_0/4": 0.1})
    figure = plot_circuit(circuit)
    shapes = {name: shape.get_window_extent() for name, shape in named(figure).items()}
    written = {text.get_text(): box for text, box in extents(figure)}
    for number in ("1048575", "123456789012", "4"):
        shape, box = shapes[f"resid_0/{number}"], written[number]
        assert shape.x0 < box.x0 < box.x1 < shape.x1


def test_every_node_and_the_output_are_drawn() -> None:
    circuit = random_circuit(50, keep=True)
    shapes = named(plot_circuit(circuit))
    assert set(shapes) == {*map(str, circuit.ids), "output"}


def test_features_are_boxes_and_errors_triangles() -> None:
    shapes = named(plot_circuit(circuit_of({"mlp_0/7": 1.0, "mlp_0/error": 1.0})))
    assert isinstance(shapes["mlp_0/7"], Rectangle)
    assert isinstance(shapes["mlp_0/error"], Polygon)
    assert len(shapes["mlp_0/error"].get_xy()) == 4  # closed: three corners


def test_blue_promotes_red_suppresses_and_shade_grows() -> None:
    names = {"mlp_0/1": 1.0, "mlp_0/2": 0.1, "mlp_0/3": -1.0, "mlp_0/4": -0.1, "mlp_0/5": 0.0}
    colours = {
        name: np.array(shape.get_facecolor()[:3])
        for name, shape in named(plot_circuit(circuit_of(names))).items()
    }
    for strong, weak, full, other in (("mlp_0/1", "mlp_0/2", 2, 0), ("mlp_0/3", "mlp_0/4", 0, 2)):
        assert colours[strong][full] > colours[strong][other]
        assert colours[weak][full] > colours[weak][other]
        assert colours[strong].sum() < colours[weak].sum()
    assert colours["mlp_0/5"].tolist() == [1, 1, 1]


def test_edges_by_sign_width_and_kind() -> None:
    circuit = circuit_of(
        {"resid_0/1@1": 1.0, "attn_1/2@2": 1.0, "resid_1/3@2": 1.0},
        {
            ("resid_0/1@1", "attn_1/2@2"): -0.5,
            ("attn_1/2@2", "resid_1/3@2"): 1.0,
            ("resid_1/3@2", "output"): 0.25,
        },
        positions="keep",
    )
    edges = edges_of(plot_circuit(circuit))
    assert edges is not None
    # The weakest comes first, so that the strongest lies on top.
    (output, across, within) = range(3)
    colours = edges.get_edgecolor()
    assert colours[across][0] > colours[across][2]
    assert colours[within][2] > colours[within][0]
    assert (colours[:, 3] < 1).all()
    widths = edges.get_linewidths()
    assert widths[within] / widths[across] == pytest.approx(2)
    assert widths[within] / widths[output] == pytest.approx(4)
    dashes = [style[1] for style in edges.get_linestyles()]
    assert dashes[output] is None
    assert dashes[within] is None
    assert dashes[across] is not None
    assert edges.get_zorder() < min(p.get_zorder() for p in named(plot_circuit(circuit)).values())


def test_how_many_edges_are_drawn_and_said() -> None:
    circuit = random_circuit(30, keep=False, edges=70)
    figure = plot_circuit(circuit, max_edges=25)
    edges = edges_of(figure)
    assert edges is not None
    assert len(edges.get_paths()) == 25
    caption = "all 30 nodes and 25 of 70 edges shown: those with the largest |effect|"
    assert any(text.startswith(caption) for text in texts(figure))
    assert any(text.startswith("all 30 nodes and all 70 edges") for text in texts(plot_circuit(circuit)))


def test_no_edges_and_no_nodes() -> None:
    figure = plot_circuit(circuit_of({"mlp_0/1": 1.0}))
    assert edges_of(figure) is None
    assert set(named(figure)) == {"mlp_0/1", "output"}
    empty = plot_circuit(circuit_of({}))
    assert set(named(empty)) == {"output"}


def test_columns_are_headed_by_tokens() -> None:
    names = {"resid_0/1@1": 1.0, "resid_0/2@2": 1.0}
    circuit = circuit_of(names, positions="keep", tokens=["<bos>", " The", "\n"])
    assert [texts(plot_circuit(circuit)).count(text) for text in ("<bos>", "The", "\\n")] == [2, 2, 2]
    other = texts(plot_circuit(circuit, tokens=["<s>", " A", " dog"]))
    assert "dog" in other
    assert "The" not in other


def test_summed_circuits_have_no_columns() -> None:
    circuit = circuit_of({"resid_0/1": 1.0}, positions="sum", tokens=["<bos>", "The"])
    written = texts(plot_circuit(circuit))
    assert "The" not in written
    assert any("summed over positions" in text for text in written)


def test_labels_by_feature_or_by_position() -> None:
    circuit = circuit_of({"mlp_0/1@2": 1.0, "mlp_0/1@3": 1.0, "mlp_0/2@3": 1.0}, positions="keep")
    labels = {NodeId.parse("mlp_0/1"): "plural nouns", NodeId.parse("mlp_0/1@3"): "here only"}
    written = texts(plot_circuit(circuit, labels=labels))
    assert written.count("plural nouns") == 1
    assert written.count("here only") == 1


def test_rows_are_named() -> None:
    written = texts(plot_circuit(circuit_of({"embed/1": 1.0, "resid_11/1": 1.0})))
    assert {"embed", "resid_11", "output"} <= set(written)


def test_titles() -> None:
    circuit = circuit_of({"embed/1": 1.0}, task="simple", model="pythia")
    assert "simple · pythia" in texts(plot_circuit(circuit))
    assert "cost: $5 to $6" in texts(plot_circuit(circuit, title="cost: $5 to $6"))
    assert "simple · pythia" not in texts(plot_circuit(circuit, title=""))


@pytest.mark.parametrize(
    ("suffix", "start"), [(".png", b"\x89PNG"), (".svg", b"<?xml"), (".pdf", b"%PDF"), (".PNG", b"\x89PNG")]
)
def test_saves_by_suffix(tmp_path: Path, suffix: str, start: bytes) -> None:
    path = tmp_path / "new" / f"circuit{suffix}"
    plot_circuit(random_circuit(10, keep=True), path)
    assert path.read_bytes().startswith(start)
    assert list(path.parent.iterdir()) == [path]


def test_svg_carries_the_nodes_names(tmp_path: Path) -> None:
    plot_circuit(circuit_of({"resid_3/17@2": 1.0}, positions="keep"), tmp_path / "c.svg")
    assert 'id="resid_3/17@2"' in (tmp_path / "c.svg").read_text()


@pytest.mark.parametrize("name", ["circuit.jpeg", "circuit", "circuit.png.txt"])
def test_other_suffixes_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(BadInput, match=r"\.png, \.svg, \.pdf"):
        plot_circuit(circuit_of({"embed/1": 1.0}), tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_ink_can_be_read_on_every_shade() -> None:
    """WCAG's contrast of at least 4.5 : 1."""

    def luminance(colour: tuple[float, float, float]) -> float:
        parts = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in colour]
        return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]

    for effect in np.linspace(-1, 1, 201):
        paper = shade(float(effect), 1.0)
        light, dark = sorted((luminance(paper), luminance(ink_on(paper))), reverse=True)
        assert (light + 0.05) / (dark + 0.05) >= 4.5, effect


def test_shortened_text_fits_and_says_so() -> None:
    text = "a rather long label about plural nouns"
    assert shorten(text, 10.0, 6.0) == text
    short = shorten(text, 1.0, 6.0)
    assert short.endswith("…")
    assert width(short, 6.0) <= 1
    lines = wrap(text, 1.0, 6.0, 2)
    assert len(lines) == 2
    assert all(width(line, 6.0) <= 1 for line in lines)
    assert wrap("", 1.0, 6.0, 2) == []


@pytest.mark.parametrize(
    ("token", "shown"), [(" The", "The"), ("\n\n", "\\n\\n"), ("  ", "␣␣"), (" 学", "▯"), (" $", "$")]
)
def test_tokens_as_headings(token: str, shown: str) -> None:
    assert clean_token(token) == shown
