"""The models, dictionaries and inputs that speed is measured on."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch

from benchmarks.shapes import Shape, random_dictionaries, random_model, random_pairs
from circuitscope import load_dictionaries, load_model, load_task
from circuitscope.dictionaries import Dictionaries
from circuitscope.errors import BadInput
from circuitscope.model import LanguageModel
from circuitscope.tasks import Inputs, Metric, make_inputs, metric_named
from circuitscope.tasks.inputs import Encoded


@dataclass(frozen=True)
class Preset:
    """What to measure on. The trained model that is bundled, or a random one of a given shape."""

    name: str
    shape: Shape | None
    """None for the bundled model and its dictionaries."""
    features: int
    active: int
    """Features active on a token."""
    batch: int
    length: int
    nodes: int
    """Nodes of the circuit."""
    rows: int
    """Downstream rows when edges are measured by themselves."""
    tries: int
    growth: dict[str, int]
    """The base of the growth measurements: examples, tokens, features, layers, nodes."""
    needs_gpu: bool = False


SMALL_GROWTH = {"examples": 4, "tokens": 8, "features": 1024, "layers": 2, "nodes": 50}
LARGE_GROWTH = {"examples": 8, "tokens": 16, "features": 4096, "layers": 4, "nodes": 100}

PRESETS = {
    preset.name: preset
    for preset in (
        Preset("tiny", Shape(2, 64, 2, 256), 1024, 20, 4, 8, 50, 60, 5, SMALL_GROWTH),
        Preset("bundled", None, 512, 8, 16, 7, 100, 300, 3, SMALL_GROWTH),
        Preset("pythia-70m", Shape(6, 512, 8, 50304), 32768, 100, 4, 12, 150, 320, 1, LARGE_GROWTH),
        Preset(
            "gemma-2-2b",
            Shape(26, 2304, 8, 256000, family="gemma2", hidden_width=9216, head_width=256, key_heads=4),
            16384,
            100,
            1,
            12,
            500,
            500,
            1,
            LARGE_GROWTH,
            needs_gpu=True,
        ),
    )
}


def preset_named(name: str, features: int | None) -> Preset:
    """A preset, with another number of features if one is given."""
    preset = PRESETS[name]
    if preset.needs_gpu and not torch.cuda.is_available():
        raise BadInput(
            f"preset {name} on a machine without a GPU",
            expected="a CUDA GPU with 40 GB: model and dictionaries take 17 GB in bfloat16",
            mend="use --preset pythia-70m",
        )
    return preset if features is None else replace(preset, features=features)


@dataclass(frozen=True)
class World:
    """Everything that the work to be measured needs."""

    model: LanguageModel
    dictionaries: Dictionaries
    examples: tuple[Encoded, ...]
    inputs: Inputs
    metric: Metric


def make_world(preset: Preset, dtype: str) -> World:
    """Load or make the preset's model, dictionaries and pairs."""
    if preset.shape is None:
        model = load_model("bundled", device="cpu", dtype=dtype)
        dictionaries = load_dictionaries("bundled", model)
        task = load_task("agreement/across_rc", model)
        encoded, _ = task.encode("train", model.tokenizer, bos=False, limit=preset.batch)
    else:
        device = "cuda" if torch.cuda.is_available() else "cpu"
        model = random_model(preset.shape, dtype=dtype, device=device)
        encoded = random_pairs(preset.batch, preset.length, preset.shape.vocab)
        tokens = make_inputs(encoded, has_bos=False).to(model.device).clean
        dictionaries = random_dictionaries(model, tokens, preset.features, preset.active)
    inputs = make_inputs(encoded, has_bos=False).to(model.device)
    return World(model, dictionaries, tuple(encoded), inputs, metric_named("logit-difference", pairs=True))
