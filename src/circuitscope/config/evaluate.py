"""Settings of ablated runs and of sweeps over circuit sizes."""

from __future__ import annotations

from dataclasses import dataclass

from circuitscope.config.base import ComputeConfig, option, positive
from circuitscope.errors import BadInput, argument


@dataclass(frozen=True)
class AblationConfig(ComputeConfig):
    """Settings that all stages of ablated runs share."""

    dtype: str = option(
        "auto",
        "Number format of the model and the dictionaries; auto takes the run's own.",
        choices=("auto", "float32", "float64", "bfloat16", "float16"),
    )
    examples: int = option(40, "How many examples to evaluate on.")
    split: str = option("test", "Which split to evaluate on.", choices=("train", "test"))
    baseline: str = option(
        "auto",
        "What ablated nodes are set to; auto takes the run's own.",
        choices=("auto", "mean", "zero", "resample", "clean-mean"),
    )
    errors: str = option(
        "circuit",
        "Error nodes: circuit keeps those in the circuit, keep keeps all, remove ablates all.",
        choices=("circuit", "keep", "remove"),
    )
    free_layers: int | None = option(
        None, "How many of the first layers (and embed) are never ablated; by default a third."
    )
    batch_size: int = option(32, "Examples that go through the model together.")

    def __post_init__(self) -> None:
        super().__post_init__()
        positive(examples=self.examples, batch_size=self.batch_size)


@dataclass(frozen=True)
class EvaluateConfig(AblationConfig):
    """Settings of an evaluation."""

    strict: bool = option(
        False,
        "Also run the strict tests: random circuits, halves of the examples, new words, nodes to spare, edges.",
    )
    random_circuits: int = option(
        100, "With --strict: how many random circuits of equal size to compare with."
    )
    halvings: int = option(20, "With --strict: how many times to divide the examples into random halves.")
    spare_examples: int | None = option(
        None,
        "With --strict: how many examples to look for nodes to spare on, one run per node; by default all.",
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        positive(
            random_circuits=self.random_circuits,
            halvings=self.halvings,
            spare_examples=self.spare_examples,
        )


@dataclass(frozen=True)
class SweepConfig(AblationConfig):
    """Settings of a sweep over circuit sizes."""

    sizes: int = option(16, "How many circuit sizes to measure.")
    neurons: bool = option(True, "Also measure neurons of the sites and hidden neurons of the MLPs.")
    random: int = option(3, "How many random circuits to average; 0 leaves them out.")

    def __post_init__(self) -> None:
        super().__post_init__()
        positive(sizes=self.sizes)
        if self.random < 0:
            raise BadInput(f"{argument('random', self.random)}", expected="a whole number of at least 0")
