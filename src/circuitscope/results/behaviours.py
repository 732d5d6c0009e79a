"""The clusters of a search for behaviours as plain values, to and from JSON. Nothing here loads torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from circuitscope.results.plain import read_plain
from circuitscope.runs import CLUSTERS, need_one_of, read_manifest

BEHAVIOURS_SCHEMA = 1
GIANT = 0.5
"""A cluster with a larger part of the contexts than this is no part of them, but most of them."""


@dataclass(frozen=True)
class TokenCount:
    """How many contexts have a token at some place."""

    token: str
    contexts: int


@dataclass(frozen=True)
class TrivialMatch:
    """How a cluster compares with the contexts that share one trivial thing."""

    grouping: str
    """What they share: `answer token`, `last token`, `last bigram` or `strongest feature`."""
    value: str
    """Which one it is: that of most members."""
    jaccard: float
    """Contexts in both, over contexts in either."""
    share: float
    """The part of the members that has it."""


@dataclass(frozen=True)
class ClusterFeature:
    """A feature that is stronger in a cluster's vectors than in others."""

    node: str
    excess: float
    """Mean of the members' vectors, each of length 1, at this feature, less the mean of all vectors there."""
    label: str
    """What a person or a label file says that it means; may be empty."""


@dataclass(frozen=True)
class SampleContext:
    """A context as text."""

    context_id: int
    document: int
    tokens: tuple[str, ...]
    """What the model read, without BOS."""
    answer: str


@dataclass(frozen=True)
class SimilarCluster:
    """Another cluster and the cosine of the two centres."""

    cluster: int
    cosine: float


@dataclass(frozen=True)
class Cluster:
    """Contexts whose vectors point the same way."""

    name: str
    """A few words; no two clusters have the same."""
    members: tuple[int, ...]
    """The numbers of its contexts, those nearest to the centre first; a context may be in several clusters."""
    documents: int
    """How many documents they are from."""
    cohesion: float | None
    """Mean cosine of two members; None for a cluster of one."""
    conductance: float | None
    """Of the neighbour graph's edges at its members, the part that leaves: 0 is cut off, near 1 is nothing special.
    None where nothing is outside."""
    stability: float | None
    """How well half of the contexts, clustered afresh, give it again: the best Jaccard overlap, the mean of both
    halves. None if it was not measured, or if neither half has two members."""
    trivial: tuple[TrivialMatch, ...]
    """One for each trivial grouping."""
    equals: tuple[str, ...]
    """The trivial groupings that it merely equals: Jaccard of at least the stated limit."""
    answers: tuple[TokenCount, ...]
    """The tokens that come next, the most frequent first."""
    last_tokens: tuple[TokenCount, ...]
    """The last tokens that the model read, the most frequent first."""
    features: tuple[ClusterFeature, ...]
    """Its strongest features; empty for vectors without features."""
    samples: tuple[SampleContext, ...]
    """Some members, from the nearest to the centre to the farthest."""
    similar: tuple[SimilarCluster, ...]
    """The clusters with the most similar centres."""

    @property
    def is_trivial(self) -> bool:
        """Whether it is no discovery: it equals a trivial grouping."""
        return bool(self.equals)

    def __len__(self) -> int:
        return len(self.members)


@dataclass(frozen=True)
class ClusterCount:
    """What one number of clusters gave, where several were compared."""

    asked: int
    found: int
    implicated: int
    """Clusters with members in more than one document."""
    stability: float | None
    """Mean of the clusters' stability, each counted by its size."""
    conductance: float | None
    """Mean of their conductance, each counted by its size."""


