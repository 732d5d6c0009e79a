"""judge: a sheet with every feature of a run's circuit, for a person or for an automatic judge to fill in.

A feature is shown on text that has no labels, a file that is given or the text that a bundled model comes with, and
on the ambiguous training texts, without theirs. In those label and attribute always agree, so that general text tells
more of what a feature means; but what it does there is what the classifier uses.
"""

from __future__ import annotations

import getpass
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from circuitscope.config import ShiftJudgeConfig
from circuitscope.dashboards import promoted_tokens, top_contexts
from circuitscope.dictionaries import Dictionaries
from circuitscope.editing import Classifier, need
from circuitscope.editing.judging import (
    Endpoint,
    Replies,
    WordLists,
    is_csv,
    judge_by_endpoint,
    judge_by_words,
    key_from,
    read_sheet,
    read_words,
    write_features,
)
from circuitscope.errors import BadInput
from circuitscope.pipeline.report import default_text, read_text
from circuitscope.pipeline.shift.run import ShiftRun, open_shift
from circuitscope.results import (
    Circuit,
    FeatureContexts,
    FeatureDashboard,
    JudgedFeature,
    effects_of,
    load,
    to_judge,
)
from circuitscope.tasks.labelled import longest_input
from circuitscope.work import Progress, shown, silent
from circuitscope.workspace import VerdictStore, now, verdict_of

REPLIES = "replies.jsonl"
_TOKENS = 10
_LONGEST_CONTEXT = 128

Ask = Callable[[Sequence[JudgedFeature], Callable[[JudgedFeature], None]], None]
"""Asks a person about features, and hands over each one as soon as it has a verdict."""


@dataclass(frozen=True)
class SheetWritten:
    """What is in a sheet."""

    path: Path
    features: list[JudgedFeature]
    conflicts: list[str]
    """Features about which earlier judges differ, in words."""


def run_shift_judge(
    folder: Path,
    sheet: Path,
    config: ShiftJudgeConfig,
    *,
    ask: Ask | None = None,
    overwrite: bool = False,
    progress: Progress = silent,
) -> SheetWritten:
    """Write the sheet of a run; verdicts that people gave earlier are filled in.

    Args:
        sheet: the file to write, ``.csv`` or ``.jsonl``.
        ask: asks a person feature by feature; None leaves the verdicts blank, or to the judge of ``config``. A sheet
            that is there already is gone on with.

    Raises:
        BadInput: there is such a file already, and nobody is asked and ``overwrite`` is not said.
    """
    need(folder, "circuit")
    is_csv(sheet)  # a wrong ending is said before the work, not after it
    judge = _judge_of(config)
    circuit, store = load(folder / "circuit"), VerdictStore()
    if sheet.exists() and not overwrite:
        if ask is None:
            raise BadInput(
                f"{sheet} is there already",
                expected="a new file; a sheet holds somebody's work",
                mend="name another file, go on with it by --interactive, or say --overwrite",
            )
        features = store.fill(circuit, read_sheet(sheet, circuit, finished=False))
    else:
        features = _fresh(folder, circuit, config, judge, progress)
        if judge is None:
            features = store.fill(circuit, features)
        else:  # kept with its own time, so that a row that a person corrects later is known as corrected
            store.add(circuit, list(map(verdict_of, features)))
        write_features(sheet, circuit, features)
    if ask is not None:
        features = _asked(sheet, circuit, features, store, config.who or getpass.getuser(), ask)
    return SheetWritten(sheet, features, list(map(str, store.conflicts(circuit))))


def _judge_of(config: ShiftJudgeConfig) -> WordLists | Endpoint | None:
    """The automatic judge, if one is asked for; what it lacks is said before any work."""
    if config.judge == "words":
        remove, keep = read_words(config.remove_words), read_words(config.keep_words)
        return WordLists(remove, keep, config.measure, config.level, config.reach)
    if config.judge == "endpoint":
        return Endpoint(config.endpoint, config.model_name, key_from(config.key_variable))
    return None


def _fresh(
    folder: Path,
    circuit: Circuit,
    config: ShiftJudgeConfig,
    judge: WordLists | Endpoint | None,
    progress: Progress,
) -> list[JudgedFeature]:
    """The features with what they are judged by, and with the verdicts of an automatic judge."""
    run = open_shift(folder, device=config.device, progress=progress)
    texts = [text.text for text in run.sets.train_ambiguous[: config.texts]]
    classifier = run.classifier()
    features = features_to_judge(
        circuit,
        classifier,
        run.dictionaries,
        texts,
        text=read_text(config.text) or default_text(str(run.config["model"])),
        contexts=config.contexts,
        progress=progress,
    )
    if isinstance(judge, WordLists):
        return judge_by_words(
            classifier.as_model(),
            run.dictionaries,
            features,
            texts,
            judge,
            context=_context(classifier),
            bos=classifier.bos,
            progress=progress,
        )
    if isinstance(judge, Endpoint):
        replies = Replies(folder / REPLIES)
        return judge_by_endpoint(features, judge, _sentence(run, config), replies=replies, progress=progress)
    return features


def features_to_judge(
    circuit: Circuit,
    classifier: Classifier,
    dictionaries: Dictionaries,
    texts: Sequence[str],
    *,
    text: str | None = None,
    contexts: int = 10,
    progress: Progress | bool | None = None,
) -> list[JudgedFeature]:
    """The features of a classifier's circuit, strongest first, with contexts from texts and promoted tokens.

    The tokens are those of the whole model: a classifier has no words of its own.

    Args:
        texts: of the task, such as those that the classifier was trained on.
        text: general text, its documents separated by empty lines; its contexts come first, then those of ``texts``.
        contexts: how many of either.
    """
    features, model = list(effects_of(circuit)), classifier.as_model()

    def found_in(source: str | list[str]) -> list[FeatureContexts]:
        found = top_contexts(
            model,
            dictionaries,
            features,
            source,
            count=contexts,
            context=_context(classifier),
            bos="yes" if classifier.bos else "no",
        )
        return list(found)

    with shown(progress):  # which the searches join
        found = found_in(list(texts))
        if text is not None:
            pairs = zip(found_in(text), found, strict=True)
            found = [replace(general, contexts=(*general.contexts, *own.contexts)) for general, own in pairs]
    tokens = promoted_tokens(model, dictionaries, features, count=_TOKENS)
    return to_judge(circuit, [FeatureDashboard(*pair) for pair in zip(found, tokens, strict=True)])


def _context(classifier: Classifier) -> int:
    return min(_LONGEST_CONTEXT, longest_input(classifier.model) or _LONGEST_CONTEXT)


def _sentence(run: ShiftRun, config: ShiftJudgeConfig) -> str:
    """What the classifier is meant to do, for a judge that does not know it."""
    first, second = run.sets.classes
    return config.about or f"Tell from a short text whether the person in it is a {first} or a {second}."


def _asked(
    sheet: Path,
    circuit: Circuit,
    features: list[JudgedFeature],
    store: VerdictStore,
    who: str,
    ask: Ask,
) -> list[JudgedFeature]:
    """Ask about what has no verdict yet; each answer is in the store and in the sheet before the next question."""
    place = {item.name: number for number, item in enumerate(features)}

    def take(item: JudgedFeature) -> None:
        signed = replace(item, who=who, when=now())
        features[place[item.name]] = signed
        store.add(circuit, [verdict_of(signed)])
        write_features(sheet, circuit, features)

    write_features(sheet, circuit, features)  # with what was known already
    ask([item for item in features if not item.verdict], take)
    return features
