"""The answer in a few sentences, written from the numbers."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from circuitscope.pages.report_content import NodeLine, Question, Report, SiteAtPosition
from circuitscope.pages.words.numbers import plural, share, signed
from circuitscope.pages.words.score_words import CLEARLY, against, oddities, over_one
from circuitscope.pages.words.visible import visible
from circuitscope.results import Evaluation, Score

_METRICS = {
    "logit-difference": "the clean answer's logit (the model's raw score) minus the patch answer's",
    "probability-difference": "the clean answer's probability minus the patch answer's",
    "log-probability": "the logarithm of the clean answer's probability",
    "logit": "the clean answer's logit (the model's raw score)",
}
_MUCH, _SOME, _LITTLE = 0.8, 0.5, 0.2


def metric_sentence(question: Question) -> str:
    """What was measured, and what it is on the two sides."""
    what = _METRICS.get(question.metric, question.metric_shown_as or question.metric)
    text = f"The behaviour is measured by {what}." if what else ""
    if question.clean is not None:
        text += f" Its mean is {signed(question.clean)} on the clean texts"
        text += "" if question.patch is None else f" and {signed(question.patch)} on the patch texts"
        text += "."
    return text.strip()


def answer(report: Report) -> list[str]:
    """Paragraphs: how large and how faithful it is, where it sits, and what is strongest."""
    paragraphs = [
        [size_sentence(report), *truth_sentences(report.evaluation, report.question.split)],
        where_sentences(report),
        [_strongest(report.nodes[0])] if report.nodes else [],
    ]
    return [text for sentences in paragraphs if (text := " ".join(filter(None, sentences)))]


def size_sentence(report: Report) -> str:
    text = f"The circuit has {plural(report.n_nodes, 'node')} and {plural(report.n_edges, 'edge')}"
    among = "" if report.n_candidates is None else f" of {report.n_candidates:,} that have any effect"
    if report.nodes_asked is not None:
        return f"{text}: the strongest{among}." if among else f"{text}."
    if report.node_threshold is None:  # chosen in another way
        return f"{text}."
    cut = f"mean effect is above {report.node_threshold:.3g} in size"
    return f"{text}: all nodes{among} whose {cut}."


def truth_sentences(evaluation: Evaluation | None, discovered_on: str) -> list[str]:
    """Faithfulness and completeness in words, for the scores that the evaluation puts first.

    Args:
        discovered_on: the split that the circuit itself was discovered on; empty where that is not known.
    """
    if evaluation is None:
        return ["Whether it is faithful has not been measured yet."]
    score = evaluation.scores[0]
    held_out = bool(discovered_on) and evaluation.split != discovered_on
    value = score.faithfulness.value
    if value is None:
        where = "the held-out examples" if held_out else "these examples"
        return [f"On {where} the behaviour itself is too weak for a verdict on the circuit."]
    free = score.free_layers
    layers = "the first layer" if free == 1 else f"the first {free} layers"
    given = f" (embed and {layers} left untouched)" if free else ""
    count = plural(evaluation.examples, "example")
    if held_out:
        where = f"on {count} held out from its discovery"
    elif discovered_on:
        where = "on its own examples"
    else:
        where = f"on {count}"
    first = (
        f"By itself, with everything else set to {_baseline(evaluation.baseline)}, it restores "
        f"{_restored(score.faithfulness)} {where}{given}."
    )
    left = _left(score.completeness, value)
    return [first, left, *oddities(score, evaluation.metric)]


def _restored(score: Score) -> str:
    """How much of the behaviour, in words that fit shares below 0 and over 1 too."""
    value = score.value or 0.0
    if against(score):
        return "none of the behaviour"
    if over_one(score):
        return f"all of the behaviour and more ({share(value)})"
    degree = (
        f"all ({share(value)})" if value >= 1 else f"nearly all ({share(value)})" if value >= _MUCH
        else f"{share(value)}" if value >= _LITTLE
        else f"next to nothing ({share(value)})" if value < CLEARLY else f"only {share(value)}"
    )  # fmt: skip
    return f"{degree} of the behaviour"


def _baseline(baseline: str) -> str:
    words = {
        "mean": "its mean",
        "clean-mean": "its mean",
        "zero": "zero",
        "resample": "values from other texts",
    }
    return words.get(baseline, baseline)


def _left(score: Score, faithful: float) -> str:
    value = score.value
    if value is None:
        return ""
    little = abs(value) < CLEARLY
    if against(score):
        left = "none of the behaviour is left"
    elif over_one(score):
        left = f"there is more of the behaviour ({share(value)})"
    else:
        left = "next to nothing is left" if little else f"{share(value)} of the behaviour is left"
    if little and faithful < _LITTLE:
        meaning = ": the circuit is needed, but is far from enough"
    elif little and faithful < _MUCH:
        meaning = ": the circuit is needed, but does not do it alone"
    elif _SOME < value <= faithful:
        meaning = ": other parts of the model can do the same"
    else:
        meaning = ""
    return f"Without it, {left}{meaning}."


def where_sentences(report: Report) -> list[str]:
    """Where the effect sits: by position from the first to the last layers, and the errors' share of it."""
    total = sum(place.total for place in report.places)
    if not total:
        return []
    found = [_positions(report.places, total) if report.keeps_positions else _layers(report.places, total)]
    errors = sum(place.error_total for place in report.places)
    count = sum(place.errors for place in report.places)
    if count:
        are = "is an error node, which stands" if count == 1 else "are error nodes, which stand"
        have = "it makes up" if count == 1 else "they make up"
        found.append(
            f"{count} of the nodes {are} for what the dictionaries do not explain; {have} "
            f"{share(errors / total)} of the summed effect."
        )
    return found


