"""Numbers as a person writes them."""

from __future__ import annotations


def signed(value: float, digits: int = 2) -> str:
    return f"{value:+.{digits}f}".replace("-", "−")


def number(value: float, digits: int = 2) -> str:
    """With a minus sign that is one, and none before 0."""
    text = f"{value:.{digits}f}"
    return text.replace("-", "−") if float(text) else f"{0:.{digits}f}"


def density(part: float) -> str:
    """A share that may be tiny."""
    return f"{100 * part:.2g} %" if part < 0.1 else f"{100 * part:.0f} %"


def share(part: float) -> str:
    """A share as a percentage, with a minus sign that is one."""
    return f"{100 * part:.0f} %".replace("-", "−").replace("−0 %", "0 %")


def plural(count: int, word: str) -> str:
    return f"{count:,} {word}{'' if count == 1 else 's'}"
