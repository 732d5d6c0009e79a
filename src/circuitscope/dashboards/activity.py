"""node_activations: what a circuit's features do on the texts of its task, and a summary for each node.

A node at a position is looked at there, once per text; a node that is summed over positions, on every live token.
Clean and patch texts are treated alike: what a feature is for shows in which texts it is active on and which answers
these ask for. Errors have no activation and are left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from circuitscope.activations import read_sites
from circuitscope.dashboards.contexts import encode_in_chunks
from circuitscope.dashboards.words_read import WordsRead
from circuitscope.dictionaries import Dictionaries
from circuitscope.errors import BadInput
from circuitscope.model import LanguageModel, TokenBatch, TokenTexts
from circuitscope.results import NodeActivity, Share
from circuitscope.tasks import Encoded, batches
from circuitscope.terms import SUMMED, NodeId

_TOKENS_KEPT, _WORDS_KEPT = 8, 16
CLEAN, PATCH = 0, 1


@dataclass(frozen=True)
class TaskTexts:
    """The texts that were looked at: those of the clean side, then those of the patch side."""

    side: NDArray[np.int64]
    """(text,) ``CLEAN`` or ``PATCH``."""
    answer: tuple[str, ...]
    """Per text, what it asks for; answers that count together are joined by " / "."""
    case: tuple[str, ...]
    """Per text, its example's case; empty for the patch side, which the case does not describe."""


@dataclass(frozen=True)
class NodeActivations:
    """The activations of feature nodes on a task's texts.

    A row is a text where nodes have positions, and a live token of a text where they are summed.
    """

    nodes: tuple[NodeId, ...]
    values: NDArray[np.float32]
    """(row, node); 0 where the feature is silent."""
    text: NDArray[np.int64]
    """(row,) which text."""
    token: NDArray[np.int64]
    """(row, node) the token there."""
    word: NDArray[np.int64]
    """(row, node) the word that it is part of, as far as it is read there; a row number of ``words``."""
    words: tuple[str, ...]
    texts: TaskTexts
    names: TokenTexts

    def activities(self) -> tuple[NodeActivity, ...]:
        """On which texts each node is active."""
        return tuple(self._activity(column) for column in range(len(self.nodes)))

    def _activity(self, column: int) -> NodeActivity:
        values, texts = self.values[:, column], self.texts
        count = texts.side.size
        total = np.bincount(self.text, values, count).astype(np.float64)
        active = np.bincount(self.text, values != 0, count) > 0
        clean, patch = (active[texts.side == side] for side in (CLEAN, PATCH))
        tokens, weight = _weights(self.token[:, column], values)
        words, word_weight = _weights(self.word[:, column], values)
        best, most = _best(weight, _TOKENS_KEPT), _best(word_weight, _WORDS_KEPT)
        return NodeActivity(
            str(self.nodes[column]),
            _mean(clean),
            _mean(patch) if patch.size else None,
            _shares(texts.answer, active, total),
            _shares(texts.case, active, total),
            self.names.many(tokens[best].tolist()),
            int((weight > 0).sum()),
            int(tokens.size),
            tuple(self.words[word] for word in words[most].tolist()),
        )


