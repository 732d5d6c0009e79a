"""A few words per feature, taken from a run's report: what its features are most active on."""

from __future__ import annotations

from pathlib import Path

from circuitscope.errors import BadInput
from circuitscope.pages.report_content import read_report
from circuitscope.pages.words.visible import visible
from circuitscope.results import FeatureDashboard, label_of
from circuitscope.runs import REPORT, RUN, is_there, outdated_by
from circuitscope.terms import NodeId, Site


def report_labels(run: Path, *, wanted: bool | None = None) -> dict[NodeId, str]:
    """The labels of the features that the run's report has looked up.

    Args:
        wanted: False takes none; if not given, there are none where there is no report, or only one of an earlier
            circuit, whose features may be those of other dictionaries.

    Raises:
        BadInput: labels are wanted, and the run has no report that belongs to its circuit.
    """
    if wanted is False:
        return {}
    there = is_there(run, REPORT)
    if not there or outdated_by(run, REPORT) == RUN:
        if wanted:
            raise BadInput(
                f"{run} has no report{' of its circuit as it is now' if there else ''}, which labels come from",
                expected="a run with a report",
                mend=f"circuitscope report {run}{' --overwrite' if there else ''}",
            )
        return {}
    features = read_report(REPORT.in_(run)).features
    found = {NodeId(Site.parse(item.site), item.feature): _label(item) for item in features}
    return {node: label for node, label in found.items() if label}


def _label(dashboard: FeatureDashboard) -> str:
    words = label_of(dashboard)
    if not words:  # it is active on spaces and line ends only
        raised = [item.token.strip() for item in dashboard.tokens.raised if item.token.strip()]
        words = "→ " + ", ".join(raised[:3]) if raised else ""
    return visible(words)
