"""The published cluster files, read and written: one JSON object per cluster, a context under each of its numbers.

    {"17": {"context": ["Once", " upon"], "answer": " a", "document_idx": 3, "answer_token_in_doc_idx": 2}, …}

(The download of the published browser of clusters; Marks et al. 2024, appendix G.) Tokens are texts there, so reading
needs a tokenizer that has each of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from circuitscope.behaviours.clusters.words import Names
from circuitscope.behaviours.contexts import Contexts
from circuitscope.errors import BadFile
from circuitscope.results import Clusters
from circuitscope.runs import new_folder, read_json, write_json

_POSITION = "answer_token_in_doc_idx"
UNKNOWN = -1
"""A position that a file does not give."""


@dataclass(frozen=True, eq=False)
class PublishedClusters:
    """Contexts and the clusters that they were published in."""

    contexts: Contexts
    """Numbered afresh from 0, in the order of their published numbers; their losses are not known (NaN)."""
    published_ids: tuple[str, ...]
    """The published number of each context."""
    names: tuple[str, ...]
    """The name of each cluster's file."""
    members: tuple[tuple[int, ...], ...]
    """The contexts of each cluster; a context may be in several."""


def export_clusters(
    clusters: Clusters, contexts: Contexts, folder: str | Path, *, tokenizer: Any, overwrite: bool = False
) -> Path:
    """Write each cluster as a published file into a new folder: ``0000.json``, ``0001.json``, …

    Raises:
        BadInput: there is something in the folder, or a cluster has a context that is not there.
    """
    from circuitscope.model import TokenTexts

    names = TokenTexts.of(tokenizer).many
    place = Path(folder).expanduser()
    digits = max(4, len(str(len(clusters) - 1)))
    with new_folder(place, overwrite=overwrite) as draft:
        for number, cluster in enumerate(clusters.clusters):
            rows = contexts.rows_of(cluster.members)
            found = {str(contexts.context_ids[row]): _plain(contexts, int(row), names) for row in rows}
            write_json(draft / f"{number:0{digits}d}.json", found)
    return place


def _plain(contexts: Contexts, row: int, names: Names) -> dict[str, Any]:
    return {
        "context": list(names(contexts.tokens(row))),
        "answer": names([int(contexts.answers[row])])[0],
        "document_idx": int(contexts.documents[row]),
        _POSITION: int(contexts.positions[row]),
    }


def import_clusters(place: str | Path, tokenizer: Any) -> PublishedClusters:
    """Read published clusters: a file, or a folder of such files.

    Raises:
        BadFile: there are none, one is damaged or of another format, a number stands for different contexts, or the
            tokenizer lacks a token.
    """
    files = _files(Path(place).expanduser())
    read = [_checked(read_json(file), file) for file in files]
    every: dict[str, Mapping[str, Any]] = {}
    for file, found in zip(files, read, strict=True):
        for number, context in found.items():
            if every.setdefault(number, context) != context:
                raise BadFile(
                    f"{file} has another context {number} than a file before it",
                    expected="the same number for the same context",
                    mend="import files of one collection of clusters",
                )
    order = sorted(
        every, key=lambda number: (not number.isdigit(), int(number) if number.isdigit() else 0, number)
    )
    row_of = {number: row for row, number in enumerate(order)}
    tokens = _TokenIds(tokenizer)
    contexts = _contexts([every[number] for number in order], order, tokens)
    members = tuple(tuple(sorted(row_of[number] for number in found)) for found in read)
    return PublishedClusters(contexts, tuple(order), tuple(file.stem for file in files), members)


def _files(place: Path) -> list[Path]:
    files = sorted(place.glob("*.json")) if place.is_dir() else [place]
    if not files:
        raise BadFile(
            f"{place} has no clusters",
            expected="a JSON file per cluster",
            mend="check the path to the folder",
        )
    return files


def _checked(found: Any, file: Path) -> Mapping[str, Mapping[str, Any]]:
    """A file's contexts after a look at every field."""
    kinds = {"context": list, "answer": str, "document_idx": int}
    wrong = "it is no object" if not isinstance(found, dict) or not found else ""
    for number, context in ({} if wrong else found).items():
        given = context if isinstance(context, dict) else {}
        lacks = [name for name, kind in kinds.items() if not isinstance(given.get(name), kind)]
        texts = lacks or (all(isinstance(token, str) for token in given["context"]) and given["context"])
        if lacks or not texts:
            wrong = f"context {number} has no {lacks[0] if lacks else 'tokens'}"
            break
    if wrong:
        raise BadFile(
            f"{file} is no published cluster: {wrong}",
            expected='{"17": {"context": ["Once", " upon"], "answer": " a", "document_idx": 3}, …}',
            mend="check that it is the file of one cluster",
        )
    return dict(found)


def _contexts(found: Sequence[Mapping[str, Any]], numbers: Sequence[str], tokens: _TokenIds) -> Contexts:
    ids = [tokens.of(one["context"], number) for one, number in zip(found, numbers, strict=True)]
    answers = [tokens.of([one["answer"]], number)[0] for one, number in zip(found, numbers, strict=True)]
    starts = np.cumsum([0, *map(len, ids)]).astype(np.int64)
    return Contexts(
        context_ids=np.arange(len(found)),
        documents=np.array([one["document_idx"] for one in found], np.int64),
        positions=np.array([one.get(_POSITION, UNKNOWN) for one in found], np.int32),
        answers=np.array(answers, np.int32),
        losses=np.full(len(found), np.nan, np.float32),
        ids=np.array([token for one in ids for token in one], np.int32),
        starts=starts,
        has_bos=bool(ids) and all(one[0] == tokens.bos for one in ids),
    )


class _TokenIds:
    """Texts of tokens → ids: as the tokenizer cuts the whole text, or token by token."""

    def __init__(self, tokenizer: Any) -> None:
        from circuitscope.model import TokenTexts

        self._tokenizer, self._names = tokenizer, TokenTexts.of(tokenizer)
        self.bos = tokenizer.bos_token_id
        self._by_text: dict[str, int] = {}
        """-1 for a text that several tokens have."""

    def of(self, texts: Sequence[str], number: str) -> list[int]:
        """The ids of a context's tokens; whether the first one begins with a space is not always published."""
        found = self._tokenizer("".join(texts), add_special_tokens=False)["input_ids"]
        names = list(self._names.many(found))
        if [name.lstrip(" ") for name in names[:1]] + names[1:] == [texts[0].lstrip(" "), *texts[1:]]:
            return [int(token) for token in found]
        return [self._one(text, number) for text in texts]

    def _one(self, text: str, number: str) -> int:
        if not self._by_text:
            for token in range(len(self._tokenizer)):
                name = self._names[token]
                self._by_text[name] = UNKNOWN if name in self._by_text else token
        token = self._by_text.get(text, self._by_text.get(f" {text}", UNKNOWN))
        if token == UNKNOWN:
            raise BadFile(
                f"context {number}: the tokenizer has no token, or several, for {text!r}",
                expected="tokens of this model's tokenizer",
                mend="load the model that the clusters were made with",
            )
        return token
