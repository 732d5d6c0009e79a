"""A stage of a circuit's run that is ready to start.

Every stage is three functions: ``prepare_stage`` refuses what cannot be done and loads what is needed, ``…_step``
does the work and writes nothing, and ``finish_…`` writes the stage's folder; ``run_…`` does all three. A program
that shows a stage in progress calls them one by one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic

from circuitscope.config import AblationConfig, ConfigType
from circuitscope.evaluation import refuse_ablation, refuse_unranked
from circuitscope.results import Circuit, load
from circuitscope.runs import Stage, Write, made_from, refuse_existing, write_stage
from circuitscope.sources import Loaded, reopen
from circuitscope.work import Progress


@dataclass(frozen=True)
class PreparedStage(Generic[ConfigType]):
    """A stage with everything that it works on."""

    stage: Stage
    run: Path
    circuit: Circuit
    loaded: Loaded
    config: ConfigType
    origins: Mapping[str, str]
    """What it is made from, as it was when the stage began."""
    overwrite: bool
    progress: Progress

    def write(self, write: Write) -> None:
        """Write the stage's folder."""
        write_stage(self.run, self.stage, write, self.config, origins=self.origins, overwrite=self.overwrite)


def prepare_stage(
    run: Path,
    stage: Stage,
    config: ConfigType,
    *,
    overwrite: bool,
    progress: Progress,
    needs_ranking: bool = False,
) -> PreparedStage[ConfigType]:
    """Check that a stage may be written, and open the circuit with what it was made from.

    Args:
        config: the stage's settings, among them ``device`` and ``dtype``.
        needs_ranking: whether it chooses among all candidates of the discovery.

    Raises:
        BadFile: ``run`` is not a run folder, or something it needs is gone.
        BadInput: the stage already exists and ``overwrite`` is not given, what it is made from changed, or the
            circuit does not go with the settings.
    """
    refuse_existing(stage.in_(run), overwrite=overwrite, kind=stage.kind)
    origins = made_from(run, stage)
    circuit = load(run)
    if isinstance(config, AblationConfig):
        refuse_ablation(circuit, config)
    if needs_ranking:
        refuse_unranked(circuit)
    place: Any = config
    loaded = reopen(circuit, device=place.device, dtype=place.dtype, progress=progress)
    return PreparedStage(stage, run, circuit, loaded, config, origins, overwrite, progress)
