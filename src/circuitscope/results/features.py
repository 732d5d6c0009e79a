"""What was found out about features, as plain values: strings and numbers, to and from JSON.

``dataclasses.asdict`` makes JSON of them, ``circuitscope.runs.from_plain`` reads it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from circuitscope.results.plain import OPTIONAL


@dataclass(frozen=True)
class Word:
    """A token inside the word that it is part of; ``before`` and ``after`` are empty for whole words."""

    before: str
    token: str
    after: str

    def __str__(self) -> str:
        """``he``, or ``t[a]il`` for a part of a word."""
        return f"{self.before}[{self.token}]{self.after}" if self.before or self.after else self.token


def word_at(tokens: Sequence[str], index: int) -> Word:
    """A token of a text with the letters around it up to the next space or mark."""
    token = tokens[index]
    before, after = "", ""
    if token[:1].isalnum():
        for other in reversed(tokens[:index]):
            letters = _trailing_letters(other)
            before = letters + before
            if letters != other:
                break
    if token[-1:].isalnum():
        for other in tokens[index + 1 :]:
            letters = _leading_letters(other)
            after += letters
            if letters != other:
                break
    return Word(before, token.strip(), after)


@dataclass(frozen=True)
class TokenContext:
    """A stretch of text in which a feature is active."""

    tokens: tuple[str, ...]
    """The tokens as displayable text, without BOS."""
    activations: tuple[float, ...]
    """The feature's activation at each of them."""
    peak: int
    """Index of the token with the highest activation; the first if there are several."""
    following: str
    """The token that comes after the peak, in the context or after it; empty at the end of a document."""

    @property
    def peak_token(self) -> str:
        return self.tokens[self.peak]

    @property
    def peak_word(self) -> Word:
        """The peak with the letters around it up to the next space or mark."""
        return word_at(self.tokens, self.peak)

    @property
    def highest(self) -> float:
        return self.activations[self.peak]


@dataclass(frozen=True)
class FeatureContexts:
    """Where in a text a feature is most active."""

    site: str
    feature: int
    contexts: tuple[TokenContext, ...]
    """By decreasing highest activation; no two have the same tokens."""
    density: float
    """Share of the text's tokens, without BOS, on which the feature is active (not 0)."""
    max_activation: float
    """The highest activation in the text; 0 where the feature is silent."""
    tokens_read: int
    """How many tokens of text it was looked for in."""

    def telling_words(self, count: int = 3) -> tuple[Word, ...]:
        """The words, each with its token, that the feature peaks in most often in these contexts."""
        words = Counter(context.peak_word for context in self.contexts if context.peak_token.strip())
        return tuple(word for word, _ in words.most_common(count))


def _trailing_letters(text: str) -> str:
    return text[len(text.rstrip("".join(filter(str.isalnum, text)))) :]


def _leading_letters(text: str) -> str:
    return text[: len(text) - len(text.lstrip("".join(filter(str.isalnum, text))))]


@dataclass(frozen=True)
class TokenWeight:
    """A token and what a feature's write vector adds to its logit, relative to the mean over the vocabulary."""

    token: str
    weight: float


@dataclass(frozen=True)
class FeatureTokens:
    """The tokens whose logits a feature raises and lowers most on its direct path to the output."""

    site: str
    feature: int
    raised: tuple[TokenWeight, ...]
    """Largest weight first; weights above 0 only."""
    lowered: tuple[TokenWeight, ...]
    """Smallest weight first; weights below 0 only."""
    exact: bool
    """False where a norm between tap and stream was linearised: then only ratios of weights are meaningful."""


@dataclass(frozen=True)
class FeatureDashboard:
    """Everything that is known about one feature."""

    contexts: FeatureContexts
    tokens: FeatureTokens

    @property
    def site(self) -> str:
        return self.contexts.site

    @property
    def feature(self) -> int:
        return self.contexts.feature


def label_of(dashboard: FeatureDashboard) -> str:
    """A few words for a feature: those that it is most active on."""
    return ", ".join(map(str, dashboard.contexts.telling_words()))


@dataclass(frozen=True)
class Share:
    """On how many of a kind of texts a node is active."""

    kind: str
    """What these texts have in common: the answer that they ask for, or a case that the task names."""
    texts: int
    active: float
    """Share of them on which the node is active, 0 to 1."""
    mean: float
    """The node's mean activation on them; where positions are summed, of the sum over a text's tokens."""


@dataclass(frozen=True)
class NodeActivity:
    """On which of the task's texts a node is active: its feature at its position, or anywhere in the text."""

    node: str
    clean: float
    """Share of the clean texts on which it is active, 0 to 1."""
    patch: float | None
    """The same of the patch texts; None for single inputs."""
    answers: tuple[Share, ...]
    """By the answer that a text asks for, clean and patch texts together."""
    cases: tuple[Share, ...]
    """By the case of the examples whose clean text it is; empty if the task names none."""
    tokens: tuple[str, ...]
    """The tokens on which it is most active in sum, a few."""
    tokens_active: int
    """How many different tokens it is active on."""
    tokens_seen: int
    """How many different tokens stand where it could be active."""
    words: tuple[str, ...] = field(default=(), metadata=OPTIONAL)
    """The words in which it is most active in sum, as far as they are read where it is active: ``Lu…``, ``Luke``."""
