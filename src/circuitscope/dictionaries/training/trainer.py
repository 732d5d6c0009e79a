"""Trainer: the trainers of all sites, fed together.

Every site has tensors of its own: measured on two CPU cores with 16 sites of width 64, products whose results
fit the cache are several times faster than one stacked, batched product over all sites.
"""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Executor

import torch
from torch import Tensor

from circuitscope.config import TrainConfig
from circuitscope.dictionaries.base import Dictionary
from circuitscope.dictionaries.training.site_trainer import SiteTrainer
from circuitscope.dictionaries.training.stream import Batch
from circuitscope.errors import BadInput, argument
from circuitscope.terms import Site


class Trainer:
    """The dictionaries of several sites while they are trained."""

    def __init__(self, first: Batch, config: TrainConfig) -> None:
        for site, x in first.items():
            n_features = config.features_of(x.shape[1])
            if config.k > n_features:
                raise BadInput(
                    f"k = {config.k} at {site}, whose dictionary has {n_features} features",
                    expected="a k of at most the number of features",
                    mend=f"lower {argument('k')} or raise {argument('features')}",
                )
        self.sites = {site: SiteTrainer(x, config, site.name) for site, x in first.items()}
        self.errors: dict[Site, Tensor] = {}

    def step(self, batch: Batch, number: int, pool: Executor) -> None:
        """Train every site on its activations, each in a task of its own."""
        errors = pool.map(lambda site: self.sites[site].step(batch[site], number), batch)
        self.errors = dict(zip(batch, errors, strict=True))

    def check_finite(self, number: int) -> None:
        """Raise BadInput, naming the site, if its loss is no longer a finite number."""
        for site, error in self.errors.items():
            if not bool(torch.isfinite(error)):
                raise BadInput(
                    f"the training of {site} diverged: its loss is {float(error)} at step {number}",
                    expected="a finite loss",
                    mend=f"lower {argument('learning_rate')}; if it happens at once, the model may hold NaN",
                )

    @property
    def n_dead(self) -> int:
        """Dead features of all sites."""
        return sum(int(trainer.dead.sum()) for trainer in self.sites.values())

    def mean_error(self) -> float:
        """The last step's mean squared error per dimension, averaged over sites."""
        return float(torch.stack(list(self.errors.values())).mean())

    def dictionaries(self) -> dict[Site, Dictionary]:
        return {site: trainer.dictionary() for site, trainer in self.sites.items()}

    def state(self) -> dict[str, Tensor]:
        return {
            f"{site}/{name}": value
            for site, trainer in self.sites.items()
            for name, value in trainer.state().items()
        }

    def restore(self, state: Mapping[str, Tensor]) -> None:
        for site, trainer in self.sites.items():
            front = f"{site}/"
            trainer.restore({n.removeprefix(front): v for n, v in state.items() if n.startswith(front)})
