"""Write docs/cli.md from the program itself: one table of options per verb.

    python docs/generate_cli.py

The options are read from the commands that typer builds, not from printed help, so the page depends neither on
the width of a terminal nor on its colours. tests/test_docs.py fails when the page and the program differ.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import typer

from circuitscope.cli.app import app

PAGE = Path(__file__).with_name("cli.md")

INTRODUCTION = """\
# Command line

This page is generated from the program (`python docs/generate_cli.py`).

Results go to standard output; progress, warnings and errors go to standard error.
The exit status is 0 on success, 1 after an [error that you can fix](errors.md), 2 after a misspelt option and 130
after Ctrl-C.

If a verb has `--config`, its options may come from a YAML file. The names there are those of the options, with `_` or
`-`. An option on the command line overrides the file, and the file overrides the default. Required options, such as
`--task`, may come from either; the program names any that are missing.
"""


def page() -> str:
    """The whole page as Markdown."""
    program: Any = typer.main.get_command(app)
    parts = [INTRODUCTION, f"## {program.name}\n\n{prose(program.help)}\n\n{options(program)}"]
    for command in program.commands.values():
        parts += verbs(program.name, command)
    return "\n".join(parts)


def verbs(program: str, command: Any) -> list[str]:
    """A verb, or a group of verbs: its own words, and a smaller heading for each verb in it."""
    if not hasattr(command, "commands"):
        return [verb(program, command)]
    inner = [verb(f"{program} {command.name}", item, heading="###") for item in command.commands.values()]
    called = f"```text\n{program} {command.name} VERB …\n```\n"
    return [f"## {command.name}\n\n{prose(command.help)}\n\n{called}", *inner]


def verb(program: str, command: Any, heading: str = "##") -> str:
    """One verb: what it does, how it is called, its options."""
    arguments = [item.metavar or item.name.upper() for item in command.params if is_argument(item)]
    usage = " ".join([program, command.name, *arguments, "[OPTIONS]"])
    name = " ".join([*program.split()[1:], command.name])
    return f"{heading} {name}\n\n{prose(command.help)}\n\n```text\n{usage}\n```\n\n{options(command)}"


def options(command: Any) -> str:
    """A table of a command's arguments and options, in the program's own order."""
    lines = ["| option | meaning |", "|---|---|"]
    lines += [f"| {name(item)} | {cell(meaning(item))} |" for item in command.params]
    return "\n".join(lines) + "\n"


def name(item: Any) -> str:
    """``--examples N``, ``--connected / --no-connected``, or an argument's own word."""
    if is_argument(item):
        return f"`{item.metavar or item.name.upper()}`"
    names = [*item.opts, *item.secondary_opts]
    if item.is_flag:
        return " / ".join(f"`{spelling}`" for spelling in names)
    value = item.opts[0].lstrip("-").upper() if choices(item) or not item.metavar else item.metavar
    return f"`{', '.join(names)} {value}`"


def meaning(item: Any) -> str:
    """The help sentence, the words to choose from, and a default that the sentence does not say itself."""
    text = item.help or ""
    default = item.default
    if choices(item):
        sentence, _, rest = text.partition(" (default:")
        text = f"{sentence} One of {', '.join(choices(item))}." + (f" (default:{rest}" if rest else "")
    if item.required and not is_argument(item):
        text += " (required)"
    elif default not in (None, False, ...) and not callable(default) and "(default:" not in text:
        text += f" (default: {default})"
    return text


def choices(item: Any) -> list[str]:
    """The words of an option that takes one of a few."""
    return item.metavar.split("|") if item.metavar and "|" in item.metavar else []


def is_argument(item: Any) -> bool:
    return bool(item.param_type_name == "argument")


def prose(text: str | None) -> str:
    """Help as Markdown: paragraphs stay, line breaks inside them go."""
    paragraphs = (text or "").strip().split("\n\n")
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)


def cell(text: str) -> str:
    """Text inside a table: one line, options in code, bars escaped."""
    quoted = re.sub(r"(?<![\w`-])(--[a-z][a-z0-9-]*)", r"`\1`", " ".join(text.split()))
    return quoted.replace("<", "&lt;").replace("|", "\\|")


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
