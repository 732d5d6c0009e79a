"""Paths in words: their shares, and what all of them come to."""

from __future__ import annotations

from circuitscope.pages.words.numbers import density, share
from circuitscope.pages.words.visible import visible
from circuitscope.results import SECANT, Circuit, Paths
from circuitscope.terms import OUTPUT

_TINY = 0.00001


def path_share(part: float) -> str:
    """A share that may be tiny or negative, with a minus sign that is one."""
    if abs(part) < _TINY:
        return "0 %"
    return ("−" if part < 0 else "") + density(abs(part))


def path_sentence(found: Paths) -> str:
    """What all paths together carry, and how to take their shares."""
    begin = "the nodes that no edge goes into" if found.source is None else found.source
    end = "the output" if found.target == OUTPUT else found.target
    if not found.paths:
        return f"No path of the circuit's edges leads from {begin} to {end}."
    whole = "its effect" if found.target != OUTPUT else "the whole effect"
    if not found.adds_up and found.target == OUTPUT:
        whole = "what the edges into the output add up to"
    text = f"All paths from {begin} to {end} together carry {share(found.carried)} of {whole}."
    if not found.adds_up:
        text += f" {_why_not(found)}: take the shares as a ranking."
    if not found.exact_routes:
        text += " There are too many routes to look at all of them: a stronger one may be missing."
    return text


def _why_not(found: Paths) -> str:
    if found.edges_at == SECANT:
        return "These edges go with other gradients than the node effects, and do not add up to those"
    return f"These edges ({found.edges_at or 'of unknown kind'}) are derivatives and do not add up"


def position_tokens_line(circuit: Circuit) -> str:
    """Which token each position holds; empty where positions are summed."""
    tokens = circuit.findings.tokens or ()
    if not circuit.keeps_positions or not tokens:
        return ""
    used = sorted({int(position) for position in circuit.nodes.position})
    named = [f"{position} {visible(tokens[position].strip())}" for position in used if position < len(tokens)]
    return f"positions: {', '.join(named)}"
