"""One feature at a time in the terminal: what it does, and the question of whether it is about the task.

An answer is handed over as soon as it is given, so that leaving, by ``q`` or otherwise, loses nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from rich.console import Console
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from circuitscope.cli.console import out
from circuitscope.pages.words import token_mark, visible
from circuitscope.results import JudgedFeature, MarkedContext, TokenWeight

ANSWERS = {"k": "keep", "r": "remove", "u": "unsure"}
_BACK, _SKIP, _LEAVE = "b", "s", "q"
_ACTIONS = {_BACK: "back", _SKIP: "skip", _LEAVE: "leave"}
HELP = "[b]k[/]eep  [b]r[/]emove  [b]u[/]nsure   [b]b[/]ack  [b]s[/]kip  [b]q[/]uit"
_PROMPT = "verdict (k/r/u, b/s/q): "
_NOTE = "why (Enter for no note): "
_MARK = "reverse bold"


class Leave(Exception):
    """The judge has had enough for now."""


def ask_in_terminal(
    features: Sequence[JudgedFeature],
    take: Callable[[JudgedFeature], None],
    *,
    task: str = "",
    console: Console = out,
) -> int:
    """Show features one after another and hand over each that gets a verdict.

    Args:
        features: those without a verdict, in the order of asking.
        take: called with a feature, its verdict and its note as soon as they are known; may be called again with
            another verdict on the same feature, after ``back``.
        task: what the classifier is meant to tell, shown above the first feature.

    Returns:
        How many of the features have a verdict now.
    """
    if task:
        console.print(Text(f"task: {visible(task)}", style="bold"))
    console.print(HELP, highlight=False)
    given: dict[int, JudgedFeature] = {}
    place = 0
    try:
        while place < len(features):
            shown = given.get(place, features[place])
            show(shown, f"{place + 1} of {len(features)}", console)
            word = _choice(console)
            if word in ANSWERS:
                note = _line(console, _NOTE) or shown.note
                # who and when are those of this answer, whoever judged it before
                given[place] = replace(shown, verdict=ANSWERS[word], note=note, who="", when="")
                take(given[place])
            place = max(0, place - 1) if word == _BACK else place + 1
    except Leave:
        console.print()
    return len(given)


def show(item: JudgedFeature, where: str, console: Console = out) -> None:
    """A feature: its effect, its contexts with the token marked, the tokens that it promotes and suppresses."""
    side = "promotes" if item.effect > 0 else "suppresses"
    console.print(Rule(Text(f"{where} · {item.name}"), align="left"))
    console.print(f"effect {item.effect:+.4f}: {side} the true class, each text's own", highlight=False)
    if not item.contexts:
        console.print("[dim]silent on the texts that were looked at[/]")
    table = Table.grid(padding=(0, 2, 0, 0))  # so that long contexts are broken beside their activation
    table.add_column(justify="right", style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    source = ""
    for context in item.contexts:
        if context.source != source:
            source = context.source
            table.add_row("", Text(f"{source}:" if source else "", style="bold"))
        table.add_row(f"{context.activation:g}", marked_line(context))
    for heading, tokens in (("makes likelier", item.promoted), ("less likely", item.suppressed)):
        if tokens:
            table.add_row(heading, Text(listed(tokens)))
    console.print(table)
    if item.verdict:
        console.print(Text(f"verdict so far: {item.verdict}" + f", {visible(item.note)}" * bool(item.note)))


def marked_line(context: MarkedContext) -> Text:
    """``… works with planes. «She» has a bed``: the token stands out with and without colours."""
    token = context.token.lstrip(" ")
    space = " " * (len(context.token) - len(token)) if token else ""  # the mark begins at the word
    return Text.assemble(
        visible(context.before) + space,
        (f"«{visible(token or context.token)}»", _MARK),
        visible(context.after),
    )


def listed(tokens: Sequence[TokenWeight]) -> str:
    """Tokens with a mark for their leading space, strongest first."""
    return "  ".join(token_mark(item.token) for item in tokens)


def _choice(console: Console) -> str:
    """A letter that means something; asks until there is one."""
    while True:
        word = _line(console, _PROMPT).casefold()
        for letter, meaning in {**ANSWERS, **_ACTIONS}.items():
            if word in (letter, meaning) or (letter == _LEAVE and word == "quit"):
                if letter == _LEAVE:
                    raise Leave
                return letter
        console.print(HELP, highlight=False)


def _line(console: Console, prompt: str) -> str:
    try:
        return console.input(Text(prompt)).strip()
    except (EOFError, KeyboardInterrupt):  # Ctrl-D and Ctrl-C; what was answered is stored
        raise Leave from None
