"""open_task: the task that a recipe names, opened again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from circuitscope.errors import BadInput
from circuitscope.model import LanguageModel
from circuitscope.results import FILES, LABELLED, OBJECTS, PROMPT, TaskSource
from circuitscope.tasks.examples import parse_example
from circuitscope.tasks.labelled.load import load_labelled_sets, refuse_missing_texts
from circuitscope.tasks.labelled.text_tokens import LabelledTask, labelled_task
from circuitscope.tasks.limits import longest_input
from circuitscope.tasks.task import Task, load_task, read_task


def open_task(source: TaskSource, model: LanguageModel) -> Task:
    """Open a task again.

    Raises:
        BadInput: its examples were made in Python and not kept, or have changed since.
        BadFile: its files are gone or damaged.
    """
    task = _opened(source, model)
    if source.hash and task.as_source().hash != source.hash:
        raise BadInput(
            f"the examples of {source.place or source.name} have changed since the circuit was made",
            expected="the examples that it was discovered on",
            mend="restore the old ones, or discover again",
        )
    return task


def refuse_missing_source(source: TaskSource) -> None:
    """Raise what opening would raise for a task that is gone, before a model is loaded for it."""
    _refuse_unkept(source)
    if source.kind == FILES and not Path(str(source.place)).exists():
        read_task(str(source.place))
    if source.kind == LABELLED:
        refuse_missing_texts(str(source.place))


def _opened(source: TaskSource, model: LanguageModel) -> Task:
    _refuse_unkept(source)
    if source.kind in (OBJECTS, PROMPT):
        return _from_objects(source, model)
    if source.kind == LABELLED:
        return open_labelled(source, model)
    return load_task(str(source.place), model)


def _refuse_unkept(source: TaskSource) -> None:
    if source.kind in (OBJECTS, PROMPT):
        if not source.train and not source.test:
            raise BadInput(
                f"the examples of {source.name} were made in Python and are not kept with the circuit",
                expected="a circuit that was saved with its examples",
                mend="pass the task: task=…",
            )
    elif source.place is None:
        raise BadInput(
            f"nothing says where the examples of {source.name} are",
            expected="a circuit from a run folder that knows where its task is",
            mend="pass the task: task=…",
        )


def open_labelled(source: TaskSource, model: LanguageModel) -> LabelledTask:
    """The task of telling the classes of the ambiguous texts of a labelled source."""
    sets = load_labelled_sets(str(source.place), model, **source.options)
    return labelled_task(
        source.name, sets.train_ambiguous, sets.test_ambiguous, model, classes=sets.classes, source=source
    )


def _from_objects(source: TaskSource, model: LanguageModel) -> Task:
    train, test = (
        tuple(parse_example(line, f"example {number} of {source.name}") for number, line in enumerate(part))
        for part in (source.train, source.test)
    )
    same: dict[str, Any] = {
        "is_template": source.is_template,
        "source": source if source.kind == PROMPT else None,
    }
    if source.classes:
        first, second = source.classes
        return LabelledTask(
            source.name, train, test, classes=(first, second), limit=longest_input(model), **same
        )
    return Task(source.name, train, test, **same)
