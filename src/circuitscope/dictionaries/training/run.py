"""train_dictionaries: from a model and a text to a folder of dictionaries and a table of their quality.

1. Cut the text into contexts; hold some out.
2. Estimate every site's scale and centre from the first buffer of activations.
3. One pass over the model's activations trains all sites; a checkpoint every ``save_every`` steps.
4. Measure on the held-out contexts.
5. Write our folder, and SAELens's inside it, at once; remove the checkpoint.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import asdict, dataclass
from pathlib import Path
from time import perf_counter

from circuitscope.config import TrainConfig
from circuitscope.dictionaries.collection import Dictionaries
from circuitscope.dictionaries.load import load_dictionaries
from circuitscope.dictionaries.readers import own_folder
from circuitscope.dictionaries.training.checkpoint import Checkpoint, identify
from circuitscope.dictionaries.training.corpus import read_corpus
from circuitscope.dictionaries.training.quality import measure_quality
from circuitscope.dictionaries.training.saelens_folder import write_saelens
from circuitscope.dictionaries.training.stream import ActivationStream
from circuitscope.dictionaries.training.threads import one_core_per_task
from circuitscope.dictionaries.training.trainer import Trainer
from circuitscope.model import LanguageModel, shape_of
from circuitscope.results import SiteQuality
from circuitscope.runs import new_folder, refuse_existing
from circuitscope.terms import Site
from circuitscope.work import Progress, shown

_log = logging.getLogger("circuitscope")
SAELENS = "saelens"
CHECK_EVERY = 20


def train_dictionaries(
    model: LanguageModel,
    text: str | Sequence[str],
    out: str | Path,
    config: TrainConfig | None = None,
    *,
    overwrite: bool = False,
    progress: Progress | bool | None = None,
) -> tuple[Dictionaries, list[SiteQuality]]:
    """Train dictionaries at the sites of a model, and write them to ``out``.

    If it is killed at any moment, the same call continues from its last checkpoint and, on the same machine, ends
    with identical weights.

    Args:
        model: needs a tokenizer.
        text: one text, whose documents ``<|endoftext|>`` separates, or a sequence of documents.
        out: a folder that does not exist yet, unless ``overwrite``; ``out/saelens`` has the same for SAELens.
        config: what to train; see TrainConfig.
        progress: shown by default; False is silent, a function is called with (done, total, what).

    Returns:
        The dictionaries as read back from ``out``, and each site's quality on held-out text.
    """
    out, config = Path(out), config or TrainConfig()
    refuse_existing(out, overwrite=overwrite, kind=own_folder.KIND)
    sites = _sites(model, config)
    shape_of(model).refuse_longer(config.context, "context")
    train, held_out = read_corpus(text, model.tokenizer, config)
    stream = ActivationStream(model, train, sites, config)
    checkpoint = Checkpoint(out, identify(model, train, sites, config))
    with shown(progress) as tell:
        with one_core_per_task(model.device) as pool:
            trainer = _train(stream, checkpoint, config, pool, overwrite=overwrite, progress=tell)
        trained = Dictionaries(trainer.dictionaries(), name=str(out), prepend_bos=train.bos is not None)
        quality = measure_quality(model, trained, held_out, progress=tell)
    extra: dict[str, object] = {
        "model": model.name,
        "training": asdict(config),
        "text": {"contexts": len(train), "held_out": len(held_out), "sha256": train.fingerprint},
        "quality": [asdict(entry) for entry in quality],
    }
    _write(trained, model, out, extra, config, overwrite=overwrite)
    checkpoint.remove()
    return load_dictionaries(out, model), quality


def _train(
    stream: ActivationStream,
    checkpoint: Checkpoint,
    config: TrainConfig,
    pool: Executor,
    *,
    overwrite: bool,
    progress: Progress,
) -> Trainer:
    saved = checkpoint.load(overwrite=overwrite)
    trainer = Trainer(stream.first(), config)
    done = 0
    if saved is not None:
        done, state = saved
        trainer.restore(state)
    for step, batch in stream.batches(done, pool):
        trainer.step(batch, step, pool)
        done = step + 1
        last = done == config.steps
        if last or done % CHECK_EVERY == 0 or done % config.save_every == 0:
            trainer.check_finite(step)
        if last or done % config.save_every == 0:
            checkpoint.save(done, trainer.state())
            _log.info(
                "step %d of %d: mean squared error %.4f, %d dead features",
                done, config.steps, trainer.mean_error(), trainer.n_dead,
            )  # fmt: skip
        progress(done, config.steps, "training")
    return trainer


def _write(
    trained: Dictionaries,
    model: LanguageModel,
    out: Path,
    extra: dict[str, object],
    config: TrainConfig,
    *,
    overwrite: bool,
) -> None:
    """Both formats appear at once: our folder is written inside the draft and its files moved up."""
    with new_folder(out, overwrite=overwrite) as draft:
        inner = draft / "own"
        own_folder.write(trained, inner, extra=extra)
        for file in inner.iterdir():
            file.rename(draft / file.name)
        inner.rmdir()
        write_saelens(trained, model, draft / SAELENS, context_size=config.context)


def _sites(model: LanguageModel, config: TrainConfig) -> list[Site]:
    chosen, shape = config.chosen_sites(model.sites), shape_of(model)
    for site in chosen:
        shape.refuse_missing_site(site, "sites")
    return chosen


@dataclass(frozen=True)
class TrialTraining:
    """The first steps of a training, timed and forgotten."""

    buffer_tokens: int
    buffer_seconds: float
    """To compute one buffer of activations."""
    steps: int
    step_seconds: float
    """For one step."""


def try_training(model: LanguageModel, text: str, config: TrainConfig, *, steps: int) -> TrialTraining:
    """Compute one buffer of activations and make a few steps on it."""
    train, _ = read_corpus(text, model.tokenizer, config)
    stream = ActivationStream(model, train, _sites(model, config), config)
    with one_core_per_task(model.device) as pool:
        started = perf_counter()
        first = stream.first()
        computed = perf_counter()
        trainer = Trainer(first, config)
        tokens = next(iter(first.values())).shape[0]
        batch = {site: x[: config.batch] for site, x in first.items()}
        trainer.step(batch, 0, pool)  # which pays for preparations
        ready = perf_counter()
        for number in range(steps):
            trainer.step(batch, number + 1, pool)
        done = perf_counter()
    return TrialTraining(tokens, computed - started, steps, (done - ready) / steps)
