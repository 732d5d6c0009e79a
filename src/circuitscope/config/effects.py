"""Settings that every discovery of a circuit shares: how effects are measured, and what is kept."""

from __future__ import annotations

from dataclasses import dataclass

from circuitscope.config.base import Config, option, parse_bytes, positive
from circuitscope.errors import BadInput, argument


@dataclass(frozen=True)
class EffectsConfig(Config):
    """How node effects are measured, and which nodes and edges are kept."""

    examples: int = option(100, "How many examples to discover on.")
    method: str = option(
        "ig",
        "Node effects by integrated gradients, attribution patching (plain, with GradDrop, or with the linear rules "
        "of RelP), or exactly.",
        choices=("ig", "atp", "atp-graddrop", "relp", "exact"),
    )
    rule: str = option("gauss", "Quadrature of integrated gradients.", choices=("gauss", "left", "midpoint"))
    points: int | None = option(
        None, "Quadrature points; by default gauss takes 3, 7, 15, 31 as needed, others 10."
    )
    node_threshold: float | None = option(None, "Keep nodes whose mean effect is larger than this.")
    nodes: int | None = option(None, "Keep this many strongest nodes (100 if no threshold is given).")
    edge_threshold: float | None = option(
        None, "Keep edges whose mean effect is larger than this; by default a tenth of the weakest node kept."
    )
    connected: bool = option(False, "Drop nodes without a path of edges to the output.")
    batch_size: int = option(16, "Examples that go through the model together.")
    memory: str = option("2GiB", "Activations that one replayed batch may hold.")

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
                raise BadInput(argument(name, value), expected="a number from 0")
        parse_bytes(self.memory)
