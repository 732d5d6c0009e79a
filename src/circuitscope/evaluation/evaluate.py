"""evaluate: faithfulness and completeness of a circuit (Marks et al. 2024, section 3.3).

faithfulness = (m(C) − m(∅)) / (m(M) − m(∅)), ideally 1; completeness is the same of M∖C, ideally 0. Scores are
ratios of means over examples. The first third of the layers (and embed) is given for free, as in the paper;
free 0 is always measured beside it.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from circuitscope.config import EvaluateConfig, settings_from
from circuitscope.dictionaries import Dictionaries
from circuitscope.evaluation.ablated_runs import ablated_runs_for, baseline_of
from circuitscope.evaluation.faithfulness_scale import FaithfulnessScale
from circuitscope.evaluation.free_layers import free_layers_of
from circuitscope.evaluation.scores import coverage_of
from circuitscope.evaluation.strict import TestedCircuit, strict_tests
from circuitscope.model import LanguageModel
from circuitscope.results import Circuit, CircuitScores, Evaluation, MetricMeans, StrictTests
from circuitscope.sources import Loaded, expect_sources, reopen
from circuitscope.tasks import Examples, Measure, Metric, Task
from circuitscope.work import Progress, shown, silent


def evaluate(
    circuit: Circuit,
    model: LanguageModel | None = None,
    dictionaries: Dictionaries | None = None,
    task: Task | str | Path | Examples | None = None,
    *,
    metric: str | Metric | Measure | None = None,
    examples: int = 40,
    split: str = "test",
    baseline: str = "auto",
    errors: str = "circuit",
    free_layers: int | None = None,
    strict: bool = False,
    random_circuits: int = 100,
    halvings: int = 20,
    spare_examples: int | None = None,
    batch_size: int = 32,
    device: str = "auto",
    dtype: str = "auto",
    seed: int = 0,
    progress: Progress | bool | None = None,
) -> Evaluation:
    """Measure a circuit on held-out examples; ``circuitscope.config.EvaluateConfig`` says what each setting means.

    Args:
        model, dictionaries, task: loaded by the circuit's recipe where they are left out.
        metric: by default the one that the circuit was discovered with; a function has to be given again.
        strict: also run the strict tests, with the free layers asked for: ``circuitscope.evaluation.strict``.
        progress: shown by default; False is silent, a function is called with (done, total, what).

    Returns:
        Scores with intervals for the free layers asked for and for free 0, and the means of the higher-is-better
        metric for the model, the empty circuit, the circuit and its complement; with ``strict``, five tests, each
        with a verdict.
    """
    expect_sources("evaluate", circuit, model, dictionaries, task)
    config = settings_from(EvaluateConfig, locals())
    with shown(progress) as tell:
        loaded = reopen(circuit, model, dictionaries, task, device=device, dtype=dtype, progress=tell)
        return evaluate_circuit(circuit, loaded, config, metric=metric, progress=tell)


def evaluate_circuit(
    circuit: Circuit,
    loaded: Loaded,
    config: EvaluateConfig,
    *,
    metric: str | Metric | Measure | None = None,
    progress: Progress = silent,
) -> Evaluation:
    """``evaluate`` with the settings as one value and everything loaded."""
    runs = ablated_runs_for(circuit, loaded, config, metric=metric)
    usual = free_layers_of(loaded.model, config.free_layers)
    tested = [
        TestedCircuit(circuit, FaithfulnessScale(runs, free, config.seed))
        for free in dict.fromkeys((usual, 0))
    ]
    return Evaluation(
        metric=runs.metric.name,
        metric_shown_as=runs.metric.shown_as,
        split=config.split,
        examples=len(tested[0].scale.full),
        skipped=runs.skipped,
        baseline=baseline_of(circuit, config),
        errors=config.errors,
        coverage=coverage_of(len(tested[0].scale.full)),
        free_layers=usual,
        scores=tuple(map(_scores, tested)),
        strict=_strict(tested[0], loaded, config, metric, progress) if config.strict else None,
    )


def _strict(
    subject: TestedCircuit,
    loaded: Loaded,
    config: EvaluateConfig,
    metric: str | Metric | Measure | None,
    progress: Progress,
) -> StrictTests:
    circuit = subject.circuit
    # The discovery's own examples are the first of their split; more of it would not be its own.
    own = circuit.findings.examples or config.examples

    def other(split: str) -> TestedCircuit:
        own_split = split == circuit.made_by.settings.split
        count = min(config.examples, own) if own_split else config.examples
        there = ablated_runs_for(circuit, loaded, replace(config, split=split, examples=count), metric=metric)
        return TestedCircuit(circuit, FaithfulnessScale(there, subject.scale.free_layers, config.seed))

    return strict_tests(subject, loaded, other, config, progress)


def _scores(subject: TestedCircuit) -> CircuitScores:
    circuit, scale = subject.circuit, subject.scale
    rest = scale.without(circuit.nodes)
    return CircuitScores(
        free_layers=scale.free_layers,
        nodes=int(scale.on_ablated(circuit.nodes, circuit.sites).sum()),
        faithfulness=subject.score,
        completeness=scale.interval(rest),
        means=MetricMeans(
            model=float(scale.full.mean()),
            empty=float(scale.empty.mean()),
            circuit=float(subject.kept.mean()),
            complement=float(rest.mean()),
        ),
    )
