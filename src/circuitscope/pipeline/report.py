"""report as a stage: what a run found, as a page that a person can read anywhere.

A run folder gets ``report/`` with ``index.html`` and ``report.json``. In a folder of run folders, each run whose
report is missing or out of date gets one, and ``report/index.html`` links to them all.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

from circuitscope.bundled import BUNDLED
from circuitscope.config import ReportConfig, WorkersConfig, settings_from
from circuitscope.dashboards import Reading, known_contexts, known_tokens, node_activations
from circuitscope.errors import BadFile, BadInput, argument
from circuitscope.pages.page import (
    ExampleText,
    IndexRow,
    LookedUp,
    Report,
    ReportPage,
    RunOrigin,
    html_of,
    index_html,
    make_report,
    read_report,
)
from circuitscope.pipeline.open_run import open_run
from circuitscope.results import (
    Circuit,
    FeatureDashboard,
    NodeActivity,
    Sweep,
    groups_of,
    read_sweep,
    to_plain,
)
from circuitscope.runs import (
    CIRCUIT,
    CLASSIFIER_CIRCUIT,
    DONE,
    INDEX,
    MANIFEST,
    OUT_OF_DATE,
    REPORT,
    SHIFT,
    SWEEP,
    Write,
    is_there,
    kind_of,
    made_from,
    new_folder,
    read_manifest,
    refuse_existing,
    runs_in,
    status,
    write_json,
    write_manifest,
    write_stage,
)
from circuitscope.sources import Loaded, discovery_examples, reopen
from circuitscope.tasks import Example, Task, language
from circuitscope.terms import Site
from circuitscope.work import NOTHING_SHARED, Progress, Unit, engine_for, refuse_failures, shown, silent
from circuitscope.workspace import DashboardCache

PAGE = "index.html"
BUNDLED_SEED, BUNDLED_DOCUMENTS = 2, 3000
"""Text of the bundled language that neither the model nor the dictionaries were trained on."""
_EXAMPLES_SHOWN = 3
_TOKENS_SHOWN = 10


def report(
    circuit: Circuit | str | Path,
    *,
    text: str | Path = "",
    nodes: int = 40,
    contexts: int = 8,
    context: int = 64,
    tokens: int = 200_000,
    errors_in_picture: str = "strong",
    cache: bool = True,
    out: str | Path = "",
    batch_size: int = 32,
    device: str = "auto",
    dtype: str = "auto",
    overwrite: bool = False,
    progress: Progress | bool | None = None,
) -> ReportPage:
    """Write a circuit as one page for a reader, or a page for each run of a folder and one that links to them.

    Args:
        circuit: a circuit, the path of its run folder, or a folder of run folders.
        text: a text file to look for the features' contexts in; by default the task's own examples, or the model's
            own text if circuitscope has one.
        nodes: how many of the strongest nodes get contexts and promoted tokens.
        contexts: how many contexts to show for a feature.
        context: how many tokens the model reads at a time while looking for contexts.
        tokens: read at most this many tokens of the text.
        errors_in_picture: which errors the picture draws: ``strong`` adds those at the other end of a drawn node's
            strongest edge to the strongest nodes, ``always`` adds all, ``never`` leaves errors out.
        cache: take what is already known about features from the workspace, and keep there what is new.
        out: the folder to write instead of ``report`` in the run folder; a circuit that is not saved needs one.
        batch_size: contexts that go through the model together.
        device: where to run.
        dtype: number format of the model and the dictionaries; ``auto`` takes the circuit's own.
        overwrite: replace an earlier report.
        progress: shown by default; False is silent, a function is called with (done, total, what).

    Returns:
        The page: ``.path`` is where it is, ``open`` takes it, and a notebook shows it.

    Raises:
        BadFile: it is not a run folder, or the text cannot be read.
        BadInput: the model or the dictionaries are not those of the circuit, or it is neither a circuit nor a path.
    """
    if not isinstance(circuit, Circuit | str | Path):
        raise BadInput(
            f"a report of a {type(circuit).__name__}",
            expected="a circuit, or the path of a run folder",
            mend="call it as report(circuit, …)",
        )
    given = {**asdict(WorkersConfig()), **locals(), "text": os.fspath(text), "out": os.fspath(out)}
    config = settings_from(ReportConfig, given)
    with shown(progress) as tell:
        if isinstance(circuit, Circuit):
            return ReportPage(_report_circuit(circuit, config, overwrite, tell))
        return ReportPage(run_report(Path(circuit).expanduser(), config, overwrite=overwrite, progress=tell))


def run_report(
    run: Path, config: ReportConfig, *, overwrite: bool = False, progress: Progress = silent
) -> Path:
    """The report of a run, or of every run of a collection with an index; returns the page's path.

    In a collection, reports that are up to date stay unless ``overwrite`` is given.
    """
    runs = runs_in(run)
    if not runs:
        return _report_run(run, config, overwrite, progress)
    _refuse_collection(run, runs, config)
    return complete_reports(run, config, overwrite=overwrite, progress=progress)


def _refuse_collection(folder: Path, runs: list[Path], config: ReportConfig) -> None:
    """Raise BadInput where the reports of a collection cannot be written as asked for."""
    if config.out:
        raise BadInput(
            f"{folder} is a collection of {len(runs)} runs, whose index links to their own reports",
            expected=f"no {argument('out')}",
            mend=f"leave out {argument('out')}, or name one run",
        )
    refuse_existing(REPORT.in_(folder), overwrite=True, kind=INDEX)


def runs_to_report(run: Path, config: ReportConfig, *, overwrite: bool) -> list[Path]:
    """The runs that ``run_report`` would report: one run, or those of a collection that need it."""
    runs = runs_in(run)
    if not runs:
        return [run]
    _refuse_collection(run, runs, config)
    return _without_report(runs, overwrite)


def _without_report(runs: list[Path], overwrite: bool) -> list[Path]:
    return [run for run in runs if overwrite or status(run)[REPORT.name].state != DONE]


def complete_reports(
    folder: Path, config: ReportConfig, *, overwrite: bool = False, progress: Progress = silent
) -> Path:
    """Make a collection's missing or outdated reports, and its index; returns the index's path.

    Raises:
        WorkFailed: some runs could not be reported; the index has the others.
    """
    runs = runs_in(folder)
    units = [
        Unit(run.name, partial(_report_unit, run=run, config=config))
        for run in _without_report(runs, overwrite)
    ]
    engine = engine_for(config.workers, config.engine, config.address)
    outcomes = list(engine.run(NOTHING_SHARED, units, progress=progress, what="reports"))
    page = REPORT.in_(folder) / PAGE
    reported = [run for run in runs if is_there(run, REPORT)]
    if reported:
        page = _write_index(folder, reported)
    refuse_failures(outcomes, "reports")
    return page


def _report_unit(_: None, *, run: Path, config: ReportConfig) -> None:
    with shown() as tell:
        _report_run(run, config, True, tell)


@dataclass(frozen=True)
class PreparedReport:
    """A run's report that is ready to be made."""

    run: Path
    folder: Path
    text: str | None
    origins: Mapping[str, str]
    circuit: Circuit
    loaded: Loaded

    def features(self, config: ReportConfig) -> list[tuple[Site, int]]:
        """The features that get contexts and tokens."""
        return _features_of(self.circuit, config)


