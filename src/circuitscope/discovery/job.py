"""Job: everything that the two passes over the data share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor

from circuitscope.config import DiscoverySettings
from circuitscope.dictionaries import Dictionaries
from circuitscope.discovery.effect_cache import EffectCache
from circuitscope.effects import NodeEffects, SiteEffects, budget_of, node_effects
from circuitscope.model import LanguageModel, fingerprint
from circuitscope.runs import hash_json
from circuitscope.tasks import Encoded, Inputs, Metric, make_inputs
from circuitscope.terms import Site
from circuitscope.work import Batches, InMemory, Progress, silent

GRADIENT_BYTES = 2 * 2**30
"""Averaged gradients of the first pass are kept for the second up to this size, else they are computed again."""


@dataclass(frozen=True)
class Job:
    """One discovery: what is asked, of which model, on which examples."""

    model: LanguageModel
    dictionaries: Dictionaries
    metric: Metric
    examples: tuple[Encoded, ...]
    settings: DiscoverySettings
    """With nothing left at ``auto`` but the memory, which is this machine's."""
    partial: Batches = field(default_factory=InMemory)
    recent: EffectCache = field(default_factory=EffectCache)
    progress: Progress = silent

    @property
    def keep_positions(self) -> bool:
        return self.settings.keeps_positions

    @cached_property
    def budget(self) -> int:
        """Bytes of activations that one replayed batch may hold."""
        return budget_of(self.settings.memory, self.model.device)

    @property
    def n_batches(self) -> int:
        return -(-len(self.examples) // self.settings.batch_size)

    @property
    def longest(self) -> int:
        """Positions of the longest example."""
        return max(example.length for example in self.examples)

    def batch(self, number: int) -> Inputs:
        inputs = make_inputs(self._part(number), has_bos=self.settings.has_bos)
        return inputs.to(self.model.device)

    def _part(self, number: int) -> tuple[Encoded, ...]:
        size = self.settings.batch_size
        return self.examples[number * size : (number + 1) * size]

    def remember(self, number: int, effects: NodeEffects) -> None:
        """Keep a batch's effects for the second pass, if they fit beside the others."""
        self.recent.put(self._asked(number), effects, self.budget)

    def remembered(self, number: int) -> NodeEffects | None:
        """A batch's effects as the first pass left them; None if they have to be computed again."""
        return self.recent.get(self._asked(number))

    def _asked(self, number: int) -> tuple[Any, ...]:
        how = (self.settings.method, self.settings.rule, self.settings.points)
        return (*how, self.metric.name, self._part(number))

    @property
    def keeps_gradients(self) -> bool:
        tokens = sum(example.length for example in self.examples)
        width = sum(dictionary.width for dictionary in self.dictionaries.values())
        return tokens * width * self.model.dtype.itemsize <= GRADIENT_BYTES

    def effects(
        self, inputs: Inputs, *, method: str, gradients: Mapping[Site, Tensor] | None = None
    ) -> NodeEffects:
        return node_effects(
            self.model,
            self.dictionaries,
            inputs,
            self.metric,
            method=method,
            rule=self.settings.rule,
            points=self.settings.points,
            budget=self.budget,
            gradients=gradients,
        )

    # -- how a node is numbered ----------------------------------------------------------------------

    def n_keys(self, site: Site) -> int:
        """Above every node's key at a site."""
        return (self.longest if self.keep_positions else 1) * (self.dictionaries[site].n_features + 1)

    def feature_keys(self, side: SiteEffects, inputs: Inputs) -> Int[Tensor, " entry"]:
        """Keys of the entries of ``side.features``: position · (features + 1) + feature."""
        return self.keys(inputs, side.features.token, side.features.feature, side.features.n_features)

    def error_keys(
        self, inputs: Inputs, token: Int[Tensor, " token"], n_features: int
    ) -> Int[Tensor, " token"]:
        """Keys of error nodes, which come after the last feature."""
        return self.keys(inputs, token, torch.full_like(token, n_features), n_features)

    def keys(self, inputs: Inputs, token: Tensor, feature: Tensor, n_features: int) -> Tensor:
        if not self.keep_positions:
            return feature
        return inputs.clean.position_ids.flatten()[token] * (n_features + 1) + feature

    # -- what a resumed run must have in common with the one that was killed ---------------------------

    def plan(self) -> dict[str, Any]:
        asked = self.settings
        settings = [
            asked.method,
            asked.rule,
            asked.points,
            asked.batch_size,
            asked.memory,
            self.keep_positions,
        ]
        return {
            "examples": hash_json([vars(example) for example in self.examples]),
            "model": fingerprint(self.model),
            "dictionaries": self.dictionaries.content_hash,
            "metric": self.metric.name,
            "settings": hash_json([*settings, asked.has_bos, str(self.model.dtype), str(self.model.device)]),
        }
