"""What the strict tests found, in words: a line per test with its verdict, and the figures that it rests on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from circuitscope.pages.words.numbers import number, plural, share, signed
from circuitscope.pages.words.score_words import score_name
from circuitscope.results import (
    CannotBeSaid,
    EdgesExplain,
    RandomCircuits,
    Score,
    SpareNodes,
    SplitScore,
    Spread,
    Stability,
    StrictOutcome,
    StrictTests,
    Transfer,
)

Figures = TypeVar("Figures")
_LISTED = 5


@dataclass(frozen=True)
class StrictLine:
    """One test as it is shown."""

    question: str
    verdict: str
    """``holds``, ``does not hold`` or ``cannot be said``."""
    figures: str
    """The result in a few words."""
    sentences: str
    """What was done and found."""


def strict_lines(strict: StrictTests) -> list[StrictLine]:
    """The tests in words, in the order in which a sceptic asks."""
    lines = [
        _line("better than random nodes in its places", strict.random, _random_figures, _random),
        _line("the same from other examples", strict.stability, _stability_figures, _stability),
        _line("the same on words held out", strict.transfer, _transfer_figures, _transfer),
        _line("minimal: hardly a node to spare", strict.spare, _spare_figures, _spare),
    ]
    if strict.edges is not None:
        lines.append(_line("explained by its edges", strict.edges, _edges_figures, _edges))
    return lines


def _line(
    question: str,
    found: StrictOutcome[Figures] | CannotBeSaid[Figures],
    figures: Callable[[Figures], str],
    sentences: Callable[[Figures], str],
) -> StrictLine:
    why = f"{found.why[0].upper()}{found.why[1:]}." if found.why else ""
    if found.figures is None:
        return StrictLine(question, found.verdict, "–", why)
    said = " ".join(filter(None, [why, sentences(found.figures)]))
    return StrictLine(question, found.verdict, figures(found.figures), said)


def _range(found: Spread | Score) -> str:
    assert found.low is not None
    assert found.high is not None
    return f"{number(found.low)} to {number(found.high)}"


def _gap(value: float) -> str:
    return signed(value) if round(value, 2) else "0.00"


def _named(score: Score) -> str:
    """A faithfulness that is negative or over 1 with what that means; else nothing."""
    meanings = {
        "negative": "negative: the circuit works against what the model does",
        "over 1": "over 1: the circuit does more than the whole model",
    }
    name = score_name(score)
    return f" ({meanings[name]})" if name else ""


def _random_figures(found: RandomCircuits) -> str:
    name = score_name(_alone(found.faithfulness))
    return f"p = {found.p:.2g}" + (f", faithfulness {name}" if name else "")


def _alone(faithfulness: float) -> Score:
    return Score(faithfulness, None, None)


def _random(found: RandomCircuits) -> str:
    count, good = found.circuits, found.as_faithful
    name = _named(_alone(found.faithfulness))
    place = "site and position" if found.by_position else "site"
    first = (
        f"{'None' if good == 0 else good} of {plural(count, 'random circuit')} "
        f"{'is' if good <= 1 else 'are'} at least as faithful (p = {found.p:.2g}"
        f"{', the smallest that so many can give' if good == 0 else ''}). "
        f"The circuit's faithfulness is {number(found.faithfulness)}{name}, theirs "
        f"{number(found.random.mean)} on average ({_range(found.random)})."
    )
    return (
        f"{first} Each has as many features and errors at every {place} as the circuit's "
        f"{plural(found.nodes, 'node')}, drawn from the {found.drawn_from:,} that have an effect there; so "
        f"{share(found.shared)} of its nodes are the circuit's own."
    )


def _stability_figures(found: Stability) -> str:
    return f"Jaccard {number(found.jaccard.mean)}"


def _stability(found: Stability) -> str:
    kept = (
        f"the {found.nodes:,} strongest nodes"
        if found.threshold is None
        else f"the nodes above {found.threshold:.3g}, {found.nodes_of_a_half:,.0f} on average"
    )
    text = (
        f"The {found.examples} examples that it was discovered on were divided in two at random, "
        f"{plural(found.halvings, 'time')}. Each half keeps {kept}; two halves have {share(found.shared)} of "
        f"them in common (Jaccard index {number(found.jaccard.mean)}, {_range(found.jaccard)}; "
        f"{number(found.jaccard_not_free.mean)} among nodes that are not free; chance would give "
        f"{number(found.by_chance)})."
    )
    if found.again < 1:
        text += (
            f" All examples together keep nodes with a Jaccard index of {number(found.again)} with the circuit: "
            "the circuit is not simply what its examples keep now, and the halves speak for this selection."
        )
    return text


def _transfer_figures(found: Transfer) -> str:
    value = found.difference.value
    return "undefined" if value is None else f"difference {_gap(value)}"


def _transfer(found: Transfer) -> str:
    origin, away, gap = found.discovery, found.held_out, found.difference
    text = (
        f"Faithfulness is {_scored(origin)} on {_examples(origin)} and {_scored(away)} on {_examples(away)}"
    )
    if gap.value is not None and gap.low is not None and gap.high is not None:
        text += f": a difference of {_gap(gap.value)} ({_gap(gap.low)} to {_gap(gap.high)})"
    return f"{text}. {_words(found)}"


def _examples(side: SplitScore) -> str:
    return f"{plural(side.examples, 'example')} of the {side.split} split"


def _scored(side: SplitScore) -> str:
    score = side.score
    return "undefined" if score.value is None else f"{number(score.value)} ({_range(score)}){_named(score)}"


def _words(found: Transfer) -> str:
    known, count = found.known, found.held_out.examples
    if found.pairs:
        if not known:
            return "No held-out pair is about a word that a discovery example has."
        return (
            f"{known} of the {count} held-out pairs are about words that discovery examples have: this tests new "
            "combinations of words, not new words."
        )
    if not known:
        return "Every held-out text has a word that no discovery example has."
    return (
        f"{known} of the {count} held-out texts have no word that is new: this tests new combinations of words, "
        "not new words."
    )


def _spare_figures(found: SpareNodes) -> str:
    return f"{found.together:,} of {found.nodes:,} to spare"


def _spare(found: SpareNodes) -> str:
    names = list(found.without.items())
    most = ", ".join(f"{node} ({number(value)})" for node, value in names[:_LISTED])
    least = ", ".join(f"{node} ({number(value, 3)})" for node, value in names[::-1][:_LISTED])
    alone = found.droppable
    text = (
        f"{alone:,} of the {plural(found.nodes, 'node')} can be dropped, each by itself, without losing more than "
        f"1 % of the faithfulness of {number(found.faithfulness, 3)}{_named(_alone(found.faithfulness))}"
    )
    if alone:
        text += (
            f"; the {found.together:,} least needed can be dropped together at that cost (leaving "
            f"{number(found.faithfulness_without_them, 3)})"
        )
        if alone > found.together:
            text += f"; dropping all {alone:,} would leave {number(found.faithfulness_without_all)}"
    return (
        f"{text}. Most needed, with what is left without them: {most}. Least needed: {least}. "
        f"Measured on {plural(found.examples, 'example')}, one run per node."
    )


def _edges_figures(found: EdgesExplain) -> str:
    return f"{share(max(found.explained, 0.0))} explained"


def _edges(found: EdgesExplain) -> str:
    what = f"the effects of the {plural(found.nodes, 'node')} after the first site"
    if found.explained <= 0:
        text = f"Its {plural(found.edges, 'edge')} miss {what} by more than there is of them."
    else:
        text = f"Its {plural(found.edges, 'edge')} explain {share(found.explained)} of {what}."
    return (
        f"{text} {_REST}"
        if found.edges_at == "secant"
        else f"{text} They are derivatives ({found.edges_at})."
    )


_REST = (
    "The rest came from nodes that are not in the circuit, or over weaker edges; what comes from the model's input "
    "where no dictionary covers it is not counted."
)