def prepare_report(
    run: Path, config: ReportConfig, *, overwrite: bool, progress: Progress = silent
) -> PreparedReport:
    """Check that a run's report may be written, and load what it is made from."""
    folder = Path(config.out).expanduser() if config.out else REPORT.in_(run)
    refuse_existing(folder, overwrite=overwrite, kind=REPORT.kind)
    text = read_text(config.text)
    _refuse_shift(run)
    origins = made_from(run, REPORT) if (run / MANIFEST).is_file() else {}
    circuit, loaded = open_run(run, device=config.device, dtype=config.dtype, progress=progress)
    return PreparedReport(run, folder, text, origins, circuit, loaded)


def documents_for(prepared: PreparedReport, config: ReportConfig) -> tuple[str | list[str], str]:
    """Where a report looks for contexts, and a phrase that says so."""
    source = prepared.circuit.made_by.model.source or ""
    return _documents(prepared.text, source, prepared.loaded.task, config)


def _report_run(run: Path, config: ReportConfig, overwrite: bool, progress: Progress) -> Path:
    ready = prepare_report(run, config, overwrite=overwrite, progress=progress)
    found = _with_dashboards(ready.circuit, ready.loaded, ready.text, config, progress, run=run)
    write_stage(
        run,
        REPORT,
        _writer(found),
        _recorded(config),
        origins=ready.origins,
        out=ready.folder,
        overwrite=overwrite,
    )
    return ready.folder / PAGE


