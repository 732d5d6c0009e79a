"""Draw docs/pictures/edges.png: what derivatives and secants say, and how far in-edges explain nodes.

    python docs/generate_edges.py

The right half is measured: the circuit of agreement across a relative clause in the bundled model, discovered twice.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib
import numpy as np

import circuitscope as cs
from circuitscope.results import explained_by_edges

matplotlib.use("agg")
import matplotlib.pyplot as plt

PICTURE = Path(__file__).with_name("pictures") / "edges.png"
TASK = "agreement/across_rc"
BLUE, RED, GREY = "#1454a3", "#b71c21", "#6d737d"


def main() -> None:
    model = cs.load_model("bundled")
    dictionaries = cs.load_dictionaries("bundled", model)
    circuits = {
        at: cs.discover(model, dictionaries, TASK, edges_at=at, progress=False) for at in ("clean", "secant")
    }
    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.4), width_ratios=(1, 1.05))
    one_feature(left)
    sums(right, circuits)
    figure.tight_layout(w_pad=3)
    figure.savefig(PICTURE, dpi=130)
    shares = {at: f"{explained_by_edges(circuit):.0%}" for at, circuit in circuits.items()}
    print(f"{PICTURE}: edges explain", shares)  # noqa: T201


def one_feature(axes: Any) -> None:
    """A feature with a threshold that opens between clean and patch."""
    threshold, clean, patch = 1.0, 0.3, 2.0
    x = np.linspace(-0.2, 2.5, 400)
    value = np.where(x > threshold, x, np.nan)
    axes.plot(x, np.where(x <= threshold, 0.0, np.nan), color="black", lw=2)
    axes.plot(x, value, color="black", lw=2)
    axes.plot([threshold, threshold], [0, threshold], color="black", lw=1, ls=":")
    axes.plot([clean - 0.45, clean + 0.75], [0, 0], color=RED, lw=4, alpha=0.75, solid_capstyle="butt")
    axes.annotate("derivative at clean: 0", (clean, 0.0), (1.12, -0.05), color=RED)
    axes.plot([patch - 0.62, patch + 0.42], [patch - 0.62, patch + 0.42], color=GREY, lw=4, alpha=0.75)
    axes.annotate("derivative\nat patch", (patch, patch), (patch - 0.75, patch + 0.05), color=GREY)
    axes.plot([clean, patch], [0, patch], color=BLUE, lw=2.5)
    axes.annotate("secant", (1.35, 0.95), (1.32, 0.8), color=BLUE, weight="bold")
    axes.plot([clean, patch], [0, patch], "o", color=BLUE, ms=7)
    axes.annotate("clean", (clean, 0), (clean - 0.1, -0.26))
    axes.annotate("patch", (patch, patch), (patch + 0.1, patch - 0.14))
    axes.set_xlabel("the feature's input")
    axes.set_ylabel("the feature")
    axes.set_ylim(-0.35, 2.55)
    axes.set_xticks([])
    axes.set_yticks([])
    _bare(axes)


def sums(axes: Any, circuits: dict[str, cs.Circuit]) -> None:
    """Node effects and the sums of their in-edges within the circuit."""
    most = max(float(circuit.nodes.effect.max()) for circuit in circuits.values()) * 1.06
    axes.plot([0, most], [0, most], color=GREY, lw=1)
    for at, colour, marker in (("clean", RED, "x"), ("secant", BLUE, "o")):
        circuit = circuits[at]
        inside = circuit.edges.target >= 0
        arrives = np.bincount(
            circuit.edges.target[inside], circuit.edges.effect[inside], minlength=len(circuit)
        )
        later = circuit.nodes.site > 0
        share = explained_by_edges(circuit)
        axes.plot(
            circuit.nodes.effect[later],
            arrives[later],
            marker,
            color=colour,
            ms=5,
            alpha=0.8,
            label=f"{at}: edges explain {share:.0%}",
        )
    axes.set_xlabel("node effect (logits)")
    axes.set_ylabel("sum of in-edges (logits)")
    axes.legend(frameon=False, loc="upper left")
    _bare(axes)


def _bare(axes: Any) -> None:
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


if __name__ == "__main__":
    main()
