"""From names to the things themselves: the model, the dictionaries and the task that a recipe names.

``open_named`` opens what a user names, before there is a circuit. ``reopen`` opens what a circuit was made from, so
that ``evaluate(circuit)`` needs nothing else; what is passed is used instead, and what was loaded is checked to be
what it was.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from circuitscope.dictionaries import Dictionaries, load_dictionaries, refuse_missing_dictionaries
from circuitscope.errors import BadInput, expect
from circuitscope.model import LanguageModel, fingerprint, load_model
from circuitscope.results import Circuit, Recipe
from circuitscope.tasks import (
    METRICS,
    OF_CLASSIFIERS,
    Encoded,
    Examples,
    Metric,
    Prompt,
    Task,
    load_task,
    longest_kept,
    metric_named,
    open_task,
    read_task,
    refuse_missing_source,
    refuse_no_tokenizer,
)
from circuitscope.tasks.labelled import Classifier
from circuitscope.work import Progress, silent, step

AUTO = "auto"


@dataclass(frozen=True)
class Loaded:
    """What every stage works on."""

    model: LanguageModel
    dictionaries: Dictionaries
    task: Task

    def metric(self, name: str | Metric | Any) -> Metric:
        """A metric of the task by name, or from a function."""
        return metric_named(name, pairs=self.task.contrasts)


def open_named(
    model: str,
    dictionaries: str,
    task: str | Prompt | Task,
    *,
    device: str,
    dtype: str,
    progress: Progress = silent,
) -> Loaded:
    """Load a model, its dictionaries and a task by name; a wrong path is found before the model is loaded."""
    refuse_missing_dictionaries(dictionaries)
    if isinstance(task, str):
        task = read_task(task) or task
    with step(progress, "loading the model"):
        language_model = load_model(model, device=device, dtype=dtype)
    with step(progress, "loading the dictionaries"):
        loaded = load_dictionaries(dictionaries, language_model)
    with step(progress, "loading the task"):
        refuse_no_tokenizer(language_model.name, language_model.tokenizer)
        if isinstance(task, Prompt):
            return Loaded(language_model, loaded, task.as_task(language_model, loaded))
        return Loaded(language_model, loaded, load_task(task, language_model))


def expect_sources(
    stage: str,
    circuit: Circuit,
    model: LanguageModel | None,
    dictionaries: Dictionaries | None,
    task: Task | str | Path | Examples | None,
) -> None:
    """Raise BadInput if the arguments of a stage have other types; most often their order is wrong."""
    call = f"{stage}(circuit, model, dictionaries, task)"
    expect(circuit, Circuit, "circuit", call)
    expect(model, LanguageModel | None, "model", call)
    expect(dictionaries, Dictionaries | None, "dictionaries", call)
    expect(task, Task | str | Path | Sequence | None, "task", call)


def reopen(
    circuit: Circuit,
    model: LanguageModel | None = None,
    dictionaries: Dictionaries | None = None,
    task: Task | str | Path | Examples | None = None,
    *,
    device: str = AUTO,
    dtype: str = AUTO,
    progress: Progress = silent,
) -> Loaded:
    """What a circuit was made from.

    Args:
        model, dictionaries, task: used instead of those that its recipe names.
        device: where to run; not where it ran when it was made.
        dtype: ``auto`` is the number format that it was made in.

    Raises:
        BadInput: something was made in Python and is not passed, or it is not what it was when the circuit was made.
        BadFile: something is gone or damaged.
    """
    recipe = circuit.made_by
    if dictionaries is None and recipe.dictionaries.source is not None:
        refuse_missing_dictionaries(recipe.dictionaries.source)
    if task is None:
        refuse_missing_source(recipe.task)
    with step(progress, "loading the model"):
        opened = _model(circuit.made_by, device, dtype) if model is None else model
    with step(progress, "loading the dictionaries"):
        loaded = _dictionaries(circuit, opened) if dictionaries is None else dictionaries
        _check_sites(circuit, loaded)
    with step(progress, "loading the task"):
        behaviour = open_task(circuit.made_by.task, opened) if task is None else load_task(task, opened)
    return Loaded(opened, loaded, behaviour)


def _model(recipe: Recipe, device: str, dtype: str) -> LanguageModel:
    source = recipe.model
    if source.head is None and recipe.settings.metric in OF_CLASSIFIERS:
        raise BadInput(
            "an earlier version wrote this circuit of a classifier, and did not keep the classifier with it",
            expected="a circuit that has its classifier",
            mend="make it again: circuitscope shift effects RUN --overwrite",
        )
    if source.source is None:
        raise BadInput(
            f"the model {source.name} was made in Python, so it cannot be loaded again by name",
            expected="the model itself",
            mend="pass it: model=…",
        )
    model = load_model(source.source, device=device, dtype=source.dtype if dtype == AUTO else dtype)
    if source.head is not None:
        model = Classifier.of(model, source.head, bos=recipe.settings.has_bos).as_model()
    if dtype in (AUTO, source.dtype) and source.hash and fingerprint(model) != source.hash:
        raise BadInput(
            f"the model in {source.source} is not the one that the circuit was made with",
            expected=f"weights {source.hash[:12]}…",
            mend="restore the old one, or discover again",
        )
    return model


def _dictionaries(circuit: Circuit, model: LanguageModel) -> Dictionaries:
    source = circuit.made_by.dictionaries
    if source.source is None:
        raise BadInput(
            f"the dictionaries {source.name} were made in Python, so they cannot be loaded again by name",
            expected="the dictionaries themselves",
            mend="pass them: dictionaries=…",
        )
    # A classifier ends before the model does; the dictionaries are the whole model's.
    loaded = load_dictionaries(source.source, model.whole)
    if set(circuit.sites) < set(loaded):
        loaded = loaded.only(list(circuit.sites))
    if source.hash and loaded.content_hash != source.hash:
        raise BadInput(
            f"the dictionaries in {source.source} are not those that the circuit was made with",
            expected=f"content {source.hash[:12]}…",
            mend="restore the old ones, or discover again",
        )
    return loaded


def _check_sites(circuit: Circuit, dictionaries: Dictionaries) -> None:
    if tuple(dictionaries) != circuit.sites:
        raise BadInput(
            f"the circuit has {len(circuit.sites)} sites, but the dictionaries are for {len(dictionaries)}",
            expected=", ".join(site.name for site in circuit.sites),
            mend="load the dictionaries that it was discovered with",
        )


def discovery_examples(circuit: Circuit, loaded: Loaded) -> list[Encoded]:
    """The examples that a circuit was discovered on."""
    settings = circuit.made_by.settings
    examples, _ = loaded.task.encode(
        settings.split,
        loaded.model.tokenizer,
        bos=settings.has_bos,
        limit=settings.examples,
        longest=longest_kept(loaded.model, settings.truncate),
    )
    return examples


def metric_of(circuit: Circuit, loaded: Loaded, metric: str | Metric | Any | None = None) -> Metric:
    """The metric given, or the one, by name, that the circuit was discovered with."""
    if metric is not None:
        return loaded.metric(metric)
    refuse_function(circuit)
    return loaded.metric(circuit.made_by.settings.metric)


def refuse_function(circuit: Circuit) -> None:
    """Raise BadInput for a circuit that was discovered with a metric that has no name."""
    name = circuit.made_by.settings.metric
    if name not in ("auto", *METRICS, *OF_CLASSIFIERS):
        raise BadInput(
            f"the circuit was discovered with a function, {name!r}",
            expected="that function again",
            mend="pass it from Python: metric=function",
        )
