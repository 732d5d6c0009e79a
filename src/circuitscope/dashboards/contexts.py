"""top_contexts: where in a text features are most active, for all sites in one pass.

1. Cut the text into contexts; of contexts with the same tokens, only the first can be shown.
2. Run them through the model batch by batch, and encode just the features asked for at every site.
3. Per feature, count the tokens on which it is active and keep the ``count`` contexts with the highest activation,
   each with its activations; whatever else was computed is dropped with its batch.

Padding and BOS are neither counted nor shown. Memory does not grow with the text: per feature, what is kept is
``count`` rows of ``context`` numbers.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from circuitscope.config import SHORTEST_CONTEXT
from circuitscope.dictionaries import CHUNK_BYTES, Dictionaries, Dictionary
from circuitscope.errors import BadInput, argument
from circuitscope.model import (
    NOTHING,
    CutText,
    LanguageModel,
    TokenBatch,
    TokenTexts,
    documents_of,
    read_contexts,
)
from circuitscope.results import FeatureContexts, TokenContext
from circuitscope.terms import Site
from circuitscope.work import Batches, Progress, shown

Feature = tuple[Site, int]
"""A dictionary element at a site."""
NO_CONTEXT = -1
KEPT_EVERY = 5.0
"""Seconds between two states that a search keeps."""
_TOGETHER = 8
"""Features that are encoded at once, always this many: how a product is rounded depends on its shape, and what is
found about a feature must not depend on the others that are asked for."""


def top_contexts(
    model: LanguageModel,
    dictionaries: Dictionaries,
    features: Sequence[Feature],
    text: str | Sequence[str],
    *,
    count: int = 10,
    context: int = 64,
    tokens: int | None = None,
    bos: str = "auto",
    batch_size: int = 32,
    kept: Batches | None = None,
    progress: Progress | bool | None = None,
) -> tuple[FeatureContexts, ...]:
    """The contexts in which features are most active.

    Args:
        features: (site, feature) pairs; the result has their order.
        text: one text, whose documents ``<|endoftext|>`` separates, or a sequence of documents.
        count: at most this many contexts per feature; a feature that is active in fewer has fewer.
        context: how many tokens the model reads at a time, BOS included, or as many as it can; a feature is shown
            once per context.
        tokens: read at most this many tokens of the text (to the end of a document); None for all.
        bos: whether contexts begin with a BOS; ``auto`` follows the dictionaries, then the tokenizer.
        batch_size: contexts that go through the model together.
        kept: where the search keeps what it has found so far, for the same search to go on from; what it finds then
            is identical.
        progress: shown by default; False is silent, a function is called with (done, total, what).

    Raises:
        BadInput: a feature does not exist, or the text has no context.
    """
    _check(dictionaries, features, count, context)
    found = read_contexts(
        documents_of(text),
        model.tokenizer,
        context=longest_context(model, context),
        bos=bos,
        prepend_bos=dictionaries.prepend_bos,
        most=tokens,
    )
    if not len(found):
        raise BadInput(
            "the text has no two tokens in a row",
            expected="some text to look for contexts in",
            mend="give a longer text",
        )
    by_site: dict[Site, list[int]] = {}
    for site, feature in features:
        by_site.setdefault(site, []).append(feature)
    searches = {
        site: _Search(sorted(set(wanted)), dictionaries[site], count) for site, wanted in by_site.items()
    }
    with shown(progress) as tell:
        _read(model, dictionaries, found, searches, batch_size, _SoFar(kept, searches, found), tell)
    texts = TokenTexts.of(model.tokenizer)
    read = int(found.length.sum())
    results = {
        (site, feature): search.result(site, column, found, texts, read)
        for site, search in searches.items()
        for column, feature in enumerate(search.features.tolist())
    }
    return tuple(results[feature] for feature in features)


def longest_context(model: LanguageModel, context: int) -> int:
    """``context`` tokens, or as many as the model can read."""
    return min(context, int(getattr(model.config, "max_position_embeddings", context)))


def _check(dictionaries: Dictionaries, features: Sequence[Feature], count: int, context: int) -> None:
    for site, feature in features:
        if site not in dictionaries or not 0 <= feature < dictionaries[site].n_features:
            have = f"0 to {dictionaries[site].n_features - 1}" if site in dictionaries else "another site"
            raise BadInput(f"there is no feature {feature} at {site}", expected=have)
    if count < 1:
        raise BadInput(f"count = {count}", expected="at least 1 context per feature")
    if context < SHORTEST_CONTEXT:
        raise BadInput(
            f"context = {context}",
            expected=f"at least {SHORTEST_CONTEXT} tokens",
            mend=f"change {argument('context')}",
        )


def _read(
    model: LanguageModel,
    dictionaries: Dictionaries,
    contexts: CutText,
    searches: dict[Site, _Search],
    batch_size: int,
    so_far: _SoFar,
    progress: Progress,
) -> None:
    """Run every context through the model once and show it to the searches of all sites."""
    if not searches:
        return
    taps = dictionaries.only(list(searches)).taps(model)
    first_of: set[bytes] = set()
    begun = so_far.restore()
    for row in range(begun):
        _is_new(contexts, row, first_of)
    with torch.no_grad():
        for start in range(begun, len(contexts), batch_size):
            rows = range(start, min(start + batch_size, len(contexts)))
            tokens = contexts.take(rows).to(model.device)
            asked = torch.zeros(tokens.batch, 1, dtype=torch.long, device=model.device)
            cache = model.capture(tokens, taps, asked)
            new = torch.tensor([_is_new(contexts, row, first_of) for row in rows], device=model.device)
            for site, search in searches.items():
                search.see(cache.x[site], tokens, new, start)
            so_far.keep(rows.stop)
            progress(rows.stop, len(contexts), "reading text")


class _SoFar:
    """What a search has found after some of the contexts, kept every few seconds."""

    def __init__(self, kept: Batches | None, searches: dict[Site, _Search], contexts: CutText) -> None:
        self._kept, self._searches = kept, searches
        # what was found by another search, or in another text, is not taken up
        parts = [
            contexts.ids.tobytes(),
            *(f"{site}{search.features.tolist()}".encode() for site, search in searches.items()),
        ]
        self._name = "contexts-" + blake2b(b"\n".join(parts), digest_size=8).hexdigest()
        self._last = time.monotonic()

    def restore(self) -> int:
        """Give the searches what is kept; how many contexts they have then seen."""
        arrays = None if self._kept is None else self._kept.get(self._name)
        if arrays is None:
            return 0
        for number, search in enumerate(self._searches.values()):
            search.state = {part: torch.from_numpy(arrays[f"{number}-{part}"]) for part in search.state}
        return int(arrays["seen"])

    def keep(self, seen: int) -> None:
        """Keep what the searches have found after ``seen`` contexts, if that was not done just now."""
        if self._kept is None or time.monotonic() - self._last < KEPT_EVERY:
            return
        arrays = {"seen": np.array(seen)}
        for number, search in enumerate(self._searches.values()):
            arrays |= {f"{number}-{part}": value.numpy() for part, value in search.state.items()}
        self._kept.put(self._name, arrays)
        self._last = time.monotonic()


def _is_new(contexts: CutText, row: int, known: set[bytes]) -> bool:
    """Whether no earlier context has the same tokens."""
    start = int(contexts.start[row])
    ids = contexts.ids[start : start + int(contexts.length[row])]
    name = blake2b(ids.tobytes(), digest_size=16).digest()
    if name in known:
        return False
    known.add(name)
    return True


@dataclass(frozen=True)
class _Kept:
    """The best contexts so far of every feature of a site, best first."""

    score: Float[Tensor, "some count"]
    """Highest activation; −∞ where there is no context."""
    row: Int[Tensor, "some count"]
    """Which context; ``NO_CONTEXT`` where there is none."""
    activations: Float[Tensor, "some count position"]


class _Search:
    """The features asked for at one site."""

    def __init__(self, features: list[int], dictionary: Dictionary, count: int) -> None:
        self.features = torch.tensor(features)
        self._dictionary = dictionary
        self._count = count
        self._active = torch.zeros(len(features), dtype=torch.long)
        self._kept = _Kept(
            torch.full((len(features), 0), -torch.inf),
            torch.full((len(features), 0), NO_CONTEXT),
            torch.zeros(len(features), 0, 0),
        )

    @property
    def state(self) -> dict[str, Tensor]:
        """All that was found so far."""
        kept = self._kept
        return {"active": self._active, "score": kept.score, "row": kept.row, "activations": kept.activations}

    @state.setter
    def state(self, found: dict[str, Tensor]) -> None:
        self._active = found["active"]
        self._kept = _Kept(found["score"], found["row"], found["activations"])

    def see(
        self, x: Float[Tensor, "batch position width"], tokens: TokenBatch, new: Bool[Tensor, " batch"],
        first: int,
    ) -> None:  # fmt: skip
        """Take one batch of contexts into account; ``first`` is the number of its first context."""
        live = tokens.live
        values = torch.zeros(*live.shape, len(self.features), device=x.device)
        values[live] = self._encode(x[live]).float()
        active = (values != 0) & live[:, :, None]
        self._active += active.sum(dim=(0, 1)).cpu()
        score = values.masked_fill(~live[:, :, None], -torch.inf).amax(dim=1)
        can_show = new[:, None] & active.any(dim=1)
        score = score.masked_fill(~can_show, -torch.inf).T.cpu()
        rows = torch.arange(first, first + len(new)).expand(len(self.features), -1)
        start = int(tokens.has_bos)  # padding is on the right, so BOS is the first column
        self._keep(_Kept(score, rows, values[:, start:].permute(2, 0, 1).cpu()))

    def _encode(self, x: Float[Tensor, "token width"]) -> Float[Tensor, "token some"]:
        """The activations, each to the last bit what it is whatever other features are asked for."""
        features = self.features.to(x.device)
        if not self._dictionary.separable:  # it always encodes all of them
            return encode_in_chunks(self._dictionary, x, features)
        filled = torch.cat([features, features[-1:].expand(-len(features) % _TOGETHER)])
        parts = [encode_in_chunks(self._dictionary, x, part) for part in torch.split(filled, _TOGETHER)]
        return torch.cat(parts, dim=1)[:, : len(features)]

    def _keep(self, seen: _Kept) -> None:
        """The best of those kept and those just seen; of equals, the earlier."""
        score = torch.cat([self._kept.score, seen.score], dim=1)
        order = score.argsort(dim=1, descending=True, stable=True)[:, : self._count]
        wide = max(self._kept.activations.shape[2], seen.activations.shape[2])
        activations = torch.cat([_widen(self._kept.activations, wide), _widen(seen.activations, wide)], dim=1)
        self._kept = _Kept(
            score.gather(1, order),
            torch.cat([self._kept.row, seen.row], dim=1).gather(1, order),
            activations.gather(1, order[:, :, None].expand(-1, -1, wide)),
        )

    def result(
        self, site: Site, column: int, contexts: CutText, texts: TokenTexts, read: int
    ) -> FeatureContexts:
        kept = self._kept
        there = torch.isfinite(kept.score[column])
        shown = tuple(
            _shown(contexts, row, activations, texts)
            for row, activations in zip(
                kept.row[column][there].tolist(), kept.activations[column][there].tolist(), strict=True
            )
        )
        return FeatureContexts(
            site.name,
            int(self.features[column]),
            shown,
            density=int(self._active[column]) / max(1, read),
            max_activation=shown[0].highest if shown else 0.0,
            tokens_read=read,
        )


def encode_in_chunks(
    dictionary: Dictionary, x: Float[Tensor, "token width"], features: Int[Tensor, " some"]
) -> Float[Tensor, "token some"]:
    """Some features' activations; kinds that are not separable encode all features, so it goes chunk by chunk."""
    step = max(1, CHUNK_BYTES // (dictionary.n_features * x.element_size()))
    return torch.cat([dictionary.encode_some(part, features) for part in torch.split(x, step)])


def _widen(activations: Tensor, position: int) -> Tensor:
    return torch.nn.functional.pad(activations, (0, position - activations.shape[2]))


def _shown(contexts: CutText, row: int, activations: list[float], texts: TokenTexts) -> TokenContext:
    ids = contexts.tokens(row)
    values = activations[: len(ids)]
    peak = values.index(max(values))
    after = ids[peak + 1] if peak + 1 < len(ids) else int(contexts.follows[row])
    return TokenContext(texts.many(ids), tuple(values), peak, "" if after == NOTHING else texts[after])
