"""The behaviour that settings ask about, as far as it is known before there is a model."""

from __future__ import annotations

from circuitscope.config import CheckConfig, DiscoverConfig
from circuitscope.tasks import Prompt, Task, read_task


def behaviour_of(config: DiscoverConfig | CheckConfig) -> Task | Prompt | str:
    """A task of files, read; a prompt; or the name of a template, whose words depend on the model.

    Raises:
        BadInput: there is no such task.
        BadFile: it cannot be read.
    """
    if config.prompt:
        return Prompt(config.prompt, config.answer or None, config.against, config.bos, config.truncate)
    return read_task(config.task) or config.task
