"""Effects over a data set become a circuit: two passes, streamed and resumable."""

from circuitscope.discovery.discover import discover
from circuitscope.discovery.partial import Partial

__all__ = ["Partial", "discover"]
