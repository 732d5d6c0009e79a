"""known_contexts, known_tokens: the same as top_contexts and promoted_tokens, but only what is missing is computed.

What a feature means follows from its dictionary and from what was read. A cache therefore knows it by the content
hash of the site's dictionary, the feature, and a hash of all the rest that the answer depends on: the model, its
tokenizer, the text, and how it is read. Batch size and device are left out: they change only the rounding.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from circuitscope.dashboards.contexts import Feature, longest_context, top_contexts
from circuitscope.dashboards.promoted import promoted_tokens
from circuitscope.dictionaries import Dictionaries
from circuitscope.model import (
    LanguageModel,
    decide_bos,
    documents_of,
    fingerprint,
    is_hooked,
    tokenizer_fingerprint,
)
from circuitscope.results import FeatureContexts, FeatureTokens
from circuitscope.runs import hash_json, versions
from circuitscope.terms import Site
from circuitscope.work import Batches, Progress
from circuitscope.workspace import DashboardCache, DashboardKey

_EDITION = 1
"""Incremented when the same question gets a different answer than before."""

_Kind = TypeVar("_Kind", FeatureContexts, FeatureTokens)


@dataclass(frozen=True)
class Reading:
    """How a text is searched for contexts; see ``top_contexts``."""

    count: int = 10
    context: int = 64
    tokens: int | None = None
    bos: str = "auto"
    batch_size: int = 32


def known_contexts(
    model: LanguageModel,
    dictionaries: Dictionaries,
    features: Sequence[Feature],
    text: str | Sequence[str],
    reading: Reading,
    *,
    cache: DashboardCache | None,
    kept: Batches | None = None,
    progress: Progress | bool | None = None,
) -> tuple[FeatureContexts, ...]:
    """``top_contexts``, except that the cache is asked first and is given what it did not know.

    Args:
        cache: None to compute everything.
        kept: as for ``top_contexts``.
    """

    def compute(missing: Sequence[Feature]) -> tuple[FeatureContexts, ...]:
        return top_contexts(
            model,
            dictionaries,
            missing,
            text,
            count=reading.count,
            context=reading.context,
            tokens=reading.tokens,
            bos=reading.bos,
            batch_size=reading.batch_size,
            kept=kept,
            progress=progress,
        )

    if cache is None or not _can_be_kept(model):
        return compute(features)
    read = {
        "contexts": reading.count,
        "text": _text_hash(text),
        "context": longest_context(model, reading.context),
        "tokens": reading.tokens,
        "bos": decide_bos(reading.bos, dictionaries.prepend_bos, model.tokenizer),
    }
    return _known(FeatureContexts, _Asked(model, dictionaries, read), features, cache, compute)


def known_tokens(
    model: LanguageModel,
    dictionaries: Dictionaries,
    features: Sequence[Feature],
    *,
    count: int = 10,
    cache: DashboardCache | None,
) -> tuple[FeatureTokens, ...]:
    """``promoted_tokens``, except that the cache is asked first and is given what it did not know.

    Args:
        cache: None to compute everything.
    """

    def compute(missing: Sequence[Feature]) -> tuple[FeatureTokens, ...]:
        return promoted_tokens(model, dictionaries, missing, count=count)

    if cache is None or not _can_be_kept(model):
        return compute(features)
    return _known(FeatureTokens, _Asked(model, dictionaries, {"promoted": count}), features, cache, compute)


class _Asked:
    """The keys of one question about a model's features."""

    def __init__(self, model: LanguageModel, dictionaries: Dictionaries, read: dict[str, object]) -> None:
        self._dictionaries = dictionaries
        # A model that was cut is the whole one up to the cut, so both share what is known.
        self._read = {
            **read,
            "model": fingerprint(model.whole),
            "tokenizer": tokenizer_fingerprint(model.tokenizer),
            "dtype": str(model.dtype),
            "version": [versions().get("circuitscope"), _EDITION],
        }
        self._by_site: dict[Site, str] = {}

    def key(self, site: Site, feature: int) -> DashboardKey:
        if site not in self._by_site:
            tensor = self._dictionaries[site].tensor  # which is not in the content hash
            self._by_site[site] = hash_json({**self._read, "tensor": tensor})
        return DashboardKey(self._dictionaries.site_hash(site), feature, self._by_site[site])


def _known(
    kind: type[_Kind],
    asked: _Asked,
    features: Sequence[Feature],
    cache: DashboardCache,
    compute: Callable[[Sequence[Feature]], tuple[_Kind, ...]],
) -> tuple[_Kind, ...]:
    keys = {feature: asked.key(*feature) for feature in features}
    known = cache.get(kind, keys.values())
    missing = [feature for feature, key in keys.items() if key not in known]
    if missing:
        new = {keys[feature]: value for feature, value in zip(missing, compute(missing), strict=True)}
        cache.put(new)
        known |= new
    return tuple(known[keys[feature]] for feature in features)


def _can_be_kept(model: LanguageModel) -> bool:
    """Not so while hooks act on the model: what it does then is not what its weights say."""
    return model.tokenizer is not None and not is_hooked(model.whole.hf)


def _text_hash(text: str | Sequence[str]) -> str:
    digest = hashlib.sha256()
    for document in documents_of(text):
        content = document.encode("utf-8", "surrogatepass")
        digest.update(f"{len(content)}:".encode())
        digest.update(content)
    return digest.hexdigest()
