"""What the page's templates need besides the report itself: text in pieces, tables, anchors."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from difflib import SequenceMatcher

from circuitscope.pages.report_content import NodeLine, Report, SiteAtPosition
from circuitscope.pages.words.visible import visible
from circuitscope.results import FeatureDashboard, Sweep, TokenContext, Word, active_sentence, split_by_share
from circuitscope.terms import NodeId

_LEVELS = 9
_BEFORE, _AFTER = 22, 12
"""Tokens that a card shows of a context around its peak."""
_METADATA_OF_SVG = re.compile(r"<metadata>.*?</metadata>", re.DOTALL)


@dataclass(frozen=True)
class Piece:
    """A stretch of text that looks the same."""

    text: str
    level: int = 0
    """How strongly it is marked, 0 to 9."""
    peak: bool = False
    value: float = 0.0


def pieces(context: TokenContext, highest: float) -> list[Piece]:
    """A context around its peak; neighbours on which the feature is silent are joined."""
    first, last = max(0, context.peak - _BEFORE), min(len(context.tokens), context.peak + _AFTER + 1)
    found: list[Piece] = [Piece("… ")] if first else []
    for index in range(first, last):
        value = context.activations[index]
        level = min(_LEVELS, round(_LEVELS * value / highest)) if highest > 0 and value > 0 else 0
        peak = index == context.peak
        text = visible(context.tokens[index])
        if not peak and level == 0 and found and found[-1].level == 0 and not found[-1].peak:
            found[-1] = Piece(found[-1].text + text)
        else:
            found.append(Piece(text, level, peak, value))
    if last < len(context.tokens):
        found.append(Piece(" …"))
    return found


def differing(text: str, other: str | None) -> list[Piece]:
    """A text in pieces; words that the other text does not have at that place are marked."""
    if other is None:
        return [Piece(visible(text))]
    ours, theirs = (re.findall(r"\s*\S+|\s+$", side) for side in (text, other))
    found = []
    for tag, start, end, _, _ in SequenceMatcher(None, ours, theirs, autojunk=False).get_opcodes():
        words = visible("".join(ours[start:end]))
        space = len(words) - len(words.lstrip(" "))
        if words:
            found += [Piece(words[:space])] if space and tag != "equal" else []
            found.append(Piece(words) if tag == "equal" else Piece(words[space:], level=1))
    return found


def anchor(node: str) -> str:
    """The page's id for a node."""
    return "node-" + node.replace("/", "-").replace("@", "-at-")


@dataclass(frozen=True)
class Card:
    """A node with what is known about its feature."""

    node: NodeLine
    dashboard: FeatureDashboard | None
    width: float
    """Length of its bar, 0 to 100."""
    active_on: tuple[Word, ...]
    promotes: tuple[str, ...]
    place: int
    """Its rank in the order of computation."""
    active: str = ""
    """On which of the task's texts it is active, as a sentence; empty where that is not known."""
    for_answers: tuple[str, ...] = ()
    """What the texts on which it is more active ask for, if that makes a difference."""

    @property
    def words(self) -> str:
        """What the page's filter looks in."""
        node = self.node
        kind = "error" if node.feature is None else "feature"
        active_on = map(_plain, self.active_on)
        words = (node.id, kind, node.heading, *active_on, *self.promotes, *self.for_answers)
        return visible(" ".join(words).lower())


def _plain(word: Word) -> str:
    return word.before + word.token + word.after


def cards(report: Report) -> list[Card]:
    known = {(item.site, item.feature): item for item in report.features}
    largest = max((abs(node.effect) for node in report.nodes), default=0.0)
    places = sorted(NodeId.parse(node.id) for node in report.nodes)
    rank = {str(node): place for place, node in enumerate(places)}
    activities = {item.node: item for item in report.activities}
    found = []
    for node in report.nodes:
        dashboard = known.get((node.site, node.feature)) if node.feature is not None else None
        activity = activities.get(node.id)
        found.append(
            Card(
                node,
                dashboard,
                round(100 * abs(node.effect) / largest, 1) if largest else 0.0,
                dashboard.contexts.telling_words() if dashboard else (),
                tuple(item.token for item in dashboard.tokens.raised[:4]) if dashboard else (),
                rank[node.id],
                active_sentence(activity) if activity else "",
                tuple(share.kind for share in split_by_share(activity.answers)[0]) if activity else (),
            )
        )
    return found


@dataclass(frozen=True)
class Cell:
    """One place in the table of where the effect sits."""

    place: SiteAtPosition
    strength: float


@dataclass(frozen=True)
class Grid:
    """Sites × positions, the last site first."""

    positions: tuple[int | None, ...]
    headings: tuple[str, ...]
    rows: tuple[tuple[str, tuple[Cell | None, ...]], ...]


def grid(places: Sequence[SiteAtPosition]) -> Grid:
    """Where the effect sits: only sites and positions that have nodes."""
    headings = {place.position: place.heading for place in places}
    positions = tuple(sorted(headings, key=lambda position: -1 if position is None else position))
    largest = max((place.total for place in places), default=0.0)
    cells = {
        (place.site, place.position): Cell(place, (place.total / largest) ** 0.5 if largest else 0.0)
        for place in places
    }
    sites = dict.fromkeys(place.site for place in reversed(places))
    rows = tuple((site, tuple(cells.get((site, position)) for position in positions)) for site in sites)
    return Grid(positions, tuple(headings[position] for position in positions), rows)


def sweep_svg(sweep: Sweep) -> str:
    """The picture of a sweep as an element of a page; its text is real text, which matplotlib has escaped."""
    import matplotlib

    from circuitscope.pages.pictures.plot_sweep import plot_sweep

    content = io.StringIO()
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "sweep"}):
        plot_sweep(replace(sweep, task="", model="")).savefig(
            content, format="svg", metadata={"Date": None}, transparent=True
        )
    svg = content.getvalue()
    return _METADATA_OF_SVG.sub("", svg[svg.index("<svg") :])
