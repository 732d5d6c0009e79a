"""How time and memory of clustering grow: synthetic vectors, k-means and the graph with local clusters.

    python -m benchmarks.behaviours.growth --preset small --json growth.json

Nine in ten vectors are planted around directions, a hundred around each, and the rest is noise. Memory is the peak
above what was there before, to which the vectors themselves belong. It must stay below a bound: 256 MB, four times
the vectors in float32, and 64 bytes for each neighbour that the graph is made from. ``small`` goes to 20,000 vectors,
``full`` to 100,000.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table
from sklearn.metrics import adjusted_rand_score

from benchmarks import clock
from benchmarks.results import markdown_table, write
from circuitscope.behaviours.clusters.fit import Partition, Space, fit
from circuitscope.behaviours.clusters.unit_rows import UnitRows
from circuitscope.config import ClusterSettings

PRESETS = {"small": (5_000, 10_000, 20_000), "full": (25_000, 50_000, 100_000)}
WIDTH, EACH, NOISE, PLANTED = 256, 100, 0.06, 0.9
METHODS = ("kmeans", "local")
NEIGHBOURS = 15
out, progress = Console(), Console(stderr=True)

Figures = Mapping[str, Any]


def main(arguments: list[str] | None = None) -> None:
    options = parse(arguments)
    rows: list[dict[str, Any]] = []
    for count in PRESETS[options.preset]:
        vectors, labels = planted(count)
        with progress.status(f"{count:,} vectors"):
            rows += [measure(method, vectors, labels) for method in METHODS]
        out.print(*(", ".join(cells(row)) for row in rows[-len(METHODS) :]), sep="\n")
    show({"growth": rows})
    if options.json:
        command = f"python -m benchmarks.behaviours.growth --preset {options.preset}"
        write(options.json, command=command, preset=options.preset, growth=rows)


def parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.behaviours.growth",
        description=__doc__,
        formatter_class=argparse.RawTextHelpFormatter,
    )
    parser.add_argument("--preset", choices=tuple(PRESETS), default="small")
    parser.add_argument("--json", type=Path, help="file to write the figures to")
    return parser.parse_args(arguments)


def planted(count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Vectors in float32, and the cluster of each; −1 for noise. Made a part at a time."""
    draw = np.random.default_rng(seed)
    clusters = round(PLANTED * count) // EACH
    middle = draw.normal(size=(clusters, WIDTH)).astype(np.float32)
    middle /= np.linalg.norm(middle, axis=1, keepdims=True)
    labels = np.full(count, -1)
    labels[: clusters * EACH] = np.repeat(np.arange(clusters), EACH)
    labels = draw.permutation(labels)
    rows = draw.standard_normal((count, WIDTH), dtype=np.float32)
    rows *= NOISE
    rows[labels >= 0] += middle[labels[labels >= 0]]
    return rows, labels


@dataclass(frozen=True)
class Found:
    """Clusters of one method, and how large the graph that they are on is."""

    clusters: Partition
    edges: int
    recall: float


def cluster(method: str, vectors: np.ndarray) -> Found:
    """The clusters with everything that leads to them; k-means needs no graph, but its clusters' measures do."""
    settings = ClusterSettings(
        method=method, clusters=str(max(1, len(vectors) // EACH)), neighbours=NEIGHBOURS, largest=1000
    )
    space = Space.of(UnitRows.of(vectors), settings)
    (found,) = fit(space, settings)
    return Found(found, int(space.graph.weights.nnz), space.graph.recall)


def measure(method: str, vectors: np.ndarray, labels: np.ndarray) -> dict[str, Any]:
    """Time, peak memory and what was found."""
    cost = clock.run(partial(cluster, method, vectors))
    found: Found = cost.result
    bound = bound_mb(len(vectors))
    return {
        "method": method,
        "vectors": len(vectors),
        "seconds": cost.seconds,
        "peak_mb": cost.peak_mb,
        "bound_mb": bound,
        "held": cost.peak_mb is None or cost.peak_mb <= bound,
        "edges": found.edges // 2,
        "recall": found.recall,
        "clusters": len(found.clusters),
        "planted": int(labels.max()) + 1,
        "ari": agreement(found.clusters, labels),
    }


def bound_mb(count: int) -> float:
    """What clustering may take above the vectors that it is given."""
    return 256 + count * (4 * WIDTH * 4 + 64 * NEIGHBOURS) / 1e6


def agreement(clusters: Partition, labels: np.ndarray) -> float:
    """Adjusted Rand index over the planted vectors; those in no cluster stand alone."""
    found = -1 - np.arange(len(labels))
    for number, members in enumerate(clusters):
        found[members] = number
    return float(adjusted_rand_score(labels[labels >= 0], found[labels >= 0]))


def exponents(rows: list[dict[str, Any]]) -> dict[str, float]:
    """For each method the b of seconds = a · vectors^b, fitted to all its sizes."""
    fitted = {}
    for method in METHODS:
        mine = [row for row in rows if row["method"] == method]
        sizes, seconds = (np.log([row[key] for row in mine]) for key in ("vectors", "seconds"))
        fitted[method] = float(np.polyfit(sizes, seconds, 1)[0])
    return fitted


HEADS = ["method", "vectors", "s", "peak MB", "bound MB", "edges", "recall", "clusters", "planted", "ARI"]


def cells(row: Mapping[str, Any]) -> list[str]:
    peak = "–" if row["peak_mb"] is None else f"{row['peak_mb']:,.0f}" + " !" * (not row["held"])
    return [
        row["method"],
        f"{row['vectors']:,}",
        f"{row['seconds']:.1f}",
        peak,
        f"{row['bound_mb']:,.0f}",
        f"{row['edges']:,}",
        f"{row['recall']:.3f}",
        f"{row['clusters']:,}",
        f"{row['planted']:,}",
        f"{row['ari']:.3f}",
    ]


def show(figures: Figures) -> None:
    table = Table(title="clustering")
    for head in HEADS:
        table.add_column(head, justify="left" if head == "method" else "right")
    for row in figures["growth"]:
        table.add_row(*cells(row))
    out.print(table)
    for method, exponent in exponents(figures["growth"]).items():
        out.print(f"{method}: seconds grow as vectors^{exponent:.2f}")


def tables(figures: Figures) -> str:
    """The figures as Markdown."""
    rows = [cells(row) for row in figures["growth"]]
    grown = ", ".join(f"{method} {exponent:.2f}" for method, exponent in exponents(figures["growth"]).items())
    said = f"Seconds grow as the number of vectors to the power of: {grown}. ARI is over the planted nine tenths."
    return f"### Clustering synthetic vectors\n\n{said}\n\n{markdown_table(HEADS, rows)}"


if __name__ == "__main__":
    main()
