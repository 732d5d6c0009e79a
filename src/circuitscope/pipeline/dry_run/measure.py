"""Units of work, timed once: quietly, on few examples, with nothing written."""

from __future__ import annotations

import gc
import logging
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import torch
from torch import Tensor

from circuitscope.dictionaries import Dictionaries
from circuitscope.model import LanguageModel

Result = TypeVar("Result")
SHORT = 0.5
"""Seconds; what took less is timed a second time, since the first time also pays for preparations."""
_log = logging.getLogger("circuitscope")


def timed(do: Callable[[], Result]) -> tuple[Result, float]:
    """The result and the seconds of something that can be done twice."""
    result, seconds = _once(do)
    if seconds < SHORT:
        result, seconds = _once(do)
    return result, seconds


def _once(do: Callable[[], Result]) -> tuple[Result, float]:
    started = time.perf_counter()
    with quiet():
        result = do()
        if torch.cuda.is_available():
            torch.cuda.synchronize()
    return result, time.perf_counter() - started


@contextmanager
def quiet() -> Iterator[None]:
    """A trial's own warnings, of its few examples, say nothing about the work."""
    level = _log.level
    _log.setLevel(logging.ERROR)
    try:
        yield
    finally:
        _log.setLevel(level)


def weights_of(model: LanguageModel, dictionaries: Dictionaries | None = None) -> int:
    """Bytes of a model and its dictionaries."""
    weights: list[Tensor] = list(model.hf.parameters())
    if dictionaries is not None:
        weights += [weight for item in dictionaries.values() for weight in item.weights().values()]
    return sum(weight.numel() * weight.element_size() for weight in weights)


PEAK = "the most that this trial took"


def peak_memory(model: LanguageModel) -> int:
    """The most bytes that this process has had: on the GPU if the model is there, else in all."""
    gc.collect()
    if model.device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(model.device))
    try:
        import resource
    except ImportError:  # on Windows
        return weights_of(model)
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return used if sys.platform == "darwin" else used * 1024
