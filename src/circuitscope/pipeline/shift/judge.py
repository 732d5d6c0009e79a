"""judge: a sheet with every feature of a run's circuit, for a person or for an automatic judge to fill in.

A feature is shown on text that has no labels, a file that is given or the text that a bundled model comes with, and
on the ambiguous training texts, without theirs. In those, label and attribute always agree, so general text tells
more about what a feature means; but what a feature does in those is what the classifier uses.
"""

from __future__ import annotations

import getpass
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from circuitscope.config import JUDGES, ShiftJudgeConfig
from circuitscope.dashboards import Reading, known_contexts, known_tokens
from circuitscope.dictionaries import Dictionaries
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
from circuitscope.errors import BadInput, argument
from circuitscope.pipeline.report import default_text, read_text
from circuitscope.pipeline.shift.run import ShiftRun, open_shift
from circuitscope.results import (
    TRAINING,
    VERDICTS,
    Circuit,
    FeatureContexts,
    FeatureDashboard,
    JudgedFeature,
    effects_of,
    load,
    task_of,
    to_judge,
)
from circuitscope.runs import (
    CLASSIFIER_CIRCUIT,
    JUDGING,
    SHEET,
    hash_json,
    made_from,
    need_shift,
    refuse_unwritable,
    sheet_of,
    write_judging,
)
from circuitscope.tasks import longest_input
from circuitscope.tasks.labelled import Classifier
from circuitscope.work import Batches, Partial, Prefixed, Progress, shown, silent
from circuitscope.workspace import DashboardCache, VerdictStore, now, verdict_of

log = logging.getLogger("circuitscope")

REPLIES = "replies.jsonl"
_TOKENS = 10
_LONGEST_CONTEXT = 128

Ask = Callable[[Sequence[JudgedFeature], Callable[[JudgedFeature], None]], None]
"""Asks a person about features, and hands over each one as soon as it has a verdict."""


@dataclass(frozen=True)
class Judging:
    """A sheet that is being filled in: what ``record_verdict`` works on."""

    folder: Path
    """The run."""
    sheet: Path
    circuit: Circuit
    features: tuple[JudgedFeature, ...]
    """In the sheet's order."""

    @property
    def task(self) -> str:
        """What the classifier is meant to tell."""
        return task_of(self.circuit)

    @property
    def open(self) -> tuple[JudgedFeature, ...]:
        """The features that have no verdict yet."""
        return tuple(item for item in self.features if not item.verdict)


@dataclass(frozen=True)
class SheetWritten:
    """What is in a sheet."""

    path: Path
    features: list[JudgedFeature]
    conflicts: list[str]
    """Features about which earlier judges differ, in words."""


def run_shift_judge(
    folder: Path,
    sheet: Path | None,
    config: ShiftJudgeConfig,
    *,
    ask: Ask | None = None,
    overwrite: bool = False,
    progress: Progress = silent,
) -> SheetWritten:
    """Write the sheet of a run; verdicts that people gave earlier are filled in.

    Args:
        sheet: the file to write, ``.csv`` or ``.jsonl``; None for ``sheet.csv`` in the run.
        ask: asks a person feature by feature, and continues a sheet that already exists; None leaves the verdicts
            blank, or to the judge of ``config``.

    Raises:
        BadInput: there is such a file already, nobody is asked and ``overwrite`` is not given.
    """
    judging = prepare_judging(
        folder, config, sheet=sheet, go_on=ask is not None, overwrite=overwrite, progress=progress
    )
    if ask is not None:
        judging = judge_by_asking(judging, ask, config.who)
    return finish_judging(judging)


def prepare_judging(
    folder: Path,
    config: ShiftJudgeConfig,
    *,
    sheet: Path | None = None,
    go_on: bool = False,
    overwrite: bool = False,
    progress: Progress = silent,
) -> Judging:
    """Write a new sheet with a row per feature, judged by an automatic judge if ``config`` asks for one.

    Args:
        sheet: the file to write, ``.csv`` or ``.jsonl``; None for ``sheet.csv`` in the run.
        go_on: open a sheet that already exists instead of refusing it; that needs no model.
        overwrite: replace a sheet that already exists.

    Raises:
        BadInput: the run has no circuit, or there is such a sheet already.
    """
    path, judge, text = refuse_sheet(folder, config, sheet=sheet, go_on=go_on, overwrite=overwrite)
    if path.exists() and not overwrite:
        return open_judging(folder, path)
    circuit, store = load(CLASSIFIER_CIRCUIT.in_(folder)), VerdictStore()
    features = _fresh(folder, circuit, config, judge, text, progress)
    if judge is None:
        features = store.fill(circuit, features)
    else:  # kept with its own time, so that a row that a person corrects later is known to be corrected
        store.add(circuit, list(map(verdict_of, features)))
    write_features(path, circuit, features)
    write_judging(folder, path, config.judge)
    return Judging(folder, path, circuit, tuple(features))


def refuse_sheet(
    folder: Path, config: ShiftJudgeConfig, *, sheet: Path | None, go_on: bool, overwrite: bool
) -> tuple[Path, WordLists | Endpoint | None, str | None]:
    """Raise what ``prepare_judging`` raises before any work; returns the sheet, the automatic judge and the text."""
    need_shift(folder, CLASSIFIER_CIRCUIT)
    path = sheet or folder / SHEET
    is_csv(path)
    refuse_unwritable(path)
    if path.exists() and not overwrite and not go_on:
        raise BadInput(
            f"{path} already exists",
            expected="a new file: a sheet holds someone's work",
            mend=f"choose another file, continue it with {argument('interactive')}, or add "
            f"{argument('overwrite', True)}",
        )
    return path, _judge_of(config), read_text(config.text)


