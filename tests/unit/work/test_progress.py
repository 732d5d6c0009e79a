"""Progress: silent without a terminal, shown in one, and never twice."""

from __future__ import annotations

import io
import subprocess
import sys
import time
import types

import pytest
from rich.console import Console

from circuitscope.work import display, labelled, shown, silent, step


class FakeTerminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def terminal(monkeypatch):
    """Standard error as a terminal, in which progress is shown at once."""
    monkeypatch.setattr(display, "DELAY", 0.0)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")
    fake = FakeTerminal()

    def console(*, stderr):
        assert stderr, "results alone go to standard output"
        return Console(file=fake)

    monkeypatch.setattr(display, "Console", console)
    return fake


def work(tell, what="nodes"):
    for number in range(3):
        tell(number + 1, 3, what)
        time.sleep(0.12)


@pytest.fixture
def displays(monkeypatch):
    """How many displays were made."""
    made = []
    whole = display.TerminalBars

    def count(console):
        made.append(console)
        return whole(console)

    monkeypatch.setattr(display, "TerminalBars", count)
    return made


def test_nothing_is_shown_without_a_terminal(capsys, monkeypatch):
    monkeypatch.setattr(display, "DELAY", 0.0)
    monkeypatch.setenv("FORCE_COLOR", "1")  # asks for colours, not for bars in a log
    for choice in (None, True, False):
        with shown(choice) as tell:
            work(tell)
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("choice", [None, True])
def test_a_terminal_shows_bars(choice, terminal):
    with shown(choice) as tell:
        work(tell)
    said = terminal.getvalue()
    for words in ("nodes", "3/3"):
        assert words in said


def test_false_is_silent_in_a_terminal(terminal):
    with shown(False) as tell:
        work(tell)
        with shown() as inner:
            work(inner)
    assert terminal.getvalue() == ""


def test_quick_calls_stay_quiet(terminal, monkeypatch):
    monkeypatch.setattr(display, "DELAY", 30.0)
    with shown() as tell:
        work(tell)
    assert terminal.getvalue() == ""


def test_a_long_first_step_is_shown_before_it_ends(terminal):
    with shown() as tell:
        tell(0, 1, "loading the model")
        deadline = time.monotonic() + 10
        while "loading the model" not in terminal.getvalue():
            assert time.monotonic() < deadline
            time.sleep(0.01)


def test_a_dumb_terminal_gets_no_bars(terminal, monkeypatch):
    monkeypatch.setenv("TERM", "dumb")
    with shown() as tell:
        work(tell)
    assert terminal.getvalue() == ""


def test_a_function_is_used_as_it_is(terminal):
    told = []
    with shown(lambda *step: told.append(step)) as tell:
        work(tell)
    assert told == [(1, 3, "nodes"), (2, 3, "nodes"), (3, 3, "nodes")]
    assert terminal.getvalue() == ""


def test_progress_is_never_shown_twice(terminal, displays):
    """Whether a function passes its own on or forgets to."""
    with shown() as tell:
        with shown(tell) as passed_on:
            assert passed_on is tell
        with shown() as forgotten, shown(True) as deeper:
            assert forgotten is tell
            assert deeper is tell
        with shown(False) as quiet, shown() as inside:
            assert quiet is silent
            assert inside is silent
        with shown() as again:
            assert again is tell
    assert len(displays) == 1
    with shown():
        pass
    assert len(displays) == 2


def test_a_step_begins_and_ends():
    told = []
    with step(lambda *step: told.append(step), "loading"):
        assert told == [(0, 1, "loading")]
    assert told[1:] == [(1, 1, "loading")]


def test_an_inner_function_reports_to_the_callers_function(displays):
    told = []
    with shown(labelled(lambda *step: told.append(step), "outer")), shown() as inner:
        inner(1, 2, "nodes")
    assert told == [(1, 2, "outer: nodes")]
    assert displays == []


def test_the_display_ends_with_an_error(terminal):
    def fail():
        with shown() as tell:
            work(tell)
            raise ValueError("stop")

    with pytest.raises(ValueError, match="stop"):
        fail()
    said = terminal.getvalue()
    with shown(False) as tell:
        work(tell)
    assert terminal.getvalue() == said
    assert said.rindex("\x1b[?25h") > said.rindex("\x1b[?25l"), "the cursor is back"


def test_what_is_finished_makes_room(terminal):
    bars = display.TerminalBars(display.Console(stderr=True))
    for number in range(5):
        bars.tell(1, 1, f"done {number}")
    for number in range(display.MOST_BARS + 3):
        bars.tell(0, 1, f"going {number}")
    names = [task.description for task in bars._bars.tasks]
    assert names == [f"going {number}" for number in range(3, display.MOST_BARS + 3)]


def test_a_notebook_shows_one_line(monkeypatch):
    seen = []

    class Handle:
        def update(self, value, raw):
            seen.append(value["text/plain"])

    def show_below_cell(value, raw, display_id):
        seen.append(value["text/plain"])
        return Handle()

    module = types.ModuleType("IPython.display")
    module.display = show_below_cell
    monkeypatch.setitem(sys.modules, "IPython", types.ModuleType("IPython"))
    monkeypatch.setitem(sys.modules, "IPython.display", module)
    monkeypatch.setattr(display, "DELAY", 0.0)
    monkeypatch.setattr(display, "REFRESH", 0.0)
    with shown(console=Console(force_jupyter=True)) as tell:
        work(tell)
    assert "nodes: 3 of 3" in seen
    assert seen[-1] == "", "nothing is left below the cell"


def test_rich_and_torch_are_not_imported_with_the_room():
    code = "import sys, circuitscope.work; sys.exit(bool({'rich', 'torch'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0
