"""What a sceptic asks of a circuit: five tests, each with its figures and a verdict.

``random`` (is it more faithful than nodes picked at random in the same places?), ``stability`` (would other examples
have given it?), ``transfer`` (does it work on new words?), ``spare`` (does it have nodes to spare?). A verdict is
``holds``, ``does not hold`` or ``cannot be said``, and ``why`` says why it cannot.
"""

from __future__ import annotations

from collections.abc import Callable

from circuitscope.config import EvaluateConfig
from circuitscope.evaluation.strict.edges_explain import edges_explain
from circuitscope.evaluation.strict.random_circuits import random_circuits
from circuitscope.evaluation.strict.spare_nodes import spare_nodes
from circuitscope.evaluation.strict.stability import stability
from circuitscope.evaluation.strict.tested_circuit import TestedCircuit
from circuitscope.evaluation.strict.transfer import transfer
from circuitscope.results import StrictTests
from circuitscope.sources import Loaded
from circuitscope.work import Progress


def strict_tests(
    subject: TestedCircuit,
    loaded: Loaded,
    other: Callable[[str], TestedCircuit],
    config: EvaluateConfig,
    progress: Progress,
) -> StrictTests:
    """Run the five tests on a circuit.

    Args:
        subject: the circuit on the split that is evaluated.
        other: makes the same for another split.
    """
    return StrictTests(
        free_layers=subject.scale.free_layers,
        random=random_circuits(subject, config.random_circuits, progress),
        stability=stability(subject, loaded, config.halvings, progress),
        transfer=transfer(subject, other, loaded.task, config.split),
        spare=spare_nodes(subject, config.spare_examples, progress),
        edges=edges_explain(subject.circuit),
    )


__all__ = ["TestedCircuit", "strict_tests"]
