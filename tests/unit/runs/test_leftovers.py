"""What a process that was killed in the middle of writing leaves behind is put right by the next one."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from circuitscope.errors import BadInput
from circuitscope.runs import new_folder, write_manifest


@pytest.fixture
def dead_process() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def write(path, text, **options):
    with new_folder(path, **options) as draft:
        (draft / "a.txt").write_text(text)
        write_manifest(draft, "test", {})


def test_drafts_of_dead_processes_go_away(tmp_path, dead_process):
    dead, living = (tmp_path / f".run.{pid}.tmp" for pid in (dead_process, os.getppid()))
    dead.mkdir()
    living.mkdir()
    write(tmp_path / "run", "new")
    assert not dead.exists()
    assert living.exists()


def test_an_earlier_result_comes_back(tmp_path, dead_process):
    """Killed after the old folder was moved aside and before the new one took its place."""
    path = tmp_path / "run"
    write(path, "old")
    path.rename(tmp_path / f".run.{dead_process}.old")
    with pytest.raises(BadInput, match="already exists"):
        write(path, "new")
    assert (path / "a.txt").read_text() == "old"
    write(path, "new", overwrite=True)
    assert (path / "a.txt").read_text() == "new"
    assert [entry.name for entry in tmp_path.iterdir()] == ["run"]
