"""report as a stage: what a run found, as a page that a person can read anywhere.

A run folder gets ``report/`` with ``index.html`` and ``report.json``. A folder of run folders gets a report in
each run that has none yet, and ``report/index.html``, which links to them.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

from circuitscope.bundled import BUNDLED
from circuitscope.config import ReportConfig
from circuitscope.dashboards import node_activations, promoted_tokens, top_contexts
from circuitscope.errors import BadFile, BadInput
from circuitscope.pages.page import (
    ExampleText,
    IndexRow,
    Report,
    html_of,
    index_html,
    make_report,
    read_report,
)
from circuitscope.pipeline.open_run import Loaded, open_run
from circuitscope.results import KIND, Circuit, FeatureDashboard, NodeActivity, groups_of
from circuitscope.runs import (
    MANIFEST,
    REPORT,
    new_folder,
    read_json,
    read_manifest,
    refuse_existing,
    write_json,
    write_manifest,
)
from circuitscope.tasks import Example, Task, language
from circuitscope.work import NOTHING_SHARED, Progress, Unit, engine_for, refuse_failures, shown, silent

STAGE = REPORT.name
INDEX = "index.html"
BUNDLED_SEED, BUNDLED_DOCUMENTS = 2, 3000
"""Text of the bundled language that neither model nor dictionaries were trained on."""
_EXAMPLES_SHOWN = 3
_TOKENS_SHOWN = 10


def report(
    run: str | Path,
    *,
    overwrite: bool = False,
    progress: Progress | bool | None = None,
    **settings: Any,
) -> Path:
    """Write the report of a run folder, or of a folder of run folders; returns the page's path.

    Args:
        run: what ``discover`` wrote, or a folder with several of these.
        overwrite: replace an earlier report.
        progress: shown by default; False is silent, a function is called with (done, total, what).
        settings: the fields of ``circuitscope.config.ReportConfig``, such as ``text``, ``nodes`` and ``out``.

    Raises:
        BadFile: it is no run folder, or the text cannot be read.
        BadInput: the model or the dictionaries are not those of the run; a setting does not exist.
    """
    unknown = sorted(set(settings) - set(ReportConfig.__dataclass_fields__))
    if unknown:
        raise BadInput(
            f"a report has no setting {', '.join(unknown)}",
            expected=", ".join(ReportConfig.__dataclass_fields__),
        )
    plain: dict[str, Any] = {
        name: os.fspath(value) if isinstance(value, Path) else value for name, value in settings.items()
    }
    config = ReportConfig(**plain)
    with shown(progress) as tell:
        return run_report(Path(run), config, overwrite=overwrite, progress=tell)


def run_report(
    run: Path, config: ReportConfig, *, overwrite: bool = False, progress: Progress = silent
) -> Path:
    """The report of a run, or of every run of a collection with an index; returns the page's path."""
    runs = _runs_in(run)
    if not runs:
        return _report_one(run, config, overwrite, progress)
    if config.out:
        raise BadInput(
            f"{run} is a collection of {len(runs)} runs, whose index links to their own reports",
            expected="no --out",
            mend="leave --out away, or name one run",
        )
    if all((one / STAGE).exists() for one in runs):
        refuse_existing(run / STAGE, overwrite=overwrite)
    return complete_reports(run, config, overwrite=overwrite, progress=progress)


def complete_reports(
    folder: Path, config: ReportConfig, *, overwrite: bool = False, progress: Progress = silent
) -> Path:
    """The reports that runs of a collection lack, or all, and its index anew; returns the index's path.

    Raises:
        WorkFailed: some runs could not be reported; the index has the others.
    """
    runs = _runs_in(folder)
    units = [
        Unit(run.name, partial(_report_unit, run=run, config=config, overwrite=overwrite))
        for run in runs
        if overwrite or not (run / STAGE).exists()
    ]
    engine = engine_for(config.workers)
    outcomes = list(engine.run(NOTHING_SHARED, units, progress=progress, what="reports"))
    reported = [run for run in runs if (run / STAGE).exists()]
    if reported:
        _write_index(folder, reported, overwrite=True)
    refuse_failures(outcomes, "reports")
    return folder / STAGE / INDEX


def _report_unit(_: None, *, run: Path, config: ReportConfig, overwrite: bool) -> None:
    with shown() as tell:
        _report_one(run, config, overwrite, tell)


def _runs_in(folder: Path) -> list[Path]:
    """The run folders in a folder that is none itself."""
    if _is_run(folder) or not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if path.name[0] != "." and _is_run(path))


