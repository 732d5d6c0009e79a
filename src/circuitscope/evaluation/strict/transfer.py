"""Does the circuit do on new words what it does on the words that it was discovered on?

Faithfulness on examples of the discovery split, faithfulness on the held-out split, and the difference with its
interval. It transfers if even the low end of the interval loses no more than ``MARGIN``; it does not if even the
high end loses more; in between, there are too few examples to tell.

New words are claimed only where there are any. The words that a pair is about are the tokens in which clean and
patch differ. A held-out pair is known if one of these occurs anywhere in an example of the discovery. Nothing says
which words of a single text matter, so it is known if all its tokens are. As soon as one held-out example is known,
the test measures other combinations of words and not other words, and says so.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from circuitscope.errors import BadInput, NothingFound
from circuitscope.evaluation.scores import Values, difference
from circuitscope.evaluation.strict.tested_circuit import TestedCircuit
from circuitscope.results import FAILS, HOLDS, PROMPT, CannotBeSaid, SplitScore, StrictOutcome, Transfer
from circuitscope.tasks import Encoded, Task, longest_kept

MARGIN = 0.1
"""A loss of faithfulness up to this still counts as transfer."""
LEAST = 0.1
"""Faithfulness on the discovery's own examples below which there is nothing to transfer."""


def transfer(
    subject: TestedCircuit, other: Callable[[str], TestedCircuit], task: Task, split: str
) -> StrictOutcome[Transfer] | CannotBeSaid[Transfer]:
    """Compare the two splits of a task.

    Args:
        subject: the circuit on the split that is evaluated.
        other: the same circuit on another split.
        split: the split that is evaluated.
    """
    circuit = subject.circuit
    if circuit.recipe is None:
        return CannotBeSaid("the circuit does not say which split it was discovered on")
    origin = circuit.recipe.settings.split
    pruned_on = circuit.findings.pruned.split if circuit.findings.pruned else origin
    if pruned_on != origin:
        return CannotBeSaid(f"it was discovered on {origin} and pruned on {pruned_on}: no split is held out")
    if circuit.recipe.task.kind == PROMPT:
        return CannotBeSaid("the behaviour is one prompt, so no text is held out")
    away = "test" if origin == "train" else "train"
    try:
        here, there = (subject if name == split else other(name) for name in (origin, away))
    except (NothingFound, BadInput) as error:
        return CannotBeSaid(f"one of the splits cannot be evaluated: {error.got}")
    known = _known(subject, task, (origin, away), (there.scale.examples, here.scale.examples))
    return _verdict(
        Transfer(
            discovery=SplitScore(origin, here.scale.examples, here.score),
            held_out=SplitScore(away, there.scale.examples, there.score),
            difference=difference(_three(there), _three(here), seed=subject.scale.seed),
            pairs=task.pairs,
            known=known,
        )
    )


def _three(tested: TestedCircuit) -> tuple[Values, Values, Values]:
    return tested.kept, tested.scale.empty, tested.scale.full


def _verdict(found: Transfer) -> StrictOutcome[Transfer] | CannotBeSaid[Transfer]:
    value, gap = found.discovery.score.value, found.difference
    if value is None or gap.low is None or gap.high is None:
        return CannotBeSaid(gap.why, found)
    if value < LEAST:
        return CannotBeSaid(
            "the circuit does next to nothing on the examples that it was discovered on", found
        )
    if found.known:
        return CannotBeSaid("the splits share the words that matter", found)
    if gap.low >= -MARGIN:
        return StrictOutcome(HOLDS, found)
    if gap.high < -MARGIN:
        return StrictOutcome(FAILS, found)
    return CannotBeSaid("the examples are too few, or too different, to tell", found)


def _known(subject: TestedCircuit, task: Task, splits: tuple[str, str], counts: tuple[int, int]) -> int:
    """How many of the held-out examples are about words that the discovery's examples have."""
    origin, away = splits
    circuit, model = subject.circuit, subject.scale.runs.model
    settings = circuit.made_by.settings
    read: dict[str, Any] = {"bos": settings.has_bos, "longest": longest_kept(model, settings.truncate)}
    pruned = circuit.findings.pruned.examples if circuit.findings.pruned else 0
    limit = max(circuit.findings.examples or counts[1], pruned)
    discovery, _ = task.encode(origin, model.tokenizer, limit=limit, **read)
    held_out, _ = task.encode(away, model.tokenizer, limit=counts[0], **read)
    seen = {token for example in discovery for token in (*example.clean, *(example.patch or ()))}
    return sum(_is_known(example, seen) for example in held_out)


def _is_known(example: Encoded, seen: set[int]) -> bool:
    if example.patch is None:
        return seen.issuperset(example.clean)
    return not seen.isdisjoint(_differing(example.clean, example.patch))


def _differing(clean: Sequence[int], patch: Sequence[int]) -> set[int]:
    return {token for pair in zip(clean, patch, strict=True) if pair[0] != pair[1] for token in pair}