def _report_circuit(circuit: Circuit, config: ReportConfig, overwrite: bool, progress: Progress) -> Path:
    """The report of a circuit that is a value, and may be nowhere on disk."""
    if not config.out:
        raise BadInput(
            f"a report of a circuit without {argument('out')}",
            expected="a folder to write, since a circuit does not say which run folder it is in",
            mend=f"add {argument('out')}, or give the path of the run folder instead",
        )
    folder = Path(config.out).expanduser()
    refuse_existing(folder, overwrite=overwrite, kind=REPORT.kind)
    text = read_text(config.text)
    loaded = _parts_of(circuit, config, progress)
    found = _with_dashboards(circuit, loaded, text, config, progress)
    write_stage(
        folder, REPORT, _writer(found), _recorded(config), origins={}, out=folder, overwrite=overwrite
    )
    return folder / PAGE


def _parts_of(circuit: Circuit, config: ReportConfig, progress: Progress) -> Loaded:
    """Model, dictionaries and task of a circuit that is not in a run folder."""
    return reopen(circuit, device=config.device, dtype=config.dtype, progress=progress)


def _refuse_shift(run: Path) -> None:
    if kind_of(run) == SHIFT:
        raise BadInput(
            f"{run} is the folder of a SHIFT, which has no report of its own",
            expected="the run folder of a circuit",
            mend=f"report its circuit: circuitscope report {CLASSIFIER_CIRCUIT.in_(run)}",
        )


def _writer(found: Report) -> Write:
    def write(draft: Path) -> None:
        write_json(draft / REPORT.file, to_plain(found))
        (draft / PAGE).write_text(html_of(found), encoding="utf-8")

    return write


def _recorded(config: ReportConfig) -> ReportConfig:
    """The settings without the places of files, which do not belong in a result."""
    return replace(config, text=Path(config.text).name, out="")


def _with_dashboards(
    circuit: Circuit,
    loaded: Loaded,
    text: str | None,
    config: ReportConfig,
    progress: Progress,
    *,
    run: Path | None = None,
) -> Report:
    features = _features_of(circuit, config)
    source = circuit.made_by.model.source or ""
    documents, phrase = _documents(text, source, loaded.task, config)
    cache = DashboardCache() if config.cache else None
    bos = circuit.made_by.settings.bos
    reading = Reading(config.contexts, config.context, config.tokens, bos, config.batch_size)
    contexts = known_contexts(
        loaded.model, loaded.dictionaries, features, documents, reading, cache=cache, progress=progress
    )
    tokens = known_tokens(loaded.model, loaded.dictionaries, features, count=_TOKENS_SHOWN, cache=cache)
    groups = None if run is None else groups_of(run, circuit)
    return make_report(
        circuit,
        known=LookedUp(
            [FeatureDashboard(*pair) for pair in zip(contexts, tokens, strict=True)],
            phrase,
            _activities(circuit, loaded, config) if groups is None else groups.activities,
        ),
        examples=_shown_examples(loaded.task, circuit),
        sweep=None if run is None else _sweep_of(run),
        run=None if run is None else _origin_of(run),
        groups=groups,
        errors_in_picture=config.errors_in_picture,
    )


