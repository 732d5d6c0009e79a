"""Settings of the demonstration on the bundled model."""

from __future__ import annotations

from dataclasses import dataclass

from circuitscope.config.base import Config, option, positive


@dataclass(frozen=True)
class DemoConfig(Config):
    """Settings of the demonstration."""

    out: str = option("runs/demo", "The folder to write; each behaviour's run is a folder in it.")
    nodes: int = option(100, "How many nodes each circuit keeps.")
    examples: int = option(100, "How many examples each circuit is discovered on.")
    device: str = option("cpu", "Where to run: auto, cpu, cuda, cuda:1, mps.")
    workers: int = option(1, "How many processes to run at a time, each on its own behaviour.")

    def __post_init__(self) -> None:
        super().__post_init__()
        positive(nodes=self.nodes, examples=self.examples, workers=self.workers)
