"""Settings of a report."""

from __future__ import annotations

from dataclasses import dataclass

from circuitscope.config.base import WorkersConfig, option, positive
from circuitscope.errors import BadInput, argument

ERRORS_IN_PICTURE = ("always", "strong", "never")
"""Which errors a picture draws besides those among the strongest nodes."""


SHORTEST_CONTEXT = 3
"""BOS and two tokens."""


@dataclass(frozen=True)
class ReportConfig(WorkersConfig):
    """Settings of a report."""

    text: str = option(
        "",
        "A text file to look for the features' contexts in; <|endoftext|> separates documents. By default the "
        "task's own examples, or the model's own text if circuitscope has one.",
    )
    nodes: int = option(40, "How many of the strongest nodes get contexts and promoted tokens.")
    contexts: int = option(8, "How many contexts to show for a feature.")
    context: int = option(64, "How many tokens the model reads at a time while looking for contexts.")
    tokens: int = option(200_000, "Read at most this many tokens of the text.")
    errors_in_picture: str = option(
        "strong",
        "Which errors the picture draws: strong adds those at the other end of a drawn node's strongest edge to the "
        "strongest nodes, always adds all, never leaves errors out.",
        choices=ERRORS_IN_PICTURE,
    )
    cache: bool = option(
        True, "Take what is already known about features from the workspace, and keep there what is new."
    )
    out: str = option("", "The folder to write instead of RUN/report.")
    batch_size: int = option(32, "Contexts that go through the model together.")
    device: str = option("auto", "Where to run: auto, cpu, cuda, cuda:1, mps.")
    dtype: str = option(
        "auto",
        "Number format of the model and the dictionaries; auto takes the run's own.",
        choices=("auto", "float32", "float64", "bfloat16", "float16"),
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.context < SHORTEST_CONTEXT:
            raise BadInput(argument("context", self.context), expected=f"at least {SHORTEST_CONTEXT} tokens")
        positive(
            nodes=self.nodes,
            contexts=self.contexts,
            context=self.context,
            tokens=self.tokens,
            batch_size=self.batch_size,
        )