def open_judging(folder: Path, sheet: Path | None = None) -> Judging:
    """Open a sheet to continue it, brought up to date with what the workspace knows; needs no model.

    Args:
        sheet: None for the sheet that the run was last judged with.

    Raises:
        BadFile: the sheet is damaged, or about another circuit.
    """
    need_shift(folder, CLASSIFIER_CIRCUIT)
    known = sheet_of(folder)
    path = sheet or (known.path if known else folder / SHEET)
    circuit = load(CLASSIFIER_CIRCUIT.in_(folder))
    features = VerdictStore().fill(circuit, read_sheet(path, circuit, finished=False))
    write_features(path, circuit, features)
    write_judging(folder, path, known.judge if known and known.path == path else JUDGES[0])
    return Judging(folder, path, circuit, tuple(features))


def record_verdict(judging: Judging, feature: str, verdict: str, note: str = "", who: str = "") -> Judging:
    """Record what a person says about one feature: it is in the workspace and in the sheet when this returns.

    Args:
        feature: its name, such as ``resid_3/1024``.
        verdict: ``keep``, ``remove`` or ``unsure``.
        who: whose verdict it is; by default the user's name.

    Returns:
        The sheet with the verdict in it.

    Raises:
        BadInput: the sheet has no such feature, or the verdict is not one of these words.
    """
    names = [item.name for item in judging.features]
    if feature not in names:
        raise BadInput(
            f"the sheet {judging.sheet} has no feature {feature!r}",
            expected=f"one of its {len(names)} features, such as {names[0]}"
            if names
            else "a sheet with features",
            mend="check the name",
        )
    if verdict not in VERDICTS:
        raise BadInput(f"the verdict {verdict!r}", expected=" or ".join(VERDICTS), mend="use one of these")
    row = names.index(feature)
    signed = replace(
        judging.features[row], verdict=verdict, note=note, who=who or getpass.getuser(), when=now()
    )
    features = (*judging.features[:row], signed, *judging.features[row + 1 :])
    VerdictStore().add(judging.circuit, [verdict_of(signed)])
    write_features(judging.sheet, judging.circuit, features)
    return replace(judging, features=features)


def judge_by_asking(judging: Judging, ask: Ask, who: str = "") -> Judging:
    """Ask a person about what has no verdict yet; each answer is recorded before the next question."""
    current = judging

    def take(item: JudgedFeature) -> None:
        nonlocal current
        current = record_verdict(current, item.name, item.verdict, item.note, who)

    ask(judging.open, take)
    return current


def finish_judging(judging: Judging) -> SheetWritten:
    """What is in the sheet now, and where earlier judges differ."""
    conflicts = list(map(str, VerdictStore().conflicts(judging.circuit)))
    return SheetWritten(judging.sheet, list(judging.features), conflicts)


def _judge_of(config: ShiftJudgeConfig) -> WordLists | Endpoint | None:
    """The automatic judge, if one is asked for; what it lacks is reported before any work."""
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
    text: str | None,
    progress: Progress,
) -> list[JudgedFeature]:
    """The features with what they are judged by, and with the verdicts of an automatic judge."""
    run = open_shift(folder, device=config.device, progress=progress)
    texts = [text.text for text in run.sets.train_ambiguous[: config.texts]]
    classifier = run.classifier()
    text = text or default_text(str(run.config["model"]))
    plan = {
        "origins": dict(made_from(folder, JUDGING)),
        "text": hash_json([text, texts]),
        "contexts": config.contexts,
    }
    place = JUDGING.in_(folder)
    features = features_to_judge(
        circuit,
        classifier,
        run.dictionaries,
        texts,
        text=text,
        contexts=config.contexts,
        kept=Partial.beside(place, plan),
        progress=progress,
    )
    Partial.discard(place)
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
        log.warning("the features' contexts and tokens are sent to %s", config.endpoint)
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
    contexts: int = 6,
    cache: bool = True,
    kept: Batches | None = None,
    progress: Progress | bool | None = None,
) -> list[JudgedFeature]:
    """The features of a classifier's circuit, strongest first, with contexts from texts and promoted tokens.

    The tokens are those of the whole model: a classifier has no words of its own.

    Args:
        texts: of the task, such as those that the classifier was trained on.
        text: general text, its documents separated by empty lines; its contexts come first, then those of ``texts``.
        contexts: how many of each.
        cache: take what is already known about features from the workspace, and keep there what is new.
        kept: where a search keeps what it has found so far, so that one that was killed goes on.
    """
    features, model = list(effects_of(circuit)), classifier.as_model()
    store = DashboardCache() if cache else None
    reading = Reading(contexts, _context(classifier), bos="yes" if classifier.bos else "no")

    def found_in(source: str | list[str], name: str) -> list[FeatureContexts]:
        own = None if kept is None else Prefixed(kept, name)
        return list(known_contexts(model, dictionaries, features, source, reading, cache=store, kept=own))

    with shown(progress):  # which the searches join
        found = found_in(list(texts), "training")
        general = {} if text is None else dict(zip(features, found_in(text, "general"), strict=True))
    tokens = known_tokens(model, dictionaries, features, count=_TOKENS, cache=store)
    shown_on = [FeatureDashboard(*pair) for pair in zip(found, tokens, strict=True)]
    return to_judge(circuit, shown_on, source=TRAINING, general=general)


def _context(classifier: Classifier) -> int:
    return min(_LONGEST_CONTEXT, longest_input(classifier.model) or _LONGEST_CONTEXT)


def _sentence(run: ShiftRun, config: ShiftJudgeConfig) -> str:
    """What the classifier is meant to do, for a judge that does not know it."""
    first, second = run.sets.classes
    return config.about or f"Tell from a short text whether the person in it is a {first} or a {second}."
