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


def _refuse_odd_name(name: str) -> None:
    """Raise BadInput for a name that is no name of a folder; none at all is one to be made up."""
    if name and not _NAME.fullmatch(name):
        raise BadInput(
            argument("name", name),
            expected="letters, digits and . _ - +, beginning with a letter or digit",
        )


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
        _refuse_odd_name(self.name)

    @property
    def called(self) -> str:
        """The name of their folder in ``RUN/vectors``."""
        return self.name or self.usual_name


METHODS = ("local", "spectral", "angular", "kmeans", "hdbscan")
"""Ways to cluster."""
SCALES = ("auto", "whiten", "idf", "none")
"""What goes before the cosine."""
_LEAST_EQUAL = 0.5
"""A cluster overlaps with at most one class of a grouping by more."""


@dataclass(frozen=True)
class ClusterSettings(Config):
    """How contexts are clustered."""

    method: str = option(
        "local",
        "How to cluster: local (by conductance, around each context; finds the number itself, clusters may overlap), "
        "spectral (on the neighbour graph), angular (spectral on the angular affinity of all pairs, as published), "
        "kmeans (spherical), or hdbscan (by density; finds the number itself).",
        choices=METHODS,
    )
    clusters: str = option(
        "100",
        "With --method spectral, angular or kmeans: how many clusters, or several numbers to compare, such as "
        "50,100,200.",
    )
    choose: str = option(
        "implicated",
        "Of several numbers, take the one with the most clusters that are implicated in more than one document, as "
        "published, or the one with the most stable clusters.",
        choices=("implicated", "stability"),
    )
    neighbours: int = option(
        15, "How many nearest contexts each context is joined to in the neighbour graph."
    )
    smallest: int = option(3, "With --method local or hdbscan: the fewest contexts that are a cluster.")
    largest: int = option(1000, "With --method local: the most contexts that are one cluster.")
    conductance: float = option(
        0.5,
        "With --method local: the part of the weight of a cluster's edges that may lead out of it; 0.5 keeps "
        "clusters of which more stays inside than leaves.",
    )
    overlap: float = option(
        0.5,
        "With --method local: of two clusters that share more than this part of the smaller one, keep the one that "
        "more of its own members show.",
    )
    halves: int = option(
        1,
        "How many times the contexts are halved and clustered afresh, to measure stability; 0 leaves that out.",
    )
    equal: float = option(
        0.8,
        "Mark a cluster as trivial if its Jaccard overlap with the contexts of one answer token, last token, last "
        "bigram or strongest feature is at least this; from 0.5 to 1.",
    )
    seed: int = option(0, "Seed for everything drawn at random.")
    scale: str = option(
        "auto",
        "What goes before the cosine: whiten (centre, and give the principal directions equal variance), idf (weight "
        "rare columns more; sparse vectors), none; auto is idf for sparse vectors and whiten for dense ones.",
        choices=SCALES,
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        positive(neighbours=self.neighbours, smallest=self.smallest, largest=self.largest)
        for name in ("halves", "seed"):
            value = getattr(self, name)
            if value < 0:
                raise BadInput(argument(name, value), expected="a whole number of at least 0")
        for name, least in (("conductance", 0.0), ("overlap", 0.0), ("equal", _LEAST_EQUAL)):
            value = getattr(self, name)
            if not least <= value <= 1:
                raise BadInput(argument(name, value), expected=f"a number from {least:g} to 1")
        if self.smallest > self.largest:
            raise BadInput(
                f"{argument('smallest', self.smallest)} and {argument('largest', self.largest)}",
                expected="the smallest cluster no larger than the largest",
            )
        positive(clusters=min(self.counts))

    @property
    def has_counts(self) -> bool:
        """Whether the method is told how many clusters to find."""
        return self.method in ("spectral", "angular", "kmeans")

    @property
    def counts(self) -> tuple[int, ...]:
        """The numbers of clusters to compare, in ascending order."""
        try:
            return tuple(sorted({int(part) for part in self.clusters.split(",")}))
        except ValueError as error:
            raise BadInput(
                argument("clusters", self.clusters),
                expected="a number of clusters, or several such as 50,100,200",
            ) from error


@dataclass(frozen=True)
class BehavioursClusterConfig(ClusterSettings):
    """Settings of clustering a run's contexts."""

    vectors: str = option("", "Which vectors of the run to take; by default its only ones.")
    name: str = option("", "What to call the clusters; by default after vectors and method.")

    def __post_init__(self) -> None:
        super().__post_init__()
        _refuse_odd_name(self.name)

    def called(self, vectors: str) -> str:
        """The name of their folder in ``RUN/clusters``; a method without its vectors would name several."""
        return self.name or f"{vectors}-{self.method}"
