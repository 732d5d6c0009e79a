"""write_stage: whole or not at all, with settings and origins in the manifest."""

from __future__ import annotations

import pytest
from made_runs import make_run, make_stage

from circuitscope.config import ReportConfig
from circuitscope.errors import BadInput
from circuitscope.runs import (
    EVALUATION,
    GROUP,
    MANIFEST,
    REPORT,
    made_from,
    outdated_by,
    read_json,
    read_manifest,
    write_json,
    write_stage,
)


@pytest.fixture
def run(tmp_path):
    return make_run(tmp_path / "run")


def test_the_manifest_says_settings_origins_and_what_the_writer_returns(run):
    def write(draft):
        write_json(draft / REPORT.file, {})
        return {"more": 1}

    assert write_stage(run, REPORT, write, ReportConfig(nodes=3)) == REPORT.in_(run)
    manifest = read_manifest(REPORT.in_(run), "report")
    assert (manifest["more"], manifest["config"]["nodes"]) == (1, 3)
    assert manifest["made_from"] == made_from(run, REPORT)
    assert list(manifest["files"]) == [REPORT.file]


def test_nothing_is_left_of_a_stage_that_failed(run):
    before = sorted(run.iterdir())

    def write(draft):
        write_json(draft / GROUP.file, {})
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_stage(run, GROUP, write)
    assert sorted(run.iterdir()) == before


def test_what_is_there_is_replaced_only_when_that_is_said(run):
    make_stage(run, GROUP, "first")
    with pytest.raises(BadInput, match="already exists"):
        write_stage(run, GROUP, lambda draft: None)
    assert read_json(GROUP.path(run)) == "first"


def test_a_stage_is_made_from_what_was_there_when_it_began(run):
    """Whatever is replaced while it is under way leaves it out of date."""
    make_stage(run, EVALUATION, 0.5)
    origins = made_from(run, REPORT)
    make_stage(run, EVALUATION, 0.75)
    write_stage(run, REPORT, lambda draft: write_json(draft / REPORT.file, {}), origins=origins)
    assert outdated_by(run, REPORT) == "evaluation"


def test_a_stage_may_lie_elsewhere(run, tmp_path):
    out = write_stage(run, REPORT, lambda draft: None, out=tmp_path / "page")
    assert read_json(out / MANIFEST)["made_from"] == made_from(run, REPORT)
    assert not REPORT.in_(run).exists()