def _features_of(circuit: Circuit, config: ReportConfig) -> list[tuple[Site, int]]:
    strongest = [circuit.ids[row] for row in circuit.nodes.strongest()[: config.nodes]]
    return list(dict.fromkeys((node.site, node.feature) for node in strongest if not node.is_error))


def _origin_of(run: Path) -> RunOrigin:
    manifest = read_manifest(run, CIRCUIT)
    return RunOrigin(run.name, str(manifest.get("created", "")), dict(manifest.get("versions") or {}))


def _activities(circuit: Circuit, loaded: Loaded, config: ReportConfig) -> tuple[NodeActivity, ...]:
    """On which of the texts that the circuit was discovered on its nodes are active."""
    seen = node_activations(
        loaded.model,
        loaded.dictionaries,
        circuit.ids,
        discovery_examples(circuit, loaded),
        bos=circuit.made_by.settings.has_bos,
        batch_size=config.batch_size,
    )
    return seen.activities()


def default_text(model_source: str) -> str | None:
    """The text that belongs to a model that comes with circuitscope; None for every other model."""
    return language.text(BUNDLED_DOCUMENTS, BUNDLED_SEED) if model_source == BUNDLED else None


def _documents(
    text: str | None, model_source: str, task: Task, config: ReportConfig
) -> tuple[str | list[str], str]:
    """Where to look for contexts, and a phrase that says so."""
    if text is not None:
        return text, f"{Path(config.text).name}"
    own = default_text(model_source)
    if own is not None:
        return own, "new text of the language that this model was trained on"
    examples = (*task.train, *task.test)
    documents = [document for example in examples for document in _texts_of(example)]
    return list(
        dict.fromkeys(documents)
    ), "the task's own examples, since no other text was given (report --text)"


def _texts_of(example: Example) -> list[str]:
    """Both sides with their answers, so that something follows the prefix."""
    found = [example.clean_prefix + example.clean_answer[0]]
    if example.patch_prefix is not None:
        found.append(example.patch_prefix + example.patch_answer[0])
    return found


def read_text(path: str) -> str | None:
    """A text file in UTF-8; None for no path."""
    if not path:
        return None
    try:
        return Path(path).expanduser().read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise BadFile(
            f"the text {path} cannot be read: {error}", expected="a text file in UTF-8", mend="check the path"
        ) from error


def _shown_examples(task: Task, circuit: Circuit) -> list[ExampleText]:
    """A few examples, of different cases if the task names them."""
    split: tuple[Example, ...] = getattr(task, circuit.made_by.settings.split)
    by_case = {example.case: example for example in reversed(split)}
    chosen = list(dict.fromkeys([*reversed(by_case.values()), *split]))[:_EXAMPLES_SHOWN]
    return [
        ExampleText(
            example.clean_prefix,
            " / ".join(answer.strip() for answer in example.clean_answer),
            example.patch_prefix,
            " / ".join(answer.strip() for answer in example.patch_answer),
        )
        for example in chosen
    ]


def _sweep_of(run: Path) -> Sweep | None:
    path = SWEEP.path(run)
    return read_sweep(path) if path.is_file() else None


def _write_index(folder: Path, runs: list[Path]) -> Path:
    rows = []
    for run in runs:
        found = read_report(REPORT.in_(run))
        now = status(run)[REPORT.name]
        rows.append(
            IndexRow(
                run.name,
                f"../{run.name}/{REPORT.name}/{PAGE}",
                found.question,
                found.n_nodes,
                found.n_edges,
                found.evaluation,
                now.note if now.state == OUT_OF_DATE else "",
            )
        )
    with new_folder(REPORT.in_(folder), overwrite=True) as draft:
        (draft / PAGE).write_text(index_html(folder.resolve().name, rows), encoding="utf-8")
        write_manifest(draft, INDEX, {"runs": [run.name for run in runs]})
    return REPORT.in_(folder) / PAGE
