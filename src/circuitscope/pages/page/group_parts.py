"""What the page's templates need to show groups: a card for each."""

from __future__ import annotations

from dataclasses import dataclass

from circuitscope.pages.page.page_parts import anchor, cards
from circuitscope.pages.pictures.group_drawing import group_id
from circuitscope.pages.report_content import Report
from circuitscope.pages.words.sentences import position_name
from circuitscope.results import Group, Groups
from circuitscope.terms import OUTPUT

MOST_GROUPS = 60
_EDGES_SHOWN = 6


@dataclass(frozen=True)
class GroupMember:
    """A node of a group."""

    node: str
    effect: float | None
    """None if the page does not list the node."""
    words: str
    """A few words for what it is active on; empty where nothing is known."""


@dataclass(frozen=True)
class GroupLine:
    """The sum of the edges between two groups, seen from one of them."""

    name: str
    anchor: str
    """The other group's place on the page; empty for the output and for groups that are not listed."""
    effect: float


@dataclass(frozen=True)
class GroupCard:
    """A group with what is shown of it."""

    group: Group
    anchor: str
    width: float
    """Length of its bar, 0 to 100."""
    place: str
    members: tuple[GroupMember, ...]
    into: tuple[GroupLine, ...]
    out: tuple[GroupLine, ...]


def group_cards(report: Report) -> list[GroupCard]:
    """The strongest groups."""
    if report.groups is None:
        return []
    groups = report.groups.groups
    strongest = sorted(range(len(groups)), key=lambda index: -abs(groups[index].effect))[:MOST_GROUPS]
    largest = max((abs(group.effect) for group in groups), default=0.0)
    anchors = {index: anchor(group_id(index)) for index in strongest}
    headings = {place.position: place.heading for place in report.places}
    known = {
        card.node.id: GroupMember(
            card.node.id, card.node.effect, ", ".join(str(word) for word in card.active_on)
        )
        for card in cards(report)
    }
    return [
        GroupCard(
            groups[index],
            anchors[index],
            round(100 * abs(groups[index].effect) / largest, 1) if largest else 0.0,
            _place(groups[index], headings),
            tuple(known.get(node, GroupMember(node, None, "")) for node in groups[index].members),
            *_lines(report.groups, index, anchors),
        )
        for index in strongest
    ]


def groups_not_drawn(report: Report) -> list[GroupLine]:
    """The groups that the picture leaves out, the strongest first."""
    if report.groups is None or report.grouped is None:
        return []
    drawn = {box.node for box in report.grouped.boxes}
    listed = {card.anchor for card in group_cards(report)}
    rest = [
        (group_id(index), group)
        for index, group in enumerate(report.groups.groups)
        if group_id(index) not in drawn
    ]
    return [
        GroupLine(group.name, anchor(name) if anchor(name) in listed else "", group.effect)
        for name, group in sorted(rest, key=lambda item: -abs(item[1].effect))
    ]


def _place(group: Group, headings: dict[int | None, str]) -> str:
    where = position_name(group.position, headings.get(group.position, ""))
    return f"In {', '.join(group.sites)} at {where}"


def _lines(
    groups: Groups, index: int, anchors: dict[int, str]
) -> tuple[tuple[GroupLine, ...], tuple[GroupLine, ...]]:
    """The strongest edges in and out."""
    into = [(edge.source, edge.effect) for edge in groups.edges if edge.target == index]
    out = [(edge.target, edge.effect) for edge in groups.edges if edge.source == index]

    def line(other: int, effect: float) -> GroupLine:
        name = f"the {OUTPUT}" if other < 0 else groups.groups[other].name
        return GroupLine(name, anchors.get(other, ""), effect)

    first, second = (
        tuple(line(other, effect) for other, effect in side[:_EDGES_SHOWN]) for side in (into, out)
    )
    return first, second
