"""Write docs/schemas/ from the program itself: a JSON Schema for each kind of result.

    python docs/generate_schemas.py

The schemas are made from the dataclasses in circuitscope.results and from that of the report. tests/test_docs.py
fails when they and the program differ.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from circuitscope.pages.report_content import SCHEMA_VERSION as REPORT_SCHEMA
from circuitscope.pages.report_content import Report
from circuitscope.results import (
    BEHAVIOURS_SCHEMA,
    GROUPS_SCHEMA,
    RESULTS_SCHEMA,
    Clusters,
    DictionaryScores,
    Evaluation,
    FeatureDashboard,
    Groups,
    PruneResult,
    ShiftComparison,
    ShiftScores,
    Sweep,
    json_schema,
)

FOLDER = Path(__file__).with_name("schemas")

KINDS: dict[str, tuple[Any, int | None]] = {
    "evaluation": (Evaluation, RESULTS_SCHEMA),
    "sweep": (Sweep, RESULTS_SCHEMA),
    "prune": (PruneResult, RESULTS_SCHEMA),
    "groups": (Groups, GROUPS_SCHEMA),
    "clusters": (Clusters, BEHAVIOURS_SCHEMA),
    "features": (FeatureDashboard, None),
    "report": (Report, REPORT_SCHEMA),
    "scores": (ShiftScores, RESULTS_SCHEMA),
    "comparison": (ShiftComparison, RESULTS_SCHEMA),
    "dictionaries": (DictionaryScores, RESULTS_SCHEMA),
}
"""Name of the file → what it describes, and the schema version that such files give."""


def schemas() -> dict[str, str]:
    """File name → its text."""
    return {
        f"{name}.json": json.dumps(json_schema(kind, schema_version=version), indent=1, ensure_ascii=False)
        + "\n"
        for name, (kind, version) in KINDS.items()
    }


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for name, text in schemas().items():
        (FOLDER / name).write_text(text, encoding="utf-8")
