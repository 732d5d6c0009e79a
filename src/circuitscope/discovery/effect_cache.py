"""EffectCache: effects that the first pass leaves in memory, so that the second need not encode anything again."""

from __future__ import annotations

from collections.abc import Hashable

from circuitscope.effects import NodeEffects


class EffectCache:
    """Node effects of batches, by what was asked, up to a size."""

    def __init__(self) -> None:
        self._kept: dict[Hashable, NodeEffects] = {}
        self._bytes = 0

    def put(self, asked: Hashable, effects: NodeEffects, most: int) -> None:
        """Keep ``effects`` unless all that is kept would then exceed ``most`` bytes."""
        if asked not in self._kept and self._bytes + effects.nbytes <= most:
            self._kept[asked] = effects
            self._bytes += effects.nbytes

    def get(self, asked: Hashable) -> NodeEffects | None:
        return self._kept.get(asked)
