"""Exports of a circuit for other programs: Neuronpedia's graphs, GraphML, tables. No torch, no model.

Labels and the example text come from the run's report, where there is one.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from circuitscope.errors import BadInput, argument
from circuitscope.pages.exports.export_csv import csv_tables
from circuitscope.pages.exports.export_graphml import graphml
from circuitscope.pages.exports.export_neuronpedia import neuronpedia
from circuitscope.pages.page.make_report import headings_of, lines_of
from circuitscope.pages.report_content import read_report
from circuitscope.results import Circuit, Groups, groups_of, load
from circuitscope.runs import (
    CIRCUIT,
    REPORT,
    explained_disk,
    is_there,
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
    """A circuit with what else an export says about it."""

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


def open_for_export(circuit: Circuit | str | Path) -> Exported:
    """A circuit with its headings; that of a run folder also with its groups, and the labels of its report."""
    if isinstance(circuit, Circuit):
        task = circuit.task
        return Exported(circuit, {}, headings_of(circuit), task, task, "", None)
    run = Path(circuit).expanduser()
    found = load(run)
    created = str(read_manifest(run, CIRCUIT).get("created", ""))
    prompt, labels = found.task, {}
    if is_there(run, REPORT):
        report = read_report(REPORT.in_(run))
        known = {
            (item.site, item.feature): " ".join(filter(None, lines_of(item))) for item in report.features
        }
        labels = {
            node: known[node.site.name, node.feature]
            for node in found.ids
            if known.get((node.site.name, node.feature))
        }
        if report.question.examples:
            prompt = report.question.examples[0].clean_prefix
    groups = groups_of(run, found)
    return Exported(found, labels, headings_of(found), prompt, run.resolve().name, created, groups)


def export(circuit: Circuit | str | Path, format: str, out: str | Path, *, overwrite: bool = False) -> Path:
    """Write a circuit in another program's format; needs neither the model nor torch.

    Args:
        circuit: a circuit, or the path of its run folder, which also gives the labels of its report and its groups.
        format: ``neuronpedia`` (a graph file of Neuronpedia and circuit-tracer), ``graphml``, or ``csv`` (a
            folder with nodes.csv and edges.csv).
        out: the file or folder to write.
        overwrite: replace what is there.

    Returns:
        The file or folder.

    Raises:
        BadFile: it is not a run folder.
        BadInput: an unknown format, something is at ``out`` already, or it is neither a circuit nor a path.
    """
    if not isinstance(circuit, Circuit | str | Path):
        raise BadInput(
            f"an export of a {type(circuit).__name__}",
            expected="a circuit, or the path of a run folder",
            mend="call it as export(circuit, format, out)",
        )
    if format not in FORMATS:
        raise BadInput(argument("format", format), expected=" or ".join(FORMATS), mend="use one of these")
    path = Path(out).expanduser()
    refuse_existing(path, overwrite=overwrite)
    found = open_for_export(circuit)
    if format == "csv":
        with new_folder(path, overwrite=overwrite) as draft:
            for name, table in csv_tables(found.circuit, found.labels, found.headings).items():
                (draft / name).write_text(table, encoding="utf-8", newline="")
            write_manifest(draft, "export", {"run": found.name})
        return path
    if path.is_dir():
        raise BadInput(f"{path} is a folder", expected="a file to write", mend="name a file in it")
    with explained_disk(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    write_file(path, _content(found, format))
    return path


def _content(found: Exported, format: str) -> bytes:
    if format == "graphml":
        return graphml(found.circuit, found.labels, found.headings)
    graph = neuronpedia(
        found.circuit,
        found.labels,
        found.headings,
        prompt=found.prompt,
        name=found.name,
        created=found.created,
        groups=found.groups,
    )
    return (json.dumps(graph, indent=1, allow_nan=False) + "\n").encode()
