"""Text that fits: measured, shortened and free of characters that the font lacks.

The font is always the one that comes with matplotlib, so a picture is the same on every machine.
"""

from __future__ import annotations

from functools import cache, lru_cache

FONT = "DejaVu Sans"
_MISSING = "▯"


@cache
def _characters() -> frozenset[int]:
    from matplotlib.font_manager import FontProperties, findfont, get_font

    return frozenset(get_font(findfont(FontProperties(family=FONT))).get_charmap())


def clean(text: str) -> str:
    """One line of ``text`` that the font can show: control characters spelled out, unknown ones as a box."""
    text = text.replace("\n", "\\n").replace("\t", "\\t").replace("\r", "\\r")
    return "".join(letter if ord(letter) in _characters() else _MISSING for letter in text)


def clean_token(token: str) -> str:
    """A token as a heading: without its leading space, or with a mark for each space if it has nothing else."""
    return clean(token.strip(" ")) or "␣" * len(token)


@lru_cache(maxsize=4096)
def width(text: str, points: float, *, bold: bool = False) -> float:
    """The width of one line of text in inches."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import text_to_path

    font = FontProperties(family=FONT, size=points, weight="bold" if bold else "normal")
    return float(text_to_path.get_text_width_height_descent(text, font, False)[0]) / 72


def shorten(text: str, room: float, points: float, *, bold: bool = False) -> str:
    """``text``, or its beginning and "…", so that it fits into ``room`` inches."""
    if width(text, points, bold=bold) <= room:
        return text
    for length in range(len(text) - 1, 0, -1):
        short = text[:length].rstrip() + "…"
        if width(short, points, bold=bold) <= room:
            return short
    return ""


def wrap(text: str, room: float, points: float, lines: int) -> list[str]:
    """``text`` in at most ``lines`` lines that fit into ``room`` inches; what is left over becomes "…"."""
    words = text.split()
    result: list[str] = []
    while words and len(result) < lines - 1:
        count = 1
        while count < len(words) and width(" ".join(words[: count + 1]), points) <= room:
            count += 1
        result.append(shorten(" ".join(words[:count]), room, points))
        words = words[count:]
    return [*result, shorten(" ".join(words), room, points)] if words else result
