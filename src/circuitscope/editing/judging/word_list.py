"""judge_by_words: a baseline that knows only words. It is not a person, and the sheet says so.

1. A token is *listed* if it is part of a listed word in the text (whole words, whatever their case), or one of the
   ``reach`` tokens after it, since later layers carry what a word said to the tokens that follow.
2. Over all tokens t of the texts, without BOS and padding, with f the feature's activation and w(t) = 1 on listed
   tokens and 0 elsewhere:
   ``correlation``: the Pearson correlation of |f| and w, −1 to 1; 0 where it is undefined;
   ``share``: Σ |f| w / Σ |f|, the part of its activation that falls on listed tokens, 0 to 1.
3. ``remove`` if the score for the words to remove reaches ``level`` and beats that for the words to keep, ``keep`` if
   it is the other way round. If neither reaches it: ``unsure`` with two lists, ``keep`` with one. A feature that is
   silent on the texts is ``unsure``.

A score per text would be useless: in texts where label and attribute always agree, every word of one is correlated
with every word of the other.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from circuitscope.dashboards import encode_in_chunks
from circuitscope.dictionaries import Dictionaries
from circuitscope.errors import BadFile, BadInput
from circuitscope.model import CutText, LanguageModel, TokenTexts, documents_of, read_contexts
from circuitscope.results import AUTOMATIC, JudgedFeature
from circuitscope.terms import Site
from circuitscope.work import Progress, silent
from circuitscope.workspace import now

LEVELS = {"correlation": 0.3, "share": 0.5}
"""The measures, each with the lowest score that decides."""
MEASURES = tuple(LEVELS)


@dataclass(frozen=True)
class WordLists:
    """The words that decide, and how."""

    remove: tuple[str, ...]
    """Words of what a classifier should not use."""
    keep: tuple[str, ...] = ()
    """Words of the task; none for one list only."""
    measure: str = "correlation"
    level: float | None = None
    """The score that decides; None for the measure's own (``LEVELS``)."""
    reach: int = 0
    """How many tokens after a listed word also count as listed."""

    def __post_init__(self) -> None:
        if not self.remove:
            raise BadInput(
                "the list of words is empty", expected="at least one word whose features are removed"
            )
        both = sorted(set(map(str.casefold, self.remove)) & set(map(str.casefold, self.keep)))
        if both:
            raise BadInput(
                f"{', '.join(both)} is among the words to remove and among those to keep",
                expected="every word in one of the lists",
            )
        if self.measure not in LEVELS:
            raise BadInput(f"measure {self.measure!r}", expected=" or ".join(MEASURES))
        if not 0 < self.threshold <= 1:
            raise BadInput(f"level {self.threshold:g}", expected="a number above 0, at most 1")
        if self.reach < 0:
            raise BadInput(f"reach {self.reach}", expected="a number of tokens, 0 or more")

    @property
    def threshold(self) -> float:
        return LEVELS[self.measure] if self.level is None else self.level

    @property
    def who(self) -> str:
        """The name of this judge in a sheet."""
        lists = f"{len(self.remove)} words" + f" against {len(self.keep)}" * bool(self.keep)
        reach = f", reach {self.reach}" * bool(self.reach)
        return f"{AUTOMATIC}{lists}, {self.measure} ≥ {self.threshold:g}{reach}"


_SUFFIXES = (".txt", ".csv", ".tsv", ".json", ".jsonl", ".md", ".list")
"""By which what is not there is known to mean a file, and not a word."""


def read_words(source: str) -> tuple[str, ...]:
    """Words from a file (one per line; ``#`` begins a comment), or from a comma-separated list.

    Raises:
        BadFile: the file cannot be read.
    """
    path = None if "," in source else Path(source).expanduser()  # a long list is too long for a path
    if path is not None and path.is_file():
        try:
            lines = path.read_text(encoding="utf-8-sig").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise BadFile(
                f"the words in {source} cannot be read: {error}", expected="text in UTF-8"
            ) from error
        words = [line.split("#")[0].strip() for line in lines]
    elif path is not None and (source.startswith((".", "/", "~")) or path.suffix in _SUFFIXES):
        raise BadFile(
            f"there is no file of words {source}",
            expected="a file with a word per line, or words with commas between them",
            mend="check the path",
        )
    else:
        words = [word.strip() for word in source.split(",")]
    return tuple(dict.fromkeys(word for word in words if word))


def judge_by_words(
    model: LanguageModel,
    dictionaries: Dictionaries,
    features: Sequence[JudgedFeature],
    texts: Sequence[str],
    words: WordLists,
    *,
    context: int = 128,
    bos: bool = False,
    batch_size: int = 32,
    progress: Progress = silent,
) -> list[JudgedFeature]:
    """The features with verdicts by word lists; see this module's text. Earlier verdicts are replaced.

    Args:
        texts: where the features' activations are measured.
        context: tokens of a text that the model reads at a time, BOS included.
        bos: whether the texts begin with a BOS.
        batch_size: texts that go through the model together.
        progress: called with (done, total, what).
    """
    by_site: dict[Site, list[int]] = {}
    for item in features:
        by_site.setdefault(item.site, []).append(item.feature)
    sums = {site: _Sums(sorted(set(some))) for site, some in by_site.items()}
    contexts = read_contexts(
        documents_of(texts), model.tokenizer, context=context, bos="yes" if bos else "no"
    )
    _read(model, dictionaries, contexts, words, sums, batch_size, progress)
    scores = {
        (site, f): found for site, part in sums.items() for f, found in part.scores(words.measure).items()
    }
    moment = now()
    found = []
    for item in features:
        verdict, note = _verdict(scores[item.site, item.feature], words)
        found.append(replace(item, verdict=verdict, note=note, who=words.who, when=moment))
    return found


