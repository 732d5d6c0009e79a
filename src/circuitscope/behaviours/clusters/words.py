"""What contexts have in common as text: words, answers and last tokens, and a name made from them.

    "after “once upon” with “There” → “a”"

* The left side is what most members end in, up to three words, as far as the model had read them ("Lu…"); and words
  among the last ones, those first that tell a cluster from the others.
* The right side is the most frequent answers.
* In brackets, if two names would be equal, what its strongest feature means, or its name; or a number.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int

from circuitscope.behaviours.clusters.fit import Partition
from circuitscope.behaviours.contexts import Contexts
from circuitscope.grouping import distinctive, unique, words
from circuitscope.results import ClusterFeature, SampleContext, TokenCount, word_at

Names = Callable[[Sequence[int]], Sequence[str]]
"""Token ids → their texts, each with the space that it begins with."""

_WINDOW = 12
"""Tokens at the end of a context whose words may name a cluster."""
_READ = 300
"""Members of a cluster that are read for its name."""
_MOST = 0.6
"""If this part of the members ends in the same words, a name begins with them."""
_FREQUENT = 0.1
"""An answer is in the name if this part of the members has it; the most frequent one always."""
_WORDS, _LONGEST_END, _LISTED = 3, 3, 8
_SHOWN = 6


def numbered(tokens: Sequence[int]) -> tuple[str, ...]:
    """Names of tokens where there is no tokenizer: ``#17``."""
    return tuple(f" #{token}" for token in tokens)


@dataclass(frozen=True, eq=False)
class ContextTexts:
    """Contexts as text."""

    contexts: Contexts
    names: Names = numbered

    def sample(self, row: int) -> SampleContext:
        """A context with its answer."""
        contexts = self.contexts
        tokens = contexts.tokens(row)[int(contexts.has_bos) :]
        (answer,) = self.names([int(contexts.answers[row])])
        number, document = int(contexts.context_ids[row]), int(contexts.documents[row])
        return SampleContext(number, document, tuple(self.names(tokens)), answer)

    def samples(self, ranked: Int[np.ndarray, " member"]) -> tuple[SampleContext, ...]:
        """Some members, evenly from the first to the last."""
        places = np.unique(np.linspace(0, len(ranked) - 1, min(_SHOWN, len(ranked))).round().astype(int))
        return tuple(self.sample(int(row)) for row in ranked[places])

    def answers(self, members: Int[np.ndarray, " member"]) -> tuple[TokenCount, ...]:
        """The most frequent answers."""
        return self._counted(self.contexts.answers[members].tolist())

    def last_tokens(self, members: Int[np.ndarray, " member"]) -> tuple[TokenCount, ...]:
        """The most frequent last tokens."""
        return self._counted(self.contexts.ids[self.contexts.starts[members + 1] - 1].tolist())

    def _counted(self, tokens: Sequence[int]) -> tuple[TokenCount, ...]:
        counts = Counter(tokens)
        best = sorted(counts, key=lambda token: (-counts[token], token))[:_LISTED]
        return tuple(
            TokenCount(name, counts[token]) for name, token in zip(self.names(best), best, strict=True)
        )

    def last_words(self, row: int) -> list[str]:
        """The words of a context's end, each as far as it was read; the last one with "…" if the answer goes on
        in it."""
        contexts = self.contexts
        tokens = contexts.tokens(row)[int(contexts.has_bos) :]
        texts = list(self.names(tokens))
        (answer,) = self.names([int(contexts.answers[row])])
        found = []
        for index in range(max(0, len(texts) - _WINDOW), len(texts)):
            text, word = texts[index], word_at(texts, index)
            whole = word.before + (word.token or text)
            last = index == len(texts) - 1
            if not word.after:
                open_end = last and text[-1:].isalnum() and answer[:1].isalnum()
                found.append(whole + "…" * open_end)
        return found


def cluster_names(
    texts: ContextTexts,
    clusters: Partition,
    answers: Sequence[Sequence[TokenCount]],
    features: Sequence[Sequence[ClusterFeature]],
) -> list[str]:
    """A name for each cluster, no two alike."""
    read = [[texts.last_words(int(row)) for row in members[:_READ]] for members in clusters]
    told = distinctive([_shares(lists) for lists in read])
    names = [
        f"{_where(lists, list(own))} → {words(_frequent(next_ones, len(members)))}"
        for lists, own, next_ones, members in zip(read, told, answers, clusters, strict=True)
    ]
    return unique(names, lambda row: _meaning(features[row]))


def _shares(lists: Sequence[Sequence[str]]) -> dict[str, float]:
    """Words, each with the part of the contexts that have it; marks only where there is nothing else."""
    counts = Counter(word for one in lists for word in sorted(set(one)))
    spoken = {word: count for word, count in counts.items() if any(letter.isalnum() for letter in word)}
    return {word: count / len(lists) for word, count in (spoken or counts).items()}


def _where(lists: Sequence[Sequence[str]], told: Sequence[str]) -> str:
    """The name's left side; ``told`` are words in which the cluster differs from others, the best first."""
    for count in range(_LONGEST_END, 0, -1):
        ends = Counter(tuple(one[-count:]) for one in lists if len(one) >= count)
        end, times = max(ends.items(), key=lambda item: (item[1], item[0]), default=((), 0))
        if times >= _MOST * len(lists) > 0:
            others = [word for word in told if word not in end][: _WORDS - 1]
            return f"after {words([' '.join(end)])}" + f" with {words(others)}" * bool(others)
    return f"with {words(told[:_WORDS])}" if told else "at the beginning"


def _frequent(counts: Sequence[TokenCount], members: int) -> list[str]:
    return [
        item.token for place, item in enumerate(counts) if not place or item.contexts >= _FREQUENT * members
    ]


def _meaning(features: Sequence[ClusterFeature]) -> str:
    return (features[0].label or features[0].node) if features else ""
