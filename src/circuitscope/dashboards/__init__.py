"""What a feature means: where it is most active, the tokens that it promotes, the texts of a task that it is for.

``values`` needs neither torch nor numpy, so that what was found opens anywhere; the functions that find it are
imported when first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from circuitscope.dashboards.shares import active_sentence
from circuitscope.dashboards.values import (
    FeatureContexts,
    FeatureDashboard,
    FeatureTokens,
    NodeActivity,
    Share,
    TokenContext,
    TokenWeight,
    Word,
    label_of,
)

_FUNCTIONS = {
    "node_activations": "circuitscope.dashboards.activity",
    "promoted_tokens": "circuitscope.dashboards.promoted",
    "top_contexts": "circuitscope.dashboards.contexts",
}

__all__ = [
    "FeatureContexts",
    "FeatureDashboard",
    "FeatureTokens",
    "NodeActivity",
    "Share",
    "TokenContext",
    "TokenWeight",
    "Word",
    "active_sentence",
    "label_of",
    "node_activations",
    "promoted_tokens",
    "top_contexts",
]

if TYPE_CHECKING:
    from circuitscope.dashboards.activity import node_activations as node_activations
    from circuitscope.dashboards.contexts import top_contexts as top_contexts
    from circuitscope.dashboards.promoted import promoted_tokens as promoted_tokens


def __getattr__(name: str) -> Any:
    if name not in _FUNCTIONS:
        raise AttributeError(f"circuitscope.dashboards has no {name!r}")
    return getattr(import_module(_FUNCTIONS[name]), name)