def _weights(
    kinds: NDArray[np.int64], values: NDArray[np.float32]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The kinds there are, and the sum of |value| of each."""
    found, number = np.unique(kinds, return_inverse=True)
    return found, np.bincount(number, np.abs(values), found.size).astype(np.float64)


def _best(weight: NDArray[np.float64], count: int) -> list[int]:
    return [int(row) for row in np.argsort(-weight, kind="stable")[:count] if weight[row] > 0]


def _mean(values: NDArray[np.bool_] | NDArray[np.float64]) -> float:
    return float(values.mean()) if values.size else 0.0


def _shares(kinds: Sequence[str], active: NDArray[np.bool_], total: NDArray[np.float64]) -> tuple[Share, ...]:
    """One share per kind of text, in the order of names; texts of no kind are left out."""
    names = np.array(kinds)
    chosen = ((kind, names == kind) for kind in sorted(set(kinds)) if kind)
    return tuple(
        Share(kind, int(here.sum()), _mean(active[here]), _mean(total[here])) for kind, here in chosen
    )


def node_activations(
    model: LanguageModel,
    dictionaries: Dictionaries,
    nodes: Sequence[NodeId],
    examples: Sequence[Encoded],
    *,
    bos: bool,
    batch_size: int = 32,
) -> NodeActivations:
    """Run a task's texts and note what some nodes do on them.

    Args:
        nodes: features, all at positions or all summed over them; errors are left out.
        examples: as ``Task.encode`` gives them.
        bos: whether the examples begin with a BOS.
        batch_size: examples that go through the model together.

    Raises:
        BadInput: nodes at positions and summed ones are mixed.
    """
    features = tuple(node for node in nodes if not node.is_error)
    if len({node.position == SUMMED for node in features}) > 1:
        raise BadInput("nodes at positions and summed ones are mixed", expected="nodes of one circuit")
    summed = bool(features) and features[0].position == SUMMED
    seen: tuple[list[_Seen], list[_Seen]] = ([], [])
    for start, side, tokens in _sides(examples, bos, batch_size):
        with torch.no_grad():
            found = _seen(model, dictionaries, features, tokens.to(model.device), summed=summed)
        first = start + (len(examples) if side == PATCH else 0)
        seen[side].append(replace(found, text=found.text + first))
    parts = [*seen[CLEAN], *seen[PATCH]]
    names = TokenTexts.of(model.tokenizer)
    text = torch.cat([part.text for part in parts]).numpy()
    place = torch.cat([part.place for part in parts]).numpy()
    pairs = [example.patch for example in examples if example.patch is not None]
    words = WordsRead.of([*(example.clean for example in examples), *pairs], names)
    return NodeActivations(
        features,
        torch.cat([part.values for part in parts]).float().numpy(),
        text,
        torch.cat([part.ids for part in parts]).numpy(),
        words.numbers(text, place),
        words.words,
        _texts(examples, names),
        names,
    )


@dataclass(frozen=True)
class _Seen:
    """What nodes do on a batch."""

    values: Tensor
    """(row, node)"""
    ids: Tensor
    """(row, node) the tokens there."""
    place: Tensor
    """(row, node) the tokens' numbers in their texts, BOS included."""
    text: Tensor
    """(row,) the number in the batch."""


def _seen(
    model: LanguageModel,
    dictionaries: Dictionaries,
    features: Sequence[NodeId],
    tokens: TokenBatch,
    *,
    summed: bool,
) -> _Seen:
    values, live = _of_batch(model, dictionaries, features, tokens), tokens.live
    example = torch.arange(tokens.batch, device=live.device)
    if summed:
        ids, place = (
            item[live][:, None].expand(-1, len(features)) for item in (tokens.ids, tokens.position_ids)
        )
        return _Seen(values[live].cpu(), ids.cpu(), place.cpu(), example[:, None].expand_as(live)[live].cpu())
    columns = _columns(tokens, features)
    nodes_at = torch.arange(len(features), device=live.device)
    ids, place = (item.gather(1, columns) for item in (tokens.ids, tokens.position_ids))
    return _Seen(values[example[:, None], columns, nodes_at].cpu(), ids.cpu(), place.cpu(), example.cpu())


def _sides(examples: Sequence[Encoded], bos: bool, batch_size: int) -> Iterator[tuple[int, int, TokenBatch]]:
    """(number of the first example, side, its tokens), batch by batch."""
    for number, inputs in enumerate(batches(examples, batch_size, has_bos=bos)):
        for side, tokens in ((CLEAN, inputs.clean), (PATCH, inputs.patch)):
            if tokens is not None:
                yield number * batch_size, side, tokens


def _of_batch(
    model: LanguageModel, dictionaries: Dictionaries, nodes: Sequence[NodeId], tokens: TokenBatch
) -> Tensor:
    """(batch, position, node): every feature's activation on every token."""
    sites = list(dict.fromkeys(node.site for node in nodes))
    _, states = read_sites(model, dictionaries.only(sites), tokens, tokens.last[:, None])
    found = torch.zeros(*tokens.ids.shape, len(nodes), device=model.device)
    for site in sites:
        columns = [column for column, node in enumerate(nodes) if node.site == site]
        features = torch.tensor([nodes[column].feature for column in columns], device=model.device)
        state = states[site]
        active = encode_in_chunks(state.dictionary, state.flat, features).float()
        found[:, :, columns] = active.view(*state.x.shape[:2], len(features))
    return found * tokens.live[:, :, None]


def _columns(tokens: TokenBatch, nodes: Sequence[NodeId]) -> Tensor:
    """(batch, node): the column of each node's position; an example that is too short gives its last."""
    first = (tokens.mask.long().cumsum(dim=1) == 1).long().argmax(dim=1)
    position = torch.tensor([node.position for node in nodes], device=tokens.ids.device, dtype=torch.long)
    return torch.minimum(first[:, None] + position, tokens.last[:, None])


def _texts(examples: Sequence[Encoded], names: TokenTexts) -> TaskTexts:
    pairs = [example for example in examples if example.patch is not None]
    sides = [CLEAN] * len(examples) + [PATCH] * len(pairs)
    answers = [example.clean_answers for example in examples] + [item.patch_answers for item in pairs]
    return TaskTexts(
        np.array(sides, np.int64),
        tuple(" / ".join(word.strip() for word in names.many(tokens)) for tokens in answers),
        (*(example.case for example in examples), *("" for _ in pairs)),
    )
