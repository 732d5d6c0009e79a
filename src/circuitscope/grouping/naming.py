"""A name for a group: where it is active, and what for.

    "on “pilots”, “knights”, “girls” … → “are”, “do”, “go” (layer 1)"

* The left side is the words in which the members are most active in the task's texts, as far as they are read there
  ("Lu…"), if the members choose among the tokens that occur there ("on"); otherwise it is examples of what occurs
  there ("at “trust” …"). Those words come first that the other groups at the same position are less active on.
* The right side is the answers of the texts on which the members are active, if these are not all. A group that
  suppresses the clean behaviour pushes against them: "… ⊣ is, has". Where activity does not depend on the answer, the
  tokens that the write vectors promote take that place ("… makes likelier he, him").

In brackets are the layers, and if names would still be equal, the promoted tokens or a number.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from circuitscope.results import FeatureTokens, NodeActivity, Share, split_by_share
from circuitscope.terms import SUMMED, NodeId, Site

_CHOOSY = 0.75
"""A node that is active on at most this part of the different tokens at its place chooses among them."""
_WORDS = 3
_KEPT = 6
_OWN = 0.25
"""A word with at least this part of a group's strongest word may name it, if it tells the group from others."""


@dataclass(frozen=True)
class Member:
    """A node with what its name is made from."""

    node: NodeId
    effect: float
    activity: NodeActivity | None
    """None for errors."""
    promoted: FeatureTokens | None


@dataclass(frozen=True)
class Traits:
    """What the members of a group have in common."""

    tokens: tuple[str, ...]
    words: Mapping[str, float]
    """Each with its share of the group, the best name first."""
    choosy: bool
    for_answers: tuple[str, ...]
    promoted: tuple[str, ...]


def traits_of(members: Sequence[Member]) -> Traits:
    """What a group's features have in common, each counted by its |effect|."""
    known = [(member, member.activity) for member in members if member.activity is not None]
    weight = {member.node: abs(member.effect) or 1e-12 for member, _ in known}
    total = sum(weight.values())
    choosy = 0.0
    for member, activity in known:
        chooses = activity.tokens_active <= _CHOOSY * activity.tokens_seen
        choosy += weight[member.node] * chooses
    tokens = _shares([(weight[member.node], activity.tokens) for member, activity in known])
    return Traits(
        tuple(tokens)[:_KEPT],
        _shares([(weight[member.node], activity.words or activity.tokens) for member, activity in known]),
        bool(known) and choosy > total / 2,
        _answers(known, weight),
        _promoted(members),
    )


def _shares(ranked: Sequence[tuple[float, Sequence[str]]]) -> dict[str, float]:
    """What several rankings have in common, each with its weight; in sum 1, the largest first."""
    sums: dict[str, float] = {}
    for weight, names in ranked:
        for rank, name in enumerate(names):
            sums[name] = sums.get(name, 0.0) + weight / (1 + rank)
    total = sum(sums.values())
    return {name: sums[name] / total for name in sorted(sums, key=lambda name: -sums[name])}


def told_apart(traits: Sequence[Traits], places: Sequence[int]) -> list[Traits]:
    """The groups' words, those first that tell a group from the others in its place."""
    found = list(traits)
    for place in set(places):
        rows = [row for row, its in enumerate(places) if its == place]
        ordered = distinctive([traits[row].words for row in rows])
        for row, words in zip(rows, ordered, strict=True):
            found[row] = replace(traits[row], words=words)
    return found


def distinctive(shares: Sequence[Mapping[str, float]]) -> list[dict[str, float]]:
    """The words of each group, those first that tell it from the others (arithmetic of tf-idf's kind).

    A word counts by its share of the group, times how much larger that is than its mean share of all groups that have
    words; one with less than a quarter of a group's largest share comes after those.

    Args:
        shares: of each group, its words and their shares.
    """
    groups = sum(bool(own) for own in shares)
    sums: dict[str, float] = {}
    for own in shares:
        for word, share in own.items():
            sums[word] = sums.get(word, 0.0) + share
    found = []
    for own in shares:
        least = _OWN * max(own.values(), default=0.0)
        worth = {
            word: share * share * groups / sums[word] for word, share in own.items() if share >= least > 0
        }
        order = sorted(own, key=lambda word: (-worth.get(word, 0.0), -own[word]))
        found.append({word: own[word] for word in order})
    return found


