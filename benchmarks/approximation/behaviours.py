"""What is measured on: models with dictionaries, and behaviours of each as batches of pairs."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from circuitscope.bundled import BUNDLED
from circuitscope.config import TrainConfig
from circuitscope.dictionaries import Dictionaries
from circuitscope.model import LanguageModel
from circuitscope.model.bos import decide_bos
from circuitscope.pipeline import run_training
from circuitscope.sources import open_named
from circuitscope.tasks import Inputs, Metric, make_inputs, metric_named

ROOT = Path(__file__).resolve().parents[2]
STORIES = "stories260K"
AGREEMENT = ("simple", "across_pp", "within_rc", "across_rc")
STORIES_TASKS = ("he_she", "was_were")
STORIES_TRAINING = TrainConfig(features=512, k=24, tokens=400_000)
"""TopK dictionaries at all 16 sites; a few minutes in one thread."""


@dataclass(frozen=True)
class Setting:
    """One behaviour of one model: what every measurement needs."""

    model: LanguageModel
    dictionaries: Dictionaries
    inputs: Inputs
    metric: Metric
    model_name: str
    behaviour: str


@dataclass(frozen=True)
class Source:
    """A model with its dictionaries, and the behaviours to measure on."""

    name: str
    model: str
    dictionaries: str
    tasks: tuple[str, ...]

    def settings(self, examples: int, dtype: str) -> Iterator[Setting]:
        """Each behaviour with its first usable training examples as one batch."""
        for task in self.tasks:
            parts = open_named(self.model, self.dictionaries, task, device="cpu", dtype=dtype)
            tokenizer: Any = parts.model.tokenizer
            bos = decide_bos("auto", parts.dictionaries.prepend_bos, tokenizer)
            encoded, _ = parts.task.encode("train", tokenizer, bos=bos, limit=examples)
            inputs = make_inputs(encoded, has_bos=bos)
            metric = metric_named("auto", pairs=True)
            yield Setting(parts.model, parts.dictionaries, inputs, metric, self.name, Path(task).name)


def bundled(tasks: tuple[str, ...] = AGREEMENT) -> Source:
    """The bundled model with its dictionaries."""
    return Source(BUNDLED, BUNDLED, BUNDLED, tuple(f"agreement/{task}" for task in tasks))


def stories(work: Path, say: Callable[[str], None]) -> Source | str:
    """stories260K with dictionaries from ``work``, trained there the first time; or why it is left out."""
    shared = Path(os.environ.get("CIRCUITSCOPE_SHARED") or ROOT.parent / "shared")
    model, text = shared / "models" / STORIES, shared / "data" / "text" / "tinystories_sample.txt"
    for needed in (model, text):
        if not needed.exists():
            return f"{STORIES} is left out: {needed.relative_to(shared)} is not in the shared folder"
    folder = work / f"{STORIES}-topk"
    if not folder.exists():
        say(f"training dictionaries of {STORIES} into {folder}")
        run_training(str(model), text, folder, STORIES_TRAINING, device="cpu")
    tasks = tuple(str(ROOT / "examples" / "tasks" / task) for task in STORIES_TASKS)
    return Source(STORIES, str(model), str(folder), tasks)
