"""Settings of the search for behaviours, one frozen dataclass per step.

What a run is about (model, dictionaries, text) is given once, at its first step; later steps read it from the run.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from circuitscope.bundled import BUNDLED
from circuitscope.config.base import ComputeConfig, Config, option, parse_bytes, positive
from circuitscope.config.discover import BOS, DICTIONARIES, MODEL, refuse_bundled_dictionaries
from circuitscope.errors import BadInput, argument
from circuitscope.terms import Site

MEMORY = "How much memory one batch may take."


@dataclass(frozen=True)
class ContextSearch(Config):
    """Which tokens of a text become contexts."""

    loss: float = option(0.1, "Keep tokens that the model predicts with a loss below this, in nats.")
    context: int = option(
        64, "Tokens that the model reads at a time, BOS included; a context has at most as many."
    )
    shortest: int = option(1, "Leave out answers with fewer tokens than this before them, BOS not counted.")
    bigrams: bool = option(
        True, "Drop answers that already followed the context's last token somewhere in the context."
    )
    skip_trigrams: bool = option(
        True,
        "Drop answers that already stood two places after the context's second-to-last token somewhere in it.",
    )
    every: int = option(1, "Of what is left, keep every so many-th token.")
    per_document: int = option(
        1, "Of what is left then, keep at most this many of a document, drawn at random; 0 keeps all."
    )
    contexts: int = option(10_000, "Stop reading when this many contexts are found; 0 reads the whole text.")
    bos: str = option("auto", BOS, choices=("auto", "yes", "no"))
    seed: int = option(0, "Seed for which tokens of a document are drawn.")
    memory: str = option("1GiB", MEMORY)

    def __post_init__(self) -> None:
        super().__post_init__()
        positive(every=self.every, shortest=self.shortest)
        for name, least in (("per_document", 0), ("contexts", 0), ("seed", 0), ("context", 2)):
            value = getattr(self, name)
            if value < least:
                raise BadInput(argument(name, value), expected=f"a whole number of at least {least}")
        if not 0 < self.loss < math.inf:
            raise BadInput(argument("loss", self.loss), expected="a number of nats above 0; 0.1 is usual")
        parse_bytes(self.memory)


@dataclass(frozen=True)
class BehavioursContextsConfig(ContextSearch, ComputeConfig):
    """Settings of a run and of its contexts."""

    model: str = option(BUNDLED, MODEL)
    dictionaries: str = option(BUNDLED, DICTIONARIES)
    text: tuple[str, ...] = option(
        (),
        "The text to look in: bundled, a file, a folder, or the id of a data set on the hub; may be given several "
        "times. By default the bundled language.",
    )
    text_field: str = option("", "The field with the text in tables, if it is not found by name.")

    def __post_init__(self) -> None:
        super().__post_init__()
        refuse_bundled_dictionaries(self.model, self.dictionaries)

    @property
    def texts(self) -> tuple[str, ...]:
        """The sources; the bundled language if none was given."""
        return self.text or (BUNDLED,)


KINDS = ("effects", "activations", "activations+effects", "dense", "gradients")
"""Kinds of vector."""
ALL_SITES = "all"
_NAME = re.compile(r"[A-Za-z0-9][\w.+-]*")


@dataclass(frozen=True)
class VectorSettings(Config):
    """What the vector of a context consists of."""

    kind: str = option(
        "effects",
        "What a context becomes: effects of features (activation times gradient of -log p of the answer), their "
        "activations, both; dense activations of the sites; or gradients of the parameters, projected.",
        choices=KINDS,
    )
    sites: str = option(ALL_SITES, "The sites, such as resid_2,mlp_2, or all that have a dictionary.")
    positions: str = option(
        "sum", "Sum over positions, or keep the last ones apart.", choices=("sum", "last")
    )
    last: int = option(1, "With --positions last: how many positions, counted from the answer back.")
    dim: int = option(30_000, "With --kind gradients: the dimensions that they are projected to.")
    batch_size: int = option(16, "Contexts that go through the model together; fewer if they do not fit.")
    memory: str = option("2GiB", MEMORY)
    seed: int = option(0, "With --kind gradients: seed of the projection.")

    def __post_init__(self) -> None:
        super().__post_init__()
        positive(last=self.last, dim=self.dim, batch_size=self.batch_size)
        if self.seed < 0:
            raise BadInput(argument("seed", self.seed), expected="a whole number of at least 0")
        self.chosen_sites([])
        parse_bytes(self.memory)

    def chosen_sites(self, every: list[Site]) -> list[Site]:
        """The sites in the order of computation; ``every`` is what ``all`` means."""
        if self.sites == ALL_SITES:
            return every
        return sorted({Site.parse(name.strip()) for name in self.sites.split(",")})

    @property
    def usual_name(self) -> str:
        """``effects-sum``, ``dense-last-1``, ``gradients``."""
        if self.kind == "gradients":
            return self.kind
        return f"{self.kind}-{self.positions}" + f"-{self.last}" * (self.positions == "last")


@dataclass(frozen=True)
class BehavioursVectorsConfig(VectorSettings):
    """Settings of the vectors of a run's contexts."""

    name: str = option("", "What to call them; by default after kind and positions, such as effects-sum.")
    device: str = option("auto", "Where to run: auto, cpu, cuda, cuda:1, mps.")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.name and not _NAME.fullmatch(self.name):
            raise BadInput(
                argument("name", self.name),
                expected="letters, digits and . _ - +, beginning with a letter or digit",
            )

    @property
    def called(self) -> str:
        """The name of their folder in ``RUN/vectors``."""
        return self.name or self.usual_name
