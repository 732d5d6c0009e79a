"""Settings of grouping a circuit's features."""

from __future__ import annotations

from dataclasses import dataclass

from circuitscope.config.base import Config, option, positive
from circuitscope.errors import BadInput, argument


@dataclass(frozen=True)
class GroupConfig(Config):
    """Settings of grouping a circuit's features."""

    groups: int | None = option(
        None, "Join features until there are this many groups, or until no two are left that may be joined."
    )
    similarity: float | None = option(
        None,
        "Join features as long as the members of a group are this similar on average, from -1 to 1 "
        "(0.3 if no number of groups is given).",
    )
    layers: int | None = option(
        None, "How many neighbouring layers a group may touch; by default a quarter of the model's."
    )
    activity: float = option(1.0, "Weight of being active on the same texts.")
    vectors: float = option(1.0, "Weight of writing in the same direction.")
    edges: float = option(1.0, "Weight of having the same edges in and out.")
    batch_size: int = option(32, "Examples that go through the model together.")
    device: str = option("auto", "Where to run: auto, cpu, cuda, cuda:1, mps.")
    dtype: str = option(
        "auto",
        "Number format of the model and the dictionaries; auto takes the run's own.",
        choices=("auto", "float32", "float64", "bfloat16", "float16"),
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        positive(groups=self.groups, layers=self.layers, batch_size=self.batch_size)
        if self.groups is not None and self.similarity is not None:
            raise BadInput(
                f"both {argument('groups')} and {argument('similarity')} are given",
                expected="one of them",
                mend="leave one out",
            )
        if self.similarity is not None and not -1 <= self.similarity <= 1:
            raise BadInput(f"{argument('similarity', self.similarity)}", expected="a number from -1 to 1")
        weights = {name: getattr(self, name) for name in ("activity", "vectors", "edges")}
        if not all(weight >= 0 for weight in weights.values()) or not sum(weights.values()) > 0:
            raise BadInput(
                "the similarity weights are "
                + ", ".join(argument(name, value) for name, value in weights.items()),
                expected="numbers of at least 0, not all of them 0",
                mend="leave one at 1",
            )
