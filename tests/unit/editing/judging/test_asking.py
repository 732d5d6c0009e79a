"""The terminal shows a feature as it is, takes each answer at once, and can be left at any moment."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from judged_circuits import circuit, features
from rich.console import Console

from circuitscope.cli.shift.asking import ask_in_terminal, show
from circuitscope.results import MarkedContext

NASTY = ("[bold]x[/]", "\x1b[2J", "\u202e", "\n", "«", "[/]")


def ask(*lines: str | type[BaseException], rows=None, task=""):
    """What is handed over, in order, and what is on the screen."""
    given, screen, answers = [], io.StringIO(), iter(lines)

    class Typed(Console):
        def input(self, prompt="", **_):
            self.print(prompt)
            line = next(answers, EOFError)
            if isinstance(line, str):
                return line
            raise line

    rows = features(circuit()) if rows is None else rows
    count = ask_in_terminal(rows, given.append, task=task, console=Typed(file=screen, width=70))
    return [(item.name, item.verdict, item.note) for item in given], screen.getvalue(), count


def test_answers_are_handed_over_one_by_one():
    given, screen, count = ask("r", "about gender", "Keep", "", "u", "", task="professor or nurse")
    assert given == [
        ("resid_0/7", "remove", "about gender"), ("resid_0/9", "keep", ""), ("embed/3", "unsure", ""),
    ]  # fmt: skip
    assert count == 3
    for part in (
        "task: professor or nurse",
        "1 of 3 · resid_0/7",
        "effect -1.2500: suppresses",
        "« nurse»",
    ):
        assert part.replace("« nurse»", "«nurse»") in screen


@pytest.mark.parametrize("end", ["q", "quit", EOFError, KeyboardInterrupt])
def test_leaving_keeps_what_was_answered(end):
    given, _, count = ask("k", "", end)
    assert (len(given), count) == (1, 1)
    given, _, count = ask("k", "", "r", EOFError)  # while being asked why
    assert (len(given), count) == (1, 1)


def test_skip_and_back():
    given, screen, count = ask("s", "k", "why", "b", "b", "r", "", "q")
    assert [(name, verdict) for name, verdict, _ in given] == [("resid_0/9", "keep"), ("resid_0/7", "remove")]
    assert "verdict so far: keep, why" in screen
    assert count == 2


def test_changing_a_verdict_keeps_its_note_and_forgets_who_gave_it():
    rows = [replace(item, verdict="keep", note="old", who="Bob", when="2024") for item in features(circuit())]
    given = []
    answers = iter(["r", ""])
    console = Console(file=io.StringIO())
    console.input = lambda *_, **__: next(answers)
    ask_in_terminal(rows[:1], given.append, console=console)
    assert given == [replace(rows[0], verdict="remove", who="", when="")]


def test_what_means_nothing_is_asked_again():
    given, screen, _ = ask("x", "", "yes", "k", "", "q")
    assert given == [("resid_0/7", "keep", "")]
    assert screen.count("verdict (") == 5


@pytest.mark.parametrize("nasty", NASTY)
def test_no_text_moves_the_screen_or_is_taken_for_markup(nasty):
    one = replace(
        features(circuit())[0],
        contexts=(MarkedContext(nasty, nasty, nasty, 2.0),),
        verdict="keep",
        note=nasty,
    )
    screen = io.StringIO()
    show(one, "1 of 1", Console(file=screen, width=90))
    for letter in ("\x1b", "\u202e"):
        assert letter not in screen.getvalue()
    if nasty.startswith("["):
        assert screen.getvalue().count(nasty) == 4


def test_a_silent_feature_says_so():
    screen = io.StringIO()
    show(
        replace(features(circuit())[0], contexts=(), promoted=(), suppressed=()),
        "1 of 1",
        Console(file=screen),
    )
    assert "silent on the texts" in screen.getvalue()
