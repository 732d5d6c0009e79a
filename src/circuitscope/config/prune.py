"""Settings of pruning a circuit."""

from __future__ import annotations

from dataclasses import dataclass

from circuitscope.config.base import option, parse_seconds, positive
from circuitscope.config.evaluate import AblationConfig
from circuitscope.errors import BadInput, argument


@dataclass(frozen=True)
class PruneConfig(AblationConfig):
    """Settings of pruning a circuit."""

    examples: int = option(40, "How many held-out examples to measure on.")
    split: str = option(
        "train", "Which split to select nodes on; the other one is held out.", choices=("train", "test")
    )
    batch_size: int = option(128, "Examples that go through the model together.")
    faithfulness: float = option(
        0.9,
        "The faithfulness to keep on the examples that select nodes; by flow, the share of the flow to keep.",
    )
    by: str = option(
        "best",
        "How to look for a smaller circuit: greedy, masks, the better of the two (best), or flow through its edges.",
        choices=("best", "greedy", "masks", "flow"),
    )
    candidates: int | None = option(
        None,
        "How many of the strongest nodes to select from; by default four times those that thresholding needs.",
    )
    select_examples: int = option(300, "How many examples to select nodes on, if there are that many.")
    steps: int = option(60, "Training steps of the masks.")
    compare: bool = option(
        False, "Also find what 50, 75 and 90 % of the behaviour need, for the whole table of ways and levels."
    )
    time: str | None = option(
        None, "Stop after this long, such as 90s, 5m or 1h, with the smallest circuit found by then."
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        positive(candidates=self.candidates, select_examples=self.select_examples, steps=self.steps)
        if self.time is not None:
            parse_seconds(str(self.time))
        if not 0 < self.faithfulness <= 1:
            raise BadInput(
                f"{argument('faithfulness', self.faithfulness)}",
                expected="a number above 0 and at most 1, such as 0.9",
                mend="choose a value in that range; 1 is the whole model's behaviour",
            )

    @property
    def seconds(self) -> float | None:
        """How long the search may take; None for as long as it needs."""
        return None if self.time is None else parse_seconds(str(self.time))
