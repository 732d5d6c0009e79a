"""Settings of a report."""

from __future__ import annotations

from dataclasses import dataclass

from circuitscope.config.base import Config, option, positive


@dataclass(frozen=True)
class ReportConfig(Config):
    """Settings of a report."""

    text: str = option(
        "",
        "A text file in which to look for what features mean; <|endoftext|> separates documents. Without it: "
        "the task's own examples, or the model's own text where circuitscope has one.",
    )
    nodes: int = option(40, "How many of the strongest nodes get contexts and promoted tokens.")
    contexts: int = option(8, "How many contexts to show for a feature.")
    context: int = option(64, "Tokens that the model reads at a time when it looks for contexts.")
    tokens: int = option(200_000, "How many tokens of the text to read at most.")
    cache: bool = option(
        True, "Read in the workspace what was found out about features earlier, and keep there what is new."
    )
    out: str = option("", "The folder to write, instead of RUN/report.")
    batch_size: int = option(32, "Contexts that go through the model together.")
    device: str = option("auto", "Where to run: auto, cpu, cuda, cuda:1, mps.")
    dtype: str = option(
        "auto",
        "Number format of model and dictionaries; auto takes the run's own.",
        choices=("auto", "float32", "float64", "bfloat16", "float16"),
    )
    workers: int = option(
        1, "For a folder of runs: how many processes work at a time, each on a run of its own."
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        positive(
            nodes=self.nodes,
            contexts=self.contexts,
            context=self.context,
            tokens=self.tokens,
            batch_size=self.batch_size,
            workers=self.workers,
        )