def position_name(position: int | None, heading: str) -> str:
    if position is None:
        return "all positions"
    words = visible(heading.strip())
    return f"position {position}" + (f" (“{words}”)" if words else "")


def layer_name(layer: int) -> str:
    return "the embedding" if layer < 0 else f"layer {layer}"


def _positions(places: Sequence[SiteAtPosition], total: float) -> str:
    """Which position leads in which layers."""
    leaders = []
    for layer, group in groupby(places, key=lambda place: place.layer):
        sums: dict[int | None, float] = {}
        for place in group:
            sums[place.position] = sums.get(place.position, 0.0) + place.total
        leaders.append((layer, max(sums, key=lambda position: sums[position])))
    headings = {place.position: place.heading for place in places}
    stretches = [
        (position, [layer for layer, _ in group]) for position, group in groupby(leaders, key=lambda x: x[1])
    ]
    (first, low), (last, high) = stretches[0], stretches[-1]
    name = position_name(first, headings[first])
    if len(stretches) == 1:
        part = sum(place.total for place in places if place.position == first) / total
        return f"In every layer, most of the effect sits at {name}: {share(part)} of the sum."
    between = len(stretches) - 2
    via = f" In between, the leading position changes {plural(between, 'more time')}." if between else ""
    return (
        f"{_span(low)}, most of the effect sits at {name}; {_span(high).lower()}, at "
        f"{position_name(last, headings[last])}.{via}"
    )


def _span(layers: Sequence[int]) -> str:
    if len(layers) == 1:
        return f"In {layer_name(layers[0])}"
    return f"From {layer_name(layers[0])} to {layer_name(layers[-1])}"


def _layers(places: Sequence[SiteAtPosition], total: float) -> str:
    sums: dict[str, float] = {}
    for place in places:
        sums[place.site] = sums.get(place.site, 0.0) + place.total
    top = sorted(sums, key=lambda site: -sums[site])[:2]
    named = " and ".join(f"{site} ({share(sums[site] / total)})" for site in top)
    return f"The largest parts of the summed effect are at {named}."


def _strongest(node: NodeLine) -> str:
    what = "the error" if node.feature is None else f"feature {node.feature}"
    where = "" if node.position is None else f" at {position_name(node.position, node.heading)}"
    verb = "promotes" if node.effect > 0 else "suppresses"
    return (
        f"The strongest single node is {what} of {node.site}{where}, which {verb} the clean answer by "
        f"{abs(node.effect):.2f}{f' ± {node.stderr:.2f}' if node.stderr else ''}."
    )
