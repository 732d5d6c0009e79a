"""What a discovery would take: a discovery on its first batch, timed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from circuitscope.config import DiscoverConfig, DiscoverySettings
from circuitscope.discovery import Work, discover_circuit
from circuitscope.effects import budget_of
from circuitscope.pipeline.discover import prepare_discover
from circuitscope.pipeline.dry_run.measure import timed, weights_of
from circuitscope.results import Circuit, DryRun, WorkPart
from circuitscope.sources import Loaded
from circuitscope.tasks import longest_kept
from circuitscope.work import Progress, partial_folder, silent, step

BUDGET = "the weights and the budget of --memory"


@dataclass(frozen=True)
class TrialDiscovery:
    """A discovery on few examples."""

    circuit: Circuit
    seconds: float
    """For each example."""
    examples: int
    """How many examples the whole discovery has."""

    @property
    def measured(self) -> str:
        used = self.circuit.findings.examples
        return f"a discovery on {used} examples took {self.seconds * used:.2g} s"

    def part(self, what: str = "node and edge effects", times: int = 1, *, finished: int = 0) -> WorkPart:
        """The whole discovery, several times over, less the examples that are finished."""
        left = max(0, self.examples - finished) * times
        return WorkPart(what, left, "examples", left * self.seconds)


def try_discovery(loaded: Loaded, settings: DiscoverySettings, *, most: int = 16) -> TrialDiscovery:
    """Discover on the first examples, at most one batch of them."""
    few = replace(settings, examples=min(settings.batch_size, settings.examples, most))
    circuit, seconds = timed(lambda: discover_circuit(loaded, few, Work(trial=True)))
    usable, _ = loaded.task.encode(
        settings.split,
        loaded.model.tokenizer,
        bos=circuit.made_by.settings.has_bos,
        limit=settings.examples,
        longest=longest_kept(loaded.model, settings.truncate),
    )
    return TrialDiscovery(circuit, seconds / max(1, circuit.findings.examples), len(usable))


def dry_run_discover(
    config: DiscoverConfig, *, overwrite: bool = False, progress: Progress = silent
) -> DryRun:
    """What ``run_discover`` would take; writes nothing."""
    prepared = prepare_discover(config, overwrite=overwrite, progress=progress)
    loaded = prepared.loaded
    with step(progress, "a trial"):
        trial = try_discovery(loaded, config.settings)
    batches = len(list(partial_folder(Path(config.out).expanduser()).glob("nodes-*.safetensors")))
    notes = (f"{batches} batches of an earlier run are already done",) if batches else ()
    return DryRun(
        parts=(trial.part(),),
        measured=trial.measured,
        memory=weights_of(loaded.model, loaded.dictionaries) + budget_of(config.memory, loaded.model.device),
        memory_is=BUDGET,
        writes=(config.out,),
        about={
            "examples": str(trial.examples),
            "sites": f"{len(loaded.dictionaries)}, with "
            f"{sum(item.n_features for item in loaded.dictionaries.values()):,} features in all",
        },
        notes=notes,
    )
