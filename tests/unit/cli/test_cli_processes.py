"""Where a process is the point: Ctrl-C, kill and go on, pipes that close."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tiny_world import make_run

MAIN = "from circuitscope.cli import main; main()"
SLOWLY = f"""
import signal, time

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it
from circuitscope.work import Partial

put = Partial.put


def slow(self, name, arrays):
    put(self, name, arrays)
    time.sleep(0.3)


Partial.put = slow
{MAIN}
"""
"""Rests after each batch, so that a signal finds the program on its way, however busy the machine is."""
SINGLY = {"batch_size": 1, "examples": 6}
"""One example at a time."""


def start(*command: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", SLOWLY, *map(str, command)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


def first_batch(process: subprocess.Popen[str], out: Path) -> None:
    """Wait until the first batch of a discover is on disk."""
    folder, deadline = out.with_name(f".{out.name}.partial"), time.monotonic() + 100
    while not any(folder.glob("nodes-*.safetensors")):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.002)


@pytest.fixture(scope="module")
def whole(world, tmp_path_factory) -> Path:
    """A run that nobody stopped."""
    return make_run(world, tmp_path_factory.mktemp("whole") / "run", **SINGLY)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_a_stopped_discover_goes_on_with_identical_numbers(program, world, whole, tmp_path, how):
    out = tmp_path / "runs" / "run"
    process = start(*world.discover(out, **SINGLY))
    first_batch(process, out)
    process.send_signal(how)
    said, complaint = process.communicate(timeout=100)
    assert process.returncode == {signal.SIGINT: 130, signal.SIGKILL: -signal.SIGKILL}[how]
    # Without a terminal there is nothing but results and errors: no bar, no notes of the libraries.
    # The random model has no such behaviour, which is said first.
    said_so = [line for line in complaint.splitlines() if line.startswith("stopped.")]
    assert len(said_so) == (how == signal.SIGINT)
    assert "Traceback" not in complaint
    assert said == ""
    assert [path.name for path in out.parent.iterdir()] == [".run.partial"], "no run folder, whole or half"
    finished = len(list((out.parent / ".run.partial").glob("nodes-*.safetensors")))
    assert 1 <= finished < SINGLY["examples"]
    again = program(*world.discover(out, **SINGLY))
    assert again.status == 0
    assert "continuing the unfinished run" in again.err
    same = [(run / "circuit.safetensors").read_bytes() for run in (out, whole)]
    assert same[0] == same[1]
    assert [path.name for path in out.parent.iterdir()] == ["run"]


def test_other_settings_do_not_use_an_unfinished_run(program, world, tmp_path, monkeypatch):
    from circuitscope.work import Partial

    def stop(self, name, arrays):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Partial, "put", stop)
        assert program(*world.discover(tmp_path / "run")).status == 130
    result = program(*world.discover(tmp_path / "run", method="atp"))
    assert result.status == 0
    assert "other settings" in result.err
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_a_pipe_that_closes_is_no_error(made):
    command = f'"{sys.executable}" -c "{MAIN}" show --json "{made}" | head -c 20'
    done = subprocess.run(command, shell=True, capture_output=True, text=True, timeout=100, check=False)
    assert (done.returncode, len(done.stdout), done.stderr) == (0, 20, "")
