"""What settings that were left open come to for a kind of behaviour, and which of them it cannot have.

All of it is known before there is a model.
"""

from __future__ import annotations

from circuitscope.config import DiscoverySettings
from circuitscope.effects import SECANT
from circuitscope.errors import BadInput, argument
from circuitscope.tasks import Prompt, Task, metric_named


def refuse_impossible(settings: DiscoverySettings, behaviour: Task | Prompt | str) -> None:
    """Raise BadInput for settings that do not go with a behaviour, before a model is loaded for it.

    Args:
        behaviour: a task, a prompt, or the name of a template, whose examples are pairs.
    """
    is_template, is_prompt = isinstance(behaviour, str), isinstance(behaviour, Prompt)
    pairs = is_template or (isinstance(behaviour, Task) and behaviour.pairs)
    contrasts = is_template or (isinstance(behaviour, Task | Prompt) and behaviour.contrasts)
    metric_named(settings.metric, pairs=contrasts)
    edges_at_of(settings.edges_at, pairs=pairs, points=settings.edge_points)
    baseline_of(settings.baseline, is_prompt=is_prompt)


def edges_at_of(choice: str, *, pairs: bool, points: int | None = None) -> str:
    """What ``auto`` comes to; single inputs have no other choice.

    Args:
        pairs: whether the examples are pairs.
        points: the quadrature points asked for.
    """
    if choice == "auto":
        choice = SECANT if pairs else "clean"
    if choice != "clean" and not pairs:
        raise BadInput(
            f"{argument('edges_at', choice)} for single inputs",
            expected="clean: the zero baseline of single inputs has no active features that edges could go into",
            mend=f"leave out {argument('edges_at')}",
        )
    if points is not None and choice != SECANT:
        raise BadInput(
            f"{argument('edge_points', points)} for edges at {choice}",
            expected="secant edges, whose paths are averaged over points; a derivative is taken at one",
            mend=f"leave out {argument('edge_points')}",
        )
    return choice


def baseline_of(choice: str, *, is_prompt: bool) -> str:
    """What ``auto`` comes to. One prompt has no other texts to take values from, and is its own mean."""
    if choice == "auto":
        return "zero" if is_prompt else "mean"
    if is_prompt and choice not in ("zero", "mean"):
        raise BadInput(
            f"{argument('baseline', choice)} for a prompt",
            expected="zero, or mean: of the prompt's own tokens",
            mend=f"leave out {argument('baseline')}",
        )
    return choice
