"""Training of dictionaries as a stage."""

from __future__ import annotations

from pathlib import Path

from circuitscope.config import TrainConfig
from circuitscope.model import LanguageModel
from circuitscope.results import SiteQuality
from circuitscope.work import Progress, silent


def run_training(
    model: LanguageModel,
    text: str,
    out: Path,
    config: TrainConfig,
    *,
    overwrite: bool = False,
    progress: Progress = silent,
) -> list[SiteQuality]:
    """Train dictionaries into a folder; returns each site's quality."""
    from circuitscope.dictionaries.training import train_dictionaries

    _, quality = train_dictionaries(model, text, out, config, overwrite=overwrite, progress=progress)
    return quality
