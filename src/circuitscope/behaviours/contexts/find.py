"""find_contexts: from a model and a text to contexts in memory."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from circuitscope.behaviours.contexts.contexts import Contexts, joined
from circuitscope.behaviours.contexts.counts import ContextCounts
from circuitscope.behaviours.contexts.search_portions import Search, search
from circuitscope.config import ContextSearch, settings_from
from circuitscope.errors import NothingFound, argument, expect
from circuitscope.model import LanguageModel, documents_of
from circuitscope.tasks.texts import PlainText, open_texts
from circuitscope.work import InMemory, Progress, shown


def find_contexts(
    model: LanguageModel,
    text: str | Path | Iterable[str],
    *,
    loss: float = 0.1,
    context: int = 64,
    shortest: int = 1,
    bigrams: bool = True,
    skip_trigrams: bool = True,
    every: int = 1,
    per_document: int = 1,
    contexts: int = 10_000,
    bos: str = "auto",
    seed: int = 0,
    memory: str = "1GiB",
    prepend_bos: bool | None = None,
    progress: Progress | bool | None = None,
) -> Contexts:
    """Tokens of a text that the model predicts well, and that induction does not explain, with what came before.

    The text is read a document at a time, and no further than is needed.

    Args:
        model: needs a tokenizer.
        text: one text, whose documents ``<|endoftext|>`` separates; the path of a file or a folder; what
            ``open_texts`` returns; or anything that yields documents.
        loss: keep tokens with −log p below this, in nats.
        context: how many tokens the model reads at a time, BOS included.
        shortest: leave out answers with fewer tokens before them, BOS not counted.
        bigrams: drop an answer that already followed the context's last token.
        skip_trigrams: drop one that already stood two places after its second-to-last token.
        every: of what is left, keep every so many-th.
        per_document: and of a document at most this many, drawn at random; 0 keeps all.
        contexts: stop when this many are found; 0 reads to the end.
        bos: whether pieces begin with a BOS: ``yes``, ``no``, or ``auto``, which follows ``prepend_bos`` and then the
            tokenizer.
        seed: for which tokens of a document are drawn.
        memory: how much memory one batch may take.
        prepend_bos: what the dictionaries that will be used say: ``dictionaries.prepend_bos``.
        progress: shown by default; False is silent, a function is called with (done, total, what).

    Raises:
        NothingFound: the text is empty, or no token passes; the message says how many were dropped and why.
        BadInput: ``context`` is more than the model takes, or the model has no tokenizer.
    """
    expect(model, LanguageModel, "model", "find_contexts(model, text)")
    expect(text, str | Path | Iterable, "text", "find_contexts(model, text)")
    settings = settings_from(ContextSearch, locals())
    with_ = Search(model, settings, prepend_bos)
    documents = _documents(text)
    size = documents.size if isinstance(documents, PlainText) else 0
    parts, counts = [], ContextCounts()
    with shown(progress) as tell:
        for _, arrays in search(with_, documents, InMemory(), tell, size=size):
            counts += ContextCounts.of(arrays)
            parts.append(arrays)
    refuse_nothing(counts, settings)
    found = joined(parts, has_bos=with_.front is not None)
    return found.first(contexts) if contexts else found


def _documents(text: str | Path | Iterable[str]) -> Iterable[str]:
    if isinstance(text, Path):
        return open_texts(text)
    return documents_of(text) if isinstance(text, str) else text


def refuse_nothing(counts: ContextCounts, settings: ContextSearch) -> None:
    """Raise NothingFound for a search that found no context."""
    if counts.kept:
        return
    if not counts.tokens:
        raise NothingFound(
            "the text is empty"
            if not counts.documents
            else f"no document of {counts.documents} has two tokens",
            expected="at least one document with a few words",
            mend="give another text",
        )
    why = "; ".join(f"{count:,} {reason}" for reason, count in counts.reasons() if "documents" not in reason)
    raise NothingFound(
        f"none of the {counts.tokens:,} tokens of the text became a context: {why}",
        expected=f"tokens with a loss below {settings.loss:g} nats that induction does not explain",
        mend=f"raise {argument('loss')}, or give a longer text",
    )
