"""What a feature means: where it is most active, which tokens it promotes, which texts of a task it is active on.

The names are imported when first used: what pages say about saved results needs no model.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from circuitscope.lazy import lazily

if TYPE_CHECKING:
    from circuitscope.dashboards.activity import NodeActivations as NodeActivations
    from circuitscope.dashboards.activity import node_activations as node_activations
    from circuitscope.dashboards.contexts import encode_in_chunks as encode_in_chunks
    from circuitscope.dashboards.contexts import top_contexts as top_contexts
    from circuitscope.dashboards.promoted import promoted_tokens as promoted_tokens
    from circuitscope.dashboards.promoted import stream_vector as stream_vector
    from circuitscope.dashboards.shares import active_sentence as active_sentence
    from circuitscope.dashboards.shares import split_by_share as split_by_share

__all__ = [
    "NodeActivations",
    "active_sentence",
    "encode_in_chunks",
    "node_activations",
    "promoted_tokens",
    "split_by_share",
    "stream_vector",
    "top_contexts",
]

__getattr__ = lazily(
    __name__,
    {
        "NodeActivations": "activity",
        "node_activations": "activity",
        "encode_in_chunks": "contexts",
        "top_contexts": "contexts",
        "promoted_tokens": "promoted",
        "stream_vector": "promoted",
        "active_sentence": "shares",
        "split_by_share": "shares",
    },
)
