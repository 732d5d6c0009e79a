"""Settings of the demonstration on the bundled model."""

from __future__ import annotations

from dataclasses import dataclass

from circuitscope.config.base import WorkersConfig, option, positive


@dataclass(frozen=True)
class DemoConfig(WorkersConfig):
    """Settings of the demonstration."""

    out: str = option("runs/demo", "The folder to write; each behaviour's run is a folder in it.")
    nodes: int = option(100, "How many nodes each circuit keeps.")
    examples: int = option(100, "How many examples each circuit is discovered on.")
    device: str = option("cpu", "Where to run: auto, cpu, cuda, cuda:1, mps.")

    def __post_init__(self) -> None:
        super().__post_init__()
        positive(nodes=self.nodes, examples=self.examples)
