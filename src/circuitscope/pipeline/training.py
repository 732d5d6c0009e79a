"""Training of dictionaries as a stage."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from circuitscope.config import TrainConfig
from circuitscope.dictionaries import DICTIONARIES_FOLDER
from circuitscope.errors import BadFile
from circuitscope.model import LanguageModel, load_model, shape_of
from circuitscope.pipeline.report import read_text
from circuitscope.results import SiteQuality
from circuitscope.runs import refuse_existing
from circuitscope.work import Progress, silent, step


@dataclass(frozen=True)
class PreparedTraining:
    """A training that is ready to start."""

    model: LanguageModel
    text: str
    out: Path


def prepare_training(
    model: str,
    text: Path,
    out: Path,
    config: TrainConfig,
    *,
    device: str = "auto",
    overwrite: bool = False,
    progress: Progress = silent,
) -> PreparedTraining:
    """Read the text and load the model, after refusing what cannot be.

    Raises:
        BadFile: the text or the model cannot be read.
        BadInput: ``out`` is there, or the model has no such sites or positions.
    """
    out = out.expanduser()
    refuse_existing(out, overwrite=overwrite, kind=DICTIONARIES_FOLDER)
    shape = shape_of(model)
    for site in config.chosen_sites([]):
        shape.refuse_missing_site(site, "sites")
    shape.refuse_longer(config.context, "context")
    content = read_text(str(text))
    if not content:
        raise BadFile(f"the text {text} is empty", expected="some text to train on", mend="check the file")
    with step(progress, "loading the model"):
        loaded = load_model(model, device=device)
    return PreparedTraining(loaded, content, out)


def run_training(
    model: str,
    text: Path,
    out: Path,
    config: TrainConfig,
    *,
    device: str = "auto",
    overwrite: bool = False,
    progress: Progress = silent,
) -> list[SiteQuality]:
    """Train dictionaries into a folder; returns each site's quality."""
    from circuitscope.dictionaries.training import train_dictionaries

    ready = prepare_training(model, text, out, config, device=device, overwrite=overwrite, progress=progress)
    _, quality = train_dictionaries(
        ready.model, ready.text, ready.out, config, overwrite=overwrite, progress=progress
    )
    return quality
