"""Exports of a saved run for other programs: Neuronpedia's graphs, GraphML, tables. No torch, no model.

Labels and the example text come from the run's report, where there is one.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from circuitscope.errors import BadInput
from circuitscope.pages.exports.export_csv import csv_tables
from circuitscope.pages.exports.export_graphml import graphml
from circuitscope.pages.exports.export_neuronpedia import neuronpedia
from circuitscope.pages.page.make_report import headings_of, lines_of
from circuitscope.pages.report_content import read_report
from circuitscope.results import Circuit, Groups, groups_of, load
from circuitscope.runs import (
    CIRCUIT,
    explained_disk,
    new_folder,
    read_manifest,
    refuse_existing,
    write_file,
    write_manifest,
)
from circuitscope.terms import NodeId

FORMATS = ("neuronpedia", "graphml", "csv")


@dataclass(frozen=True)
class Exported:
    """A circuit with what an export says about it besides."""

    circuit: Circuit
    labels: Mapping[NodeId, str]
    """A few words per node, where they are known."""
    headings: Mapping[int, str]
    """Position → token, where positions are kept."""
    prompt: str
    """An example of the task, or its name."""
    name: str
    created: str
    """When it was discovered, in ISO 8601."""
    groups: Groups | None
    """What ``group`` found."""


def open_for_export(run: Path) -> Exported:
    """A run folder's circuit with the labels of its report."""
    circuit = load(run)
    created = str(read_manifest(run, CIRCUIT).get("created", ""))
    prompt, labels = circuit.task, {}
    if (run / "report").is_dir():
        report = read_report(run / "report")
        known = {
            (item.site, item.feature): " ".join(filter(None, lines_of(item))) for item in report.features
        }
        labels = {
            node: known[node.site.name, node.feature]
            for node in circuit.ids
            if known.get((node.site.name, node.feature))
        }
        if report.question.examples:
            prompt = report.question.examples[0].clean_prefix
    return Exported(
        circuit, labels, headings_of(circuit), prompt, run.resolve().name, created, groups_of(run, circuit)
    )


def export_run(run: str | Path, format: str, out: str | Path, *, overwrite: bool = False) -> Path:
    """Write a run in another program's format.

    Args:
        format: ``neuronpedia`` (a graph file of Neuronpedia and circuit-tracer), ``graphml``, or ``csv`` (a
            folder with nodes.csv and edges.csv).
        out: the file or folder to write.

    Raises:
        BadInput: an unknown format, or something is at ``out`` already.
    """
    if format not in FORMATS:
        raise BadInput(f"--format {format!r}", expected=" or ".join(FORMATS), mend="use one of these")
    path = Path(out).expanduser()
    refuse_existing(path, overwrite=overwrite)
    found = open_for_export(Path(run))
    if format == "csv":
        with new_folder(path, overwrite=overwrite) as draft:
            for name, table in csv_tables(found.circuit, found.labels, found.headings).items():
                (draft / name).write_text(table, encoding="utf-8", newline="")
            write_manifest(draft, "export", {"run": found.name})
        return path
    if path.is_dir():
        raise BadInput(f"{path} is a folder", expected="a file to write", mend="name a file in it")
    if format == "graphml":
        content = graphml(found.circuit, found.labels, found.headings)
    else:
        graph = neuronpedia(
            found.circuit,
            found.labels,
            found.headings,
            prompt=found.prompt,
            name=found.name,
            created=found.created,
            groups=found.groups,
        )
        content = (json.dumps(graph, indent=1, allow_nan=False) + "\n").encode()
    with explained_disk(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    write_file(path, content)
    return path
