"""Settings of the check of a task."""

from __future__ import annotations

from dataclasses import dataclass

from circuitscope.bundled import BUNDLED
from circuitscope.config.base import ComputeConfig, option, positive
from circuitscope.config.discover import (
    BOS,
    METRIC,
    METRICS,
    MODEL,
    TEXTS_TOO_LONG,
    TRUNCATE,
    refuse_bundled_dictionaries,
    refuse_half_prompt,
)
from circuitscope.errors import BadInput, argument


@dataclass(frozen=True)
class CheckConfig(ComputeConfig):
    """How a task is checked on a model."""

    model: str = option(BUNDLED, MODEL)
    task: str = option("", "The behaviour: agreement/NAME, a JSON-lines file, or a folder with two.")
    prompt: str = option("", "In place of a task: one text.")
    answer: str = option("", "With --prompt: what should come next; by default the model's own next token.")
    against: tuple[str, ...] = option(
        (), "With --prompt: a token to set the answer against; may be given several times."
    )
    dictionaries: str = option(
        "", "Those of the discovery to come, so that --bos auto follows them as it does there."
    )
    split: str = option("train", "Which split to check.", choices=("train", "test"))
    examples: int = option(100, "How many usable examples to check.")
    metric: str = option("auto", METRIC, choices=METRICS)
    rows: int = option(5, "How many examples to show token by token.")
    bos: str = option("auto", BOS, choices=("auto", "yes", "no"))
    truncate: str = option("no", TEXTS_TOO_LONG, choices=TRUNCATE)
    batch_size: int = option(16, "Texts that go through the model together.")

    def __post_init__(self) -> None:
        super().__post_init__()
        positive(examples=self.examples, batch_size=self.batch_size)
        if self.rows < 0:
            raise BadInput(argument("rows", self.rows), expected="a whole number of at least 0")
        refuse_bundled_dictionaries(self.model, self.dictionaries)
        refuse_half_prompt(self.task, self.prompt, self.answer, self.against)
