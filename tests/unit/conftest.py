"""The tiny world, and the program in this process."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tiny_world import Result, World, make_run, make_world

from circuitscope.cli import main


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return make_world(tmp_path_factory.mktemp("world"))


Program = Callable[..., Result]


@pytest.fixture
def program(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Program]:
    """Run ``circuitscope WORD…`` in this process, as the installed script does."""
    quiet = {"HF_HUB_DISABLE_PROGRESS_BARS": "1", "TRANSFORMERS_VERBOSITY": "error", "TQDM_DISABLE": "1"}
    for name, value in quiet.items():  # main sets them for good, and no other test must see that
        monkeypatch.setenv(name, os.environ.get(name, value))
    monkeypatch.setenv("COLUMNS", "200")
    log = logging.getLogger("circuitscope")
    handlers, level = list(log.handlers), log.level

    def run(*command: object) -> Result:
        monkeypatch.setattr(sys, "argv", ["circuitscope", *map(str, command)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as stop:
            main()
        said = capsys.readouterr()
        status = stop.value.code
        return Result(status if isinstance(status, int) else int(status is not None), said.out, said.err)

    yield run
    log.handlers[:], log.level = handlers, level


@pytest.fixture(scope="session")
def made(world: World, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run folder, to be copied by tests that change it."""
    return make_run(world, tmp_path_factory.mktemp("made") / "run")
