"""What a feature means: where it is most active, which tokens it promotes, which texts of a task it is active on."""

from circuitscope.dashboards.activity import NodeActivations, node_activations
from circuitscope.dashboards.contexts import encode_in_chunks, top_contexts
from circuitscope.dashboards.known import Reading, known_contexts, known_tokens
from circuitscope.dashboards.promoted import promoted_tokens, stream_vector

__all__ = [
    "NodeActivations",
    "Reading",
    "encode_in_chunks",
    "known_contexts",
    "known_tokens",
    "node_activations",
    "promoted_tokens",
    "stream_vector",
    "top_contexts",
]