def _answers(known: Sequence[tuple[Member, NodeActivity]], weight: Mapping[NodeId, float]) -> tuple[str, ...]:
    """The answers of the texts on which the members are active, most frequent texts first."""
    total = sum(weight.values())
    sums: dict[str, float] = {}
    texts: dict[str, int] = {}
    for member, activity in known:
        for share in activity.answers:
            sums[share.kind] = sums.get(share.kind, 0.0) + weight[member.node] * share.active / total
            texts[share.kind] = share.texts
    mean = [Share(kind, texts[kind], active, 0.0) for kind, active in sums.items()]
    more, _ = split_by_share(mean)
    return tuple(share.kind for share in sorted(more, key=lambda share: -share.texts))


def _promoted(members: Sequence[Member]) -> tuple[str, ...]:
    """Tokens that the members raise, each member's counted by its |effect| and relative to its first."""
    votes: dict[str, float] = {}
    for member in members:
        raised = member.promoted.raised if member.promoted else ()
        for item in raised:
            votes[item.token] = (
                votes.get(item.token, 0.0) + abs(member.effect) * item.weight / raised[0].weight
            )
    return tuple(sorted(votes, key=lambda token: -votes[token])[:_KEPT])


def where_of(members: Sequence[Member], traits: Traits) -> str:
    """The name's left side."""
    first = members[0].node
    if first.is_error:
        place = "" if first.position == SUMMED else f" at position {first.position}"
        return f"error of {first.site}{place}"
    if not traits.words:
        return "silent"
    return f"{'on' if traits.choosy else 'at'} {words(tuple(traits.words))}"


def aim_of(members: Sequence[Member], traits: Traits, *, at_end: bool) -> str:
    """The name's right side; empty where nothing is known.

    Args:
        at_end: whether the members are near the output, so that what they promote directly matters.
    """
    if traits.for_answers:
        return f"{'→' if members[0].effect >= 0 else '⊣'} {words(traits.for_answers)}"
    return f"makes likelier {words(traits.promoted)}" if at_end and traits.promoted else ""


def words(names: Sequence[str], count: int = _WORDS) -> str:
    """The first few of them in quotes: without their spaces, and with what cannot be seen spelled out."""
    plain = list(dict.fromkeys(_plain(name) for name in names))
    return ", ".join(f"“{name}”" for name in plain[:count]) + (" …" if len(plain) > count else "")


def _plain(name: str) -> str:
    if name.strip():
        return name.strip()
    return name.strip(" ").replace("\n", "\\n").replace("\t", "\\t") or "␣"


def unique(names: Sequence[str], extra: Callable[[int], str]) -> list[str]:
    """Names with what tells equal ones apart in brackets: ``extra`` of the row, or if that is equal too, a number."""
    found = list(names)
    for tell in (extra, None):
        rows: dict[str, list[int]] = {}
        for row, name in enumerate(found):
            rows.setdefault(name, []).append(row)
        for name, same in rows.items():
            more = [tell(row) if tell else str(number) for number, row in enumerate(same, start=1)]
            if len(set(more)) > 1:
                for row, text in zip(same, more, strict=True):
                    found[row] = f"{name} ({text})"
    return found


def layers_of(sites: Sequence[str]) -> str:
    """``embed``, ``layer 2`` or ``layers 2 and 3``; a single site by its own name."""
    if len(sites) == 1:
        return sites[0]
    layers = sorted({Site.parse(site).layer for site in sites})
    names = ["embed" if layer < 0 else str(layer) for layer in layers]
    numbers = [name for name in names if name != "embed"]
    front = "embed and " if len(numbers) < len(names) else ""
    text = numbers[0] if len(numbers) == 1 else f"{numbers[0]} to {numbers[-1]}"
    return f"{front}layer{'s' if len(numbers) > 1 else ''} {text}"