@dataclass(frozen=True)
class Clusters:
    """What clustering a run's contexts found."""

    schema_version: int
    method: str
    vectors: str
    """The name of the vectors; empty where they have none."""
    contexts: int
    """How many contexts there are, those that could not be clustered included."""
    zeros: int
    """Contexts that were left out, because their vectors are zero."""
    duplicates: int
    """Contexts whose vector equals an earlier one; they are clustered like others."""
    alone: int
    """Contexts that are in no cluster."""
    pieces: int
    """How many pieces the neighbour graph is in."""
    recall: float
    """Which part of the true nearest neighbours the graph has, measured on a sample."""
    equal_at: float
    """From which Jaccard overlap on a cluster equals a trivial grouping."""
    clusters: tuple[Cluster, ...]
    """The largest first."""
    counts: tuple[ClusterCount, ...]
    """The numbers of clusters that were compared; empty for methods that find it themselves."""
    taken: int | None
    """Which of these numbers was taken."""

    def __len__(self) -> int:
        return len(self.clusters)

    def __repr__(self) -> str:
        return (
            f"Clusters({len(self):,} by {self.method} of {self.contexts:,} contexts, {self.alone:,} in none, "
            f"{self.trivial_share:.0%} trivial)"
        )

    @property
    def trivial_share(self) -> float:
        """The part of the clusters that equal a trivial grouping; 0 if there are no clusters."""
        return sum(cluster.is_trivial for cluster in self.clusters) / max(1, len(self))

    def shares_by_grouping(self) -> dict[str, float]:
        """For each trivial grouping the part of the clusters that equal it."""
        groupings = [match.grouping for match in self.clusters[0].trivial] if self.clusters else []
        return {
            grouping: sum(grouping in cluster.equals for cluster in self.clusters) / len(self)
            for grouping in groupings
        }

    @property
    def of_one(self) -> int:
        """How many clusters have a single member."""
        return sum(len(cluster) == 1 for cluster in self.clusters)

    def doubts(self) -> list[str]:
        """What should make one look twice, each as a sentence."""
        found = []
        clustered = self.contexts - self.zeros
        largest = max(map(len, self.clusters), default=0)
        if len(self) and largest > GIANT * clustered:
            found.append(f"one cluster holds {largest:,} of {clustered:,} contexts: it is no part of them")
        if self.of_one:
            found.append(f"{self.of_one:,} of {len(self):,} clusters have a single context")
        if self.zeros:
            found.append(f"{self.zeros:,} contexts have a vector of zeros and were left out")
        if self.duplicates:
            found.append(f"{self.duplicates:,} contexts have the same vector as an earlier one")
        if self.trivial_share:
            found.append(f"{self.trivial_share:.0%} of the clusters equal a trivial grouping")
        return found

    def of_contexts(self) -> Mapping[int, tuple[int, ...]]:
        """Context → the clusters that it is in; contexts in none are not there."""
        found: dict[int, tuple[int, ...]] = {}
        for number, cluster in enumerate(self.clusters):
            for context in cluster.members:
                found[context] = (*found.get(context, ()), number)
        return found


@dataclass(frozen=True)
class LabelAgreement:
    """How well clusters agree with labels that are known, 0 for chance and 1 for the same."""

    contexts: int
    ami: float
    """Adjusted mutual information over all contexts."""
    ari: float
    """Adjusted Rand index over all contexts."""
    answers: int
    """Answer tokens whose contexts have two or more labels: those that the next two are over."""
    ami_given_answer: float | None
    """Mean of the adjusted mutual information within the contexts of one answer token, each counted by its
    contexts; None if no answer has two labels."""
    ari_given_answer: float | None
    """The same for the adjusted Rand index."""


def read_clusters(place: str | Path, name: str = "") -> Clusters:
    """The clusters of a run (``RUN``, and a name if it has several), in a folder or in a file; needs no model.

    Raises:
        BadInput: the run has several, and no name is given, or none of this name.
        BadFile: they are missing, damaged, or follow a newer schema.
    """
    folder = Path(place).expanduser()
    if CLUSTERS.in_(folder).is_dir():
        folder = CLUSTERS.called(need_one_of(folder, CLUSTERS, name)).in_(folder)
    if folder.is_dir():
        read_manifest(folder, CLUSTERS.kind)
    return read_plain(
        Clusters, folder, file=CLUSTERS.file, newest=BEHAVIOURS_SCHEMA, what="clusters", again="cluster again"
    )
