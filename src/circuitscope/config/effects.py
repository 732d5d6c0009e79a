"""Settings that every discovery of a circuit shares: how effects are measured, and what is kept."""

from __future__ import annotations

from dataclasses import dataclass

from circuitscope.config.base import Config, option, parse_bytes, positive
from circuitscope.errors import BadInput, argument

MOST_POINTS = 512
"""Each quadrature point is a pass through the model, and more than these change nothing."""


def few_points(**values: int | None) -> None:
    """Raise BadInput for more quadrature points than are of any use."""
    for name, value in values.items():
        if value is not None and value > MOST_POINTS:
            raise BadInput(
                argument(name, value),
                expected=f"at most {MOST_POINTS}",
                mend=f"leave out {argument(name)}: gauss takes as many as are needed, up to 31",
            )


@dataclass(frozen=True)
class EffectsConfig(Config):
    """How node effects are measured, and which nodes and edges are kept."""

    examples: int = option(100, "How many examples to discover on.")
    method: str = option(
        "ig",
        "How to compute node effects: integrated gradients, attribution patching (plain, with GradDrop, or with "
        "the linear rules of RelP), or exact effects.",
        choices=("ig", "atp", "atp-graddrop", "relp", "exact"),
    )
    rule: str = option(
        "gauss", "Quadrature rule for integrated gradients.", choices=("gauss", "left", "midpoint")
    )
    points: int | None = option(
        None, "Quadrature points; by default gauss takes 3, 7, 15 or 31 as needed, the others 10."
    )
    node_threshold: float | None = option(None, "Keep nodes whose mean effect is larger than this.")
    nodes: int | None = option(None, "Keep this many of the strongest nodes (100 if no threshold is given).")
    edge_threshold: float | None = option(
        None, "Keep edges whose mean effect is larger than this; by default a tenth of the weakest node kept."
    )
    connected: bool = option(False, "Drop nodes that have no path of edges to the output.")
    batch_size: int = option(16, "Examples that go through the model together.")
    memory: str = option(
        "auto",
        "How much memory the activations of one replayed batch may take, such as 500MB; auto is 2GiB, and on a GPU "
        "half of what is free.",
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        positive(examples=self.examples, nodes=self.nodes, batch_size=self.batch_size, points=self.points)
        if self.nodes is not None and self.node_threshold is not None:
            raise BadInput(
                f"both {argument('nodes')} and {argument('node_threshold')} are given",
                expected="one of them",
                mend="leave one of them out",
            )
        for name in ("node_threshold", "edge_threshold"):
            value = getattr(self, name)
            if value is not None and not value >= 0:
                raise BadInput(argument(name, value), expected="a number of at least 0")
        few_points(points=self.points)
        if self.memory != "auto":
            parse_bytes(self.memory)
