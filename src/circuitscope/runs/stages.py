"""The stages of a run: which folders it can have, which command writes each, and what each is made from.

A run of kind ``run`` is a circuit:

    RUN/manifest.json   discover   the circuit and its recipe
    RUN/evaluation/     evaluate   faithfulness and completeness
    RUN/sweep/          sweep      the same against circuit size
    RUN/prune/          prune      a smaller circuit, with a run folder of its own in it
    RUN/group/          group      supernodes
    RUN/report/         report     the page

A run of kind ``shift`` edits a classifier:

    RUN/manifest.json              what it is about: model, dictionaries and data, with their hashes
    RUN/classifier/     train      the probe
    RUN/circuit/        effects    the probe's circuit: a run folder like any other
    RUN/judging/        judge      where the sheet of verdicts is, and who judges
    RUN/removed/        apply      the features that the verdicts remove, and the sheet
    RUN/retrained/      retrain    the probe trained again without them
    RUN/scores/         evaluate   what each version gets right
    RUN/comparison/     compare    baselines, skylines and simpler ways to choose

A run of kind ``behaviours`` looks for behaviours in plain text:

    RUN/manifest.json                what it is about: model, dictionaries and text
    RUN/contexts/       contexts     tokens that the model predicts well, with what came before
    RUN/vectors/NAME/   vectors      what each context becomes, in as many ways as are asked for
    RUN/clusters/NAME/  cluster      contexts whose vectors point the same way

Every stage records what it was made from (``made_from``), so that what is out of date is known. Nothing here needs a
model or torch.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from circuitscope.runs.files import MANIFEST

CIRCUIT, SHIFT, BEHAVIOURS = "run", "shift", "behaviours"
"""The kinds of run."""

RUN = "run"
"""What the first stage is made from: the run's own manifest."""

PARTIAL = ".partial"
"""How the hidden folder beside a stage that keeps what is done of it ends."""

INDEX = "reports"
"""The kind of a collection's ``report`` folder: the page that links to the reports of its runs."""


@dataclass(frozen=True)
class Stage:
    """A folder of a run."""

    name: str
    """The folder's name, which is also the kind that its manifest states unless ``kind`` says otherwise."""
    verb: str
    """The command that writes it, without the program's name."""
    file: str
    """Its main file."""
    made_from: tuple[str, ...] = (RUN,)
    """What it needs."""
    uses: tuple[str, ...] = ()
    """What it uses if it is there; if that is made later, the stage is out of date."""
    kind: str = ""
    """The kind that its manifest states."""
    usual: bool = True
    """Whether ``status`` proposes it as the next step."""
    prepares: str = ""
    """The stage that uses its result; once that is there, this one is no longer proposed."""
    inner: str = ""
    """A folder inside it that is a run of its own."""
    several: bool = False
    """Whether a run can have any number of it, each in a folder of its own inside this one (``called``)."""

    def __post_init__(self) -> None:
        if not self.kind:
            object.__setattr__(self, "kind", self.name)

    def in_(self, run: Path) -> Path:
        """Its folder in a run."""
        return run / self.name

    def path(self, run: Path) -> Path:
        """Its main file in a run."""
        return run / self.name / self.file

    def called(self, name: str, *, made_from: tuple[str, ...] | None = None) -> Stage:
        """One of several, by its own name: ``vectors/effects-sum``.

        Args:
            made_from: what this one needs, if that is not the same for all.
        """
        needs = self.made_from if made_from is None else made_from
        return replace(self, name=f"{self.name}/{name}", made_from=needs, several=False)

    def run_in(self, run: Path) -> Path:
        """The run folder that it holds, or that it is itself."""
        return run / self.name / self.inner


EVALUATION = Stage("evaluation", "evaluate", "evaluation.json")
SWEEP = Stage("sweep", "sweep", "sweep.json", usual=False)
PRUNE = Stage("prune", "prune", "prune.json", usual=False, inner="circuit")
GROUP = Stage("group", "group", "groups.json", usual=False)
REPORT = Stage("report", "report", "report.json", uses=("evaluation", "sweep", "group"))

CLASSIFIER = Stage("classifier", "shift train", "classifier.safetensors")
CLASSIFIER_CIRCUIT = Stage(
    "circuit", "shift effects", "circuit.safetensors", made_from=("classifier",), kind=CIRCUIT
)
JUDGING = Stage("judging", "shift judge", MANIFEST, made_from=("circuit",), prepares="removed")
REMOVED = Stage("removed", "shift apply", "features.safetensors", made_from=("circuit",))
RETRAINED = Stage(
    "retrained",
    "shift retrain",
    "classifier.safetensors",
    made_from=("classifier", "removed"),
    kind=CLASSIFIER.kind,
)
SCORES = Stage(
    "scores", "shift evaluate", "scores.json", made_from=("classifier",), uses=("removed", "retrained")
)
COMPARISON = Stage(
    "comparison",
    "shift compare",
    "comparison.json",
    made_from=("classifier", "circuit", "removed"),
    usual=False,
)

CONTEXTS = Stage("contexts", "behaviours contexts", "contexts.parquet")
VECTORS = Stage("vectors", "behaviours vectors", MANIFEST, made_from=("contexts",), several=True)
CLUSTERS = Stage(
    "clusters", "behaviours cluster", "clusters.json", made_from=("contexts", "vectors"), several=True
)

STAGES: dict[str, tuple[Stage, ...]] = {
    CIRCUIT: (EVALUATION, SWEEP, PRUNE, GROUP, REPORT),
    SHIFT: (CLASSIFIER, CLASSIFIER_CIRCUIT, JUDGING, REMOVED, RETRAINED, SCORES, COMPARISON),
    BEHAVIOURS: (CONTEXTS, VECTORS, CLUSTERS),
}
"""The stages of each kind of run, in their order."""


def stage_named(kind: str, name: str) -> Stage:
    """A stage of a kind of run by the name of its folder: ``circuit``, ``vectors/effects-sum``."""
    first, _, own = name.partition("/")
    stage = next(stage for stage in STAGES[kind] if stage.name == first)
    return stage.called(own) if own else stage


def stages_in(run: Path, kind: str) -> list[Stage]:
    """The stages of a kind of run, where each of several that is there counts, finished or stopped, as one."""
    found: list[Stage] = []
    for stage in STAGES[kind]:
        names = names_in(stage.in_(run)) if stage.several else []
        found += [stage.called(name) for name in names] or [stage]
    return found


def names_in(folder: Path) -> list[str]:
    """The folders of several of a stage; of one that was stopped there is only what is kept of it."""
    if not folder.is_dir():
        return []
    there = {path.name for path in folder.iterdir() if path.is_dir()}
    stopped = {name[1:].removesuffix(PARTIAL) for name in there if name[0] == "." and name.endswith(PARTIAL)}
    return sorted({name for name in there if name[0] != "."} | stopped)
