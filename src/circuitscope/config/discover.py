"""Settings of discovery."""

from __future__ import annotations

from dataclasses import dataclass

from circuitscope.bundled import BUNDLED
from circuitscope.config.base import Place, option, parse_bytes, positive, required
from circuitscope.errors import BadInput


@dataclass(frozen=True)
class DiscoverConfig(Place):
    """Settings of discovery."""

    model: str = option(BUNDLED, "The model: bundled, a HuggingFace id or a folder.")
    dictionaries: str = option(
        BUNDLED,
        "The dictionaries: bundled, a folder, a hub id, several joined by commas, a YAML file of sites, "
        "identity, or identity:mlp-hidden.",
    )
    task: str = required("The behaviour: agreement/NAME, a JSON-lines file, or a folder with two.")
    out: str = required("The run folder to write.")
    examples: int = option(100, "How many examples to discover on.")
    split: str = option("train", "Which split to discover on.", choices=("train", "test"))
    metric: str = option(
        "auto",
        "What the behaviour is measured by: auto, logit-difference, probability-difference, log-probability, logit.",
    )
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
    edges_at: str = option("clean", "Where edges are linearised.", choices=("clean", "patch", "both"))
    connected: bool = option(False, "Drop nodes without a path of edges to the output.")
    positions: str = option(
        "auto",
        "Keep a node per position or sum over positions; auto keeps for templates.",
        choices=("auto", "keep", "sum"),
    )
    baseline: str = option(
        "mean",
        "What ablated nodes are set to when the circuit is evaluated.",
        choices=("mean", "zero", "resample", "clean-mean"),
    )
    bos: str = option(
        "auto",
        "Whether texts begin with a BOS; auto follows dictionaries, then tokenizer.",
        choices=("auto", "yes", "no"),
    )
    batch_size: int = option(16, "Examples that go through the model together.")
    memory: str = option("2GiB", "Activations that one replayed batch may hold.")

    def __post_init__(self) -> None:
        super().__post_init__()
        positive(examples=self.examples, nodes=self.nodes, batch_size=self.batch_size, points=self.points)
        if self.dictionaries == BUNDLED and self.model != BUNDLED:
            raise BadInput(
                f"--dictionaries {BUNDLED} with --model {self.model}",
                expected=f"dictionaries of that model; the bundled ones belong to --model {BUNDLED}",
                mend="add --dictionaries …, or train some: circuitscope train-dictionaries",
            )
        if self.nodes is not None and self.node_threshold is not None:
            raise BadInput(
                "both --nodes and --node-threshold are given", expected="one of them", mend="leave one away"
            )
        for name in ("node_threshold", "edge_threshold"):
            value = getattr(self, name)
            if value is not None and not value >= 0:
                raise BadInput(f"--{name.replace('_', '-')} {value}", expected="a number from 0")
        parse_bytes(self.memory)
