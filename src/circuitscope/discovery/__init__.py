"""Effects over a data set become a circuit: two passes, streamed and resumable."""

from circuitscope.discovery.discover import discover
from circuitscope.discovery.rediscover import circuit_of, job_again
from circuitscope.discovery.select import select_nodes
from circuitscope.discovery.subset_means import part_means

__all__ = ["circuit_of", "discover", "job_again", "part_means", "select_nodes"]