def _is_run(folder: Path) -> bool:
    manifest = folder / MANIFEST
    if not manifest.is_file():
        return False
    value = read_json(manifest)
    return isinstance(value, dict) and value.get("kind") == KIND


def _report_one(run: Path, config: ReportConfig, overwrite: bool, progress: Progress) -> Path:
    folder = Path(config.out).expanduser() if config.out else run / STAGE
    refuse_existing(folder, overwrite=overwrite, kind=STAGE)
    text = read_text(config.text)
    circuit, parts = open_run(run, device=config.device, dtype=config.dtype, progress=progress)
    found = _with_dashboards(run, circuit, parts, text, config, progress)
    with new_folder(folder, overwrite=overwrite) as draft:
        write_json(draft / REPORT.file, asdict(found))
        (draft / INDEX).write_text(html_of(found), encoding="utf-8")
        # Where the text lies is nobody's business in a result.
        settings = asdict(replace(config, text=Path(config.text).name, out=""))
        write_manifest(draft, STAGE, {"config": settings})
    return folder / INDEX


def _with_dashboards(
    run: Path, circuit: Circuit, parts: Loaded, text: str | None, config: ReportConfig, progress: Progress
) -> Report:
    manifest = read_manifest(run, KIND)
    strongest = [circuit.ids[row] for row in circuit.nodes.strongest()[: config.nodes]]
    features = list(dict.fromkeys((node.site, node.feature) for node in strongest if not node.is_error))
    source = str(manifest["config"].get("model", ""))
    documents, phrase = _documents(text, source, parts.task, config)
    contexts = top_contexts(
        parts.model,
        parts.dictionaries,
        features,
        documents,
        count=config.contexts,
        context=config.context,
        tokens=config.tokens,
        bos="yes" if circuit.info["bos"] else "no",
        batch_size=config.batch_size,
        progress=progress,
    )
    tokens = promoted_tokens(parts.model, parts.dictionaries, features, count=_TOKENS_SHOWN)
    groups = groups_of(run, circuit)
    return make_report(
        circuit,
        features=[FeatureDashboard(*pair) for pair in zip(contexts, tokens, strict=True)],
        examples=_shown_examples(parts.task, circuit),
        text_read=phrase,
        sweep=_sweep_of(run),
        manifest=manifest,
        run=run.name,
        activities=_activities(circuit, parts, config) if groups is None else groups.activities,
        groups=groups,
    )


def _activities(circuit: Circuit, parts: Loaded, config: ReportConfig) -> tuple[NodeActivity, ...]:
    """On which of the texts that the circuit was discovered on its nodes are active."""
    bos = bool(circuit.info["bos"])
    examples, _ = parts.task.encode(
        str(circuit.info["split"]), parts.model.tokenizer, bos=bos, limit=int(circuit.info["examples"])
    )
    seen = node_activations(
        parts.model, parts.dictionaries, circuit.ids, examples, bos=bos, batch_size=config.batch_size
    )
    return seen.activities()


def default_text(model_source: str) -> str | None:
    """The text that belongs to a model which circuitscope brings along; None for every other model."""
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
    return list(dict.fromkeys(documents)), "the task's own examples, since no other text was given (--text)"


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
        return Path(path).expanduser().read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadFile(
            f"the text {path} cannot be read: {error}", expected="a text file in UTF-8", mend="check the path"
        ) from error


def _shown_examples(task: Task, circuit: Circuit) -> list[ExampleText]:
    """A few examples, of different cases if the task names them."""
    split: tuple[Example, ...] = getattr(task, str(circuit.info["split"]))
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


def _sweep_of(run: Path) -> Mapping[str, Any] | None:
    path = run / "sweep" / "sweep.json"
    return dict(read_json(path)) if path.is_file() else None


def _write_index(folder: Path, runs: list[Path], overwrite: bool) -> Path:
    rows = []
    for run in runs:
        found = read_report(run / STAGE)
        rows.append(
            IndexRow(
                run.name,
                f"../{run.name}/{STAGE}/{INDEX}",
                found.question,
                found.n_nodes,
                found.n_edges,
                found.evaluation,
            )
        )
    with new_folder(folder / STAGE, overwrite=overwrite) as draft:
        (draft / INDEX).write_text(index_html(folder.resolve().name, rows), encoding="utf-8")
        write_manifest(draft, "reports", {"runs": [run.name for run in runs]})
    return folder / STAGE / INDEX