def _read(
    model: LanguageModel, dictionaries: Dictionaries, contexts: CutText, words: WordLists,
    sums: dict[Site, _Sums], batch_size: int, progress: Progress,
) -> None:  # fmt: skip
    """Every context goes through the model once and is shown to the sums of all sites."""
    some = dictionaries.only(list(sums))
    taps = some.taps(model)
    listed = _Listed(words, TokenTexts.of(model.tokenizer))
    with torch.no_grad():
        for start in range(0, len(contexts), batch_size):
            rows = range(start, min(start + batch_size, len(contexts)))
            tokens = contexts.take(rows).to(model.device)
            cache = model.capture(tokens, taps, tokens.last[:, None])
            marks = torch.cat([listed.of(contexts.tokens(row)) for row in rows], dim=1).to(model.device)
            for site, part in sums.items():
                x = cache.x[site][tokens.live]
                features = torch.tensor(part.features, device=model.device)
                part.add(encode_in_chunks(some[site], x, features), marks)
            progress(rows.stop, len(contexts), "reading text")


class _Listed:
    """Which tokens are listed."""

    def __init__(self, words: WordLists, texts: TokenTexts) -> None:
        self._patterns = [_pattern(words.remove), _pattern(words.keep)]
        self._texts, self._reach = texts, words.reach

    def of(self, ids: Sequence[int]) -> Float[Tensor, "2 token"]:
        """1 on listed tokens: of the words to remove, of those to keep."""
        tokens = self._texts.many(ids)
        starts, ends, end = [], [], 0
        for token in tokens:
            starts.append(end + len(token) - len(token.lstrip()))  # a word's token begins with its space
            end += len(token)
            ends.append(end)
        text = "".join(tokens)
        marks = torch.zeros(2, len(ids))
        for row, pattern in enumerate(self._patterns):
            for match in pattern.finditer(text) if pattern else ():
                inside = [n for n in range(len(ids)) if starts[n] < match.end() and ends[n] > match.start()]
                if inside:
                    marks[row, inside[0] : inside[-1] + 1 + self._reach] = 1
        return marks


def _pattern(words: Sequence[str]) -> re.Pattern[str] | None:
    if not words:
        return None
    longest_first = sorted(words, key=len, reverse=True)
    return re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, longest_first))})(?!\w)", re.IGNORECASE)


class _Sums:
    """What the scores of a site's features need, summed over tokens, in float64."""

    def __init__(self, features: list[int]) -> None:
        self.features = features
        self._n = 0
        self._w = torch.zeros(2, dtype=torch.float64)
        self._f, self._ff = (torch.zeros(len(features), dtype=torch.float64) for _ in range(2))
        self._wf = torch.zeros(2, len(features), dtype=torch.float64)

    def add(self, activation: Float[Tensor, "token some"], listed: Float[Tensor, "2 token"]) -> None:
        size, marks = activation.abs().double(), listed.double()
        self._n += len(size)
        self._w += marks.sum(dim=1).cpu()
        self._f += size.sum(dim=0).cpu()
        self._ff += size.pow(2).sum(dim=0).cpu()
        self._wf += (marks @ size).cpu()

    def scores(self, measure: str) -> dict[int, tuple[float, float] | None]:
        """Per feature its score for the words to remove and for those to keep; None where it is silent."""
        found = self._shares() if measure == "share" else self._correlations()
        return {
            feature: (float(found[0, column]), float(found[1, column])) if self._f[column] > 0 else None
            for column, feature in enumerate(self.features)
        }

    def _shares(self) -> Float[Tensor, "2 some"]:
        return self._wf / self._f

    def _correlations(self) -> Float[Tensor, "2 some"]:
        n, w = max(1, self._n), self._w[:, None]
        together = n * self._wf - w * self._f
        apart = ((n * w - w**2) * (n * self._ff - self._f**2)).clamp(min=0).sqrt()
        return torch.where(apart > 0, together / apart, 0.0)


def _verdict(score: tuple[float, float] | None, words: WordLists) -> tuple[str, str]:
    """A verdict and the score that it comes from."""
    if score is None:
        return "unsure", "silent on the texts"
    remove, keep = score
    note = f"{words.measure} {remove:.2f} for the words to remove" + f", {keep:.2f} to keep" * bool(
        words.keep
    )
    if max(remove, keep) >= words.threshold:
        return ("remove" if remove > keep else "keep"), note
    return ("unsure" if words.keep else "keep"), note
