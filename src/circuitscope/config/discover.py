"""Settings of discovery."""

from __future__ import annotations

from dataclasses import dataclass

from circuitscope.bundled import BUNDLED
from circuitscope.config.base import ComputeConfig, option, part_of, positive, required
from circuitscope.config.effects import EffectsConfig, few_points
from circuitscope.errors import BadInput, argument

MODEL = "The model: bundled, a HuggingFace id or a folder."
DICTIONARIES = (
    "The dictionaries: bundled, a folder, a hub id, several joined by commas, a YAML file of sites, "
    "identity, or identity:mlp-hidden."
)
BOS = "Whether texts begin with a BOS; auto follows the dictionaries, then the tokenizer."

METRICS = ("auto", "logit-difference", "probability-difference", "log-probability", "logit")
METRIC = "How to measure the behaviour."

TRUNCATE = ("no", "left")
TEXTS_TOO_LONG = "Texts longer than the model's positions: refuse them (no), or drop their beginnings (left)."


def refuse_bundled_dictionaries(model: str, dictionaries: str) -> None:
    """The bundled dictionaries belong to the bundled model."""
    if dictionaries == BUNDLED and model != BUNDLED:
        raise BadInput(
            f"{argument('dictionaries', BUNDLED)} with {argument('model', model)}",
            expected=f"dictionaries for that model; the bundled ones belong to {argument('model', BUNDLED)}",
            mend=f"add {argument('dictionaries')}, or train some: circuitscope train-dictionaries",
        )


def refuse_half_prompt(task: str, prompt: str, answer: str, against: tuple[str, ...]) -> None:
    """A behaviour is a task or a prompt; answers on the command line belong to a prompt."""
    if bool(task) == bool(prompt):
        raise BadInput(
            f"both {argument('task')} and {argument('prompt')} are given"
            if task
            else f"neither {argument('task')} nor {argument('prompt')} is given",
            expected="a task, such as agreement/simple or a JSON-lines file, or a prompt",
            mend=f"leave out {argument('prompt')}"
            if task
            else f"add {argument('task')} or {argument('prompt')}",
        )
    given = argument("answer") if answer else argument("against") if against else ""
    if given and not prompt:
        raise BadInput(
            f"{given} without {argument('prompt')}",
            expected="a prompt; the examples of a task bring their own answers",
            mend=f"leave out {given}, or give a prompt instead of the task",
        )
    if "" in against:
        raise BadInput(
            f"{argument('against')} is empty",
            expected="a token, most often with a space before it",
            mend=f"write it in quotation marks: {argument('against', ' is')}",
        )


@dataclass(frozen=True)
class DiscoverySettings(EffectsConfig):
    """How a circuit is discovered, whatever the model, the dictionaries and the behaviour.

    The command line fills it in, ``discover`` takes it whole, and the circuit keeps it as part of its recipe, with
    each ``auto`` replaced by what it resolved to.
    """

    split: str = option("train", "Which split to discover on.", choices=("train", "test"))
    metric: str = option("auto", METRIC)
    edges_at: str = option(
        "auto",
        "What an edge is: a share of what happens between clean and patch (secant), or a derivative at clean, patch "
        "or both; auto takes secant for pairs and clean for single inputs.",
        choices=("auto", "secant", "clean", "patch", "both"),
    )
    edge_points: int | None = option(
        None,
        "Quadrature points of secant edges, always Gauss–Legendre; by default 1, 3, 7, 15, 31 as needed.",
    )
    positions: str = option(
        "auto",
        "Keep one node per position, or sum over positions; auto keeps positions for templates.",
        choices=("auto", "keep", "sum"),
    )
    baseline: str = option(
        "auto",
        "What ablated nodes are set to when the circuit is evaluated; auto takes zero for a prompt, else mean.",
        choices=("auto", "mean", "zero", "resample", "clean-mean"),
    )
    bos: str = option("auto", BOS, choices=("auto", "yes", "no"))
    truncate: str = option("no", TEXTS_TOO_LONG, choices=TRUNCATE)

    def __post_init__(self) -> None:
        super().__post_init__()
        positive(edge_points=self.edge_points)
        few_points(edge_points=self.edge_points)

    @property
    def has_bos(self) -> bool:
        """Whether texts begin with a BOS, once that is settled."""
        return self.bos == "yes"

    @property
    def keeps_positions(self) -> bool:
        """Whether there is a node per position, once that is settled."""
        return self.positions == "keep"


@dataclass(frozen=True)
class DiscoverConfig(DiscoverySettings, ComputeConfig):
    """Everything the discover command is told."""

    model: str = option(BUNDLED, MODEL)
    dictionaries: str = option(BUNDLED, DICTIONARIES)
    task: str = option("", "The behaviour: agreement/NAME, a JSON-lines file, or a folder with two.")
    prompt: str = option("", "In place of a task: one text, to ask why the model continues it as it does.")
    answer: str = option(
        "", "With --prompt: the next token to explain; by default the model's own most probable one."
    )
    against: tuple[str, ...] = option(
        (), "With --prompt: a token to set the answer against; may be given several times."
    )
    metric: str = option("auto", METRIC, choices=METRICS)
    out: str = required("The run folder to write.")

    def __post_init__(self) -> None:
        super().__post_init__()
        refuse_bundled_dictionaries(self.model, self.dictionaries)
        refuse_half_prompt(self.task, self.prompt, self.answer, self.against)

    @property
    def settings(self) -> DiscoverySettings:
        """The part that becomes the circuit's recipe."""
        return part_of(self, DiscoverySettings)
