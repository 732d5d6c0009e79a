"""Labelled texts in the words of the tiny world, and every step of a SHIFT on them."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from tiny_world import World, write_lines

from circuitscope.config import (
    ShiftApplyConfig,
    ShiftEffectsConfig,
    ShiftEvaluateConfig,
    ShiftRetrainConfig,
    ShiftTrainConfig,
)
from circuitscope.editing.judging import write_features
from circuitscope.pipeline.shift import (
    run_shift_apply,
    run_shift_effects,
    run_shift_evaluate,
    run_shift_retrain,
    run_shift_train,
)
from circuitscope.results import JudgedFeature, load
from circuitscope.results.judged_features import effects_of

CLASSES, ATTRIBUTES = ("being", "having"), ("cat", "king")
VERBS = {"being": ("is", "are"), "having": ("has", "have")}
PER_GROUP = {"train": 40, "test": 24}
STEPS = ("classifier", "circuit", "removed", "retrained", "scores")


def write_data(folder: Path) -> Path:
    """A file per split: the class is told by the verb, the attribute by the noun."""
    folder.mkdir(parents=True)
    for split, count in PER_GROUP.items():
        draw = random.Random(split)
        rows = [
            {"text": _text(draw, label, attribute), "label": label, "attribute": attribute}
            for label in CLASSES
            for attribute in ATTRIBUTES
            for _ in range(count)
        ]
        write_lines(folder / f"{split}.jsonl", rows)
    return folder


def _text(draw: random.Random, label: str, attribute: str) -> str:
    plural = draw.randrange(2)
    noun = attribute + "s" * plural
    words = [
        "The",
        *["old"] * draw.randrange(3),
        noun,
        *["near", "the", draw.choice(("dog", "girl"))] * draw.randrange(2),
    ]
    return " ".join([*words, VERBS[label][plural]])


def settings(world: World, data: Path) -> ShiftTrainConfig:
    return ShiftTrainConfig(
        model=str(world.model), dictionaries=str(world.dictionaries), data=str(data), site="resid_1", device="cpu",
        epochs=3, batch=16,
    )  # fmt: skip


def fill_sheet(folder: Path, path: Path) -> Path:
    """A finished sheet that strikes every second feature."""
    circuit = load(folder / "circuit")
    rows = [
        replace(
            JudgedFeature(site, feature, effect, (), (), ()),
            verdict=("remove", "keep")[number % 2],
            who="A judge",
        )
        for number, ((site, feature), effect) in enumerate(effects_of(circuit).items())
    ]
    write_features(path, circuit, rows)
    return path


def steps(folder: Path, config: ShiftTrainConfig, sheet: Path) -> dict[str, Callable[[], object]]:
    """Each step by the name of its folder, ready to be run."""

    def apply() -> object:
        return run_shift_apply(folder, fill_sheet(folder, sheet), ShiftApplyConfig(device="cpu", how="mean"))

    return {
        "classifier": lambda: run_shift_train(folder, config),
        "circuit": lambda: run_shift_effects(
            folder, ShiftEffectsConfig(device="cpu", examples=12, batch_size=4, nodes=16)
        ),
        "removed": apply,
        "retrained": lambda: run_shift_retrain(folder, ShiftRetrainConfig(device="cpu")),
        "scores": lambda: run_shift_evaluate(folder, ShiftEvaluateConfig(device="cpu")),
    }


def run_slowly(step: str, folder: Path, config: ShiftTrainConfig, sheet: Path) -> None:
    """One step that rests after each result that it has kept, so that a kill finds it on its way."""
    from circuitscope.tasks.labelled import text_tokens as texts
    from circuitscope.work.partial import Partial

    texts.SAVED_AT_ONCE = 1
    put = Partial.put

    def slow(self: Partial, name: str, arrays: object) -> None:
        put(self, name, arrays)  # type: ignore[arg-type]
        time.sleep(0.3)

    Partial.put = slow  # type: ignore[method-assign]
    steps(folder, config, sheet)[step]()
