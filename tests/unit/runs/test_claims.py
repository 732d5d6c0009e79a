"""Claims: one process has it, the others know who, and none outlives its owner."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from circuitscope.errors import BadFile
from circuitscope.runs import Owner, claim, owner_of

HOLD = """
import sys, time
from pathlib import Path
from circuitscope.runs import claim
with claim(Path(sys.argv[1])) as mine:
    print(mine, flush=True)
    sys.stdin.read()
"""


def holder(path: Path) -> subprocess.Popen[str]:
    """Another process that has the claim."""
    command = [sys.executable, "-c", HOLD, str(path)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "True\n"
    return process


def test_one_has_it_and_others_know_who(tmp_path):
    path = tmp_path / "claims" / "job"
    with claim(path) as mine, claim(path) as twice:
        assert (mine, twice) == (True, False)
        assert owner_of(path) == Owner(socket.gethostname(), os.getpid())
        assert str(owner_of(path)) == f"process {os.getpid()} on {socket.gethostname()}"
    assert owner_of(path) is None
    assert not path.exists(), "nothing is left"
    with claim(path) as again:
        assert again


def test_it_ends_with_an_error(tmp_path):
    with pytest.raises(ValueError, match="stop"), claim(tmp_path / "job"):
        raise ValueError("stop")
    assert owner_of(tmp_path / "job") is None


def test_it_ends_with_its_owner_even_if_that_is_killed(tmp_path):
    path = tmp_path / "job"
    process = holder(path)
    with claim(path) as mine:
        assert not mine
    assert owner_of(path).process == process.pid
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert path.exists()
    assert owner_of(path) is None
    with claim(path) as mine:
        assert mine


def test_a_claim_that_was_given_up_meanwhile_is_taken_anew(tmp_path, monkeypatch):
    """Its owner removes the file after another process has opened it: a lock on that one would be worth nothing."""
    import fcntl

    path, whole, first = tmp_path / "job", fcntl.flock, []

    def slowly(file, how):
        if not first:
            first.append(path.stat().st_ino)
            path.rename(tmp_path / "removed")  # kept, so that its number is not used again
        whole(file, how)

    monkeypatch.setattr(fcntl, "flock", slowly)
    with claim(path) as mine:
        assert mine
        assert path.stat().st_ino != first[0]


def test_a_file_system_without_locks_is_named(tmp_path, monkeypatch):
    import fcntl

    def refuse(file, how):
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(fcntl, "flock", refuse)
    with (
        pytest.raises(BadFile, match="job cannot be locked: Operation not supported"),
        claim(tmp_path / "job"),
    ):
        pass
