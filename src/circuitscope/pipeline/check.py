"""check: a task looked at on a model, before there is a run."""

from __future__ import annotations

from dataclasses import dataclass

from circuitscope.bundled import BUNDLED
from circuitscope.config import CheckConfig
from circuitscope.dictionaries import Dictionaries, load_dictionaries, refuse_missing_dictionaries
from circuitscope.model import LanguageModel, load_model
from circuitscope.pipeline.behaviour import behaviour_of
from circuitscope.results import TaskCheck
from circuitscope.tasks import Prompt, Task, check, metric_named
from circuitscope.work import Progress, silent, step


@dataclass(frozen=True)
class PreparedCheck:
    """A check that is ready to start."""

    config: CheckConfig
    model: LanguageModel
    dictionaries: Dictionaries | None
    task: Task | str


def run_check(config: CheckConfig, *, progress: Progress = silent) -> TaskCheck:
    """Check a task; writes nothing."""
    prepared = prepare_check(config, progress=progress)
    with step(progress, "checking the task"):
        return check_step(prepared)


def prepare_check(config: CheckConfig, *, progress: Progress = silent) -> PreparedCheck:
    """Refuse what cannot be, and load the model, and the dictionaries if they are named."""
    source = config.dictionaries or (BUNDLED if config.model == BUNDLED else "")
    behaviour = behaviour_of(config)
    contrasts = isinstance(behaviour, str) or behaviour.contrasts
    metric_named(config.metric, pairs=contrasts)
    if source:
        refuse_missing_dictionaries(source)
    with step(progress, "loading the model"):
        model = load_model(config.model, device=config.device, dtype=config.dtype)
    with step(progress, "loading the dictionaries"):
        dictionaries = load_dictionaries(source, model) if source else None
    task = behaviour.as_task(model, dictionaries) if isinstance(behaviour, Prompt) else behaviour
    return PreparedCheck(config, model, dictionaries, task)


def check_step(prepared: PreparedCheck) -> TaskCheck:
    """Check the task."""
    config = prepared.config
    return check(
        prepared.model,
        prepared.task,
        split=config.split,
        examples=config.examples,
        metric=config.metric,
        rows=config.rows,
        bos=config.bos,
        truncate=config.truncate,
        batch_size=config.batch_size,
        dictionaries=prepared.dictionaries,
    )
