"""What was published: Marks et al. 2024 (arXiv 2403.19647), table 2, Bias in Bios, professors and nurses.

Per cent: profession (intended), gender (unintended), worst group. The notebooks that come with the paper print
other figures for the worst group in three places: 76.0 for Pythia's feature skyline, 4.6 for Gemma's neuron skyline
and 92.8 for Gemma's oracle.
"""

from __future__ import annotations

Row = tuple[float, float, float]

PUBLISHED: dict[str, dict[str, Row]] = {
    "Pythia-70M": {
        "original": (61.9, 87.4, 24.4),
        "random features": (61.8, 87.5, 24.4),
        "concept bottleneck": (83.3, 60.1, 67.7),
        "SHIFT": (88.5, 54.0, 76.0),
        "SHIFT + retrain": (93.1, 52.0, 89.0),
        "neuron skyline": (75.5, 73.2, 41.5),
        "feature skyline": (88.5, 54.3, 62.9),
        "oracle": (93.0, 49.4, 91.9),
    },
    "Gemma-2-2B": {
        "original": (67.7, 81.9, 18.2),
        "random features": (67.3, 82.3, 18.0),
        "concept bottleneck": (90.2, 50.1, 86.7),
        "SHIFT": (76.0, 51.5, 50.0),
        "SHIFT + retrain": (95.0, 52.4, 92.9),
        "neuron skyline": (65.1, 84.3, 5.6),
        "feature skyline": (80.8, 53.7, 56.7),
        "oracle": (95.0, 50.6, 93.1),
    },
}

ORDER = ("original", "neuron skyline", "concept bottleneck", "SHIFT", "SHIFT + retrain", "oracle")
"""By Pythia-70M's worst group, from low to high."""
