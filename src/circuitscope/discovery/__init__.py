"""Effects over a data set become a circuit: two passes, streamed and resumable."""

from circuitscope.discovery.discover import Work, discover, discover_circuit
from circuitscope.discovery.rediscover import circuit_of, job_again
from circuitscope.discovery.select import select_nodes
from circuitscope.discovery.settle import refuse_impossible
from circuitscope.discovery.subset_means import part_means

__all__ = [
    "Work",
    "circuit_of",
    "discover",
    "discover_circuit",
    "job_again",
    "part_means",
    "refuse_impossible",
    "select_nodes",
]
