"""evaluate: faithfulness and completeness of a circuit (Marks et al. 2024, section 3.3).

faithfulness = (m(C) − m(∅)) / (m(M) − m(∅)), ideally 1; completeness is the same of M∖C, ideally 0. Scores are
ratios of means over examples. The first third of the layers (and embed) is given for free, as in the paper;
free 0 is always measured beside it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from circuitscope.dictionaries import Dictionaries
from circuitscope.errors import BadInput
from circuitscope.evaluation.ablated_runs import AblatedRuns, make_ablated_runs
from circuitscope.evaluation.faithfulness_scale import FaithfulnessScale
from circuitscope.evaluation.scores import COVERAGE, ratio
from circuitscope.evaluation.strict import TestedCircuit, strict_tests
from circuitscope.model import LanguageModel
from circuitscope.results import Circuit
from circuitscope.tasks import METRICS, Examples, Measure, Metric, Task, load_task, metric_named
from circuitscope.work import Progress, shown


def evaluate(
    circuit: Circuit,
    model: LanguageModel,
    dictionaries: Dictionaries,
    task: Task | str | Path | Examples,
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
    seed: int = 0,
    progress: Progress | bool | None = None,
) -> dict[str, Any]:
    """Measure a circuit on held-out examples.

    Args:
        task: a task, or anything that ``load_task`` takes.
        metric: by default the one that it was discovered with; a function has to be given again.
        baseline: what ablated nodes are set to; ``auto`` is what the circuit records.
        errors: ``circuit`` keeps the errors in the circuit, ``keep`` all, ``remove`` none.
        free_layers: layers (and embed) that are never ablated; default floor(layers / 3).
        strict: also ask what a sceptic asks, with the free layers asked for: ``circuitscope.evaluation.strict``.
        random_circuits: how many random circuits of equal size to compare with.
        halvings: how often to divide the discovery's examples into random halves.
        spare_examples: how many examples show which nodes can be spared; by default all.
        progress: shown by default; False is silent, a function is called with (done, total, what).

    Returns:
        Plain values: scores with intervals for the free layers asked for and for free 0, and the means of the
        higher-is-better metric for the model, the empty circuit, the circuit and its complement; with ``strict``
        four tests with a verdict each, under that name.
    """
    task = load_task(task, model)

    def bench_of(split: str, examples: int) -> AblatedRuns:
        return ablated_runs_for(
            circuit, model, dictionaries, task, metric, examples, split, baseline, errors, batch_size, seed
        )

    bench = bench_of(split, examples)
    usual = model.n_layers // 3 if free_layers is None else free_layers
    check_free_layers(usual, model)
    subjects = [
        TestedCircuit(circuit, FaithfulnessScale(bench, free, seed)) for free in dict.fromkeys((usual, 0))
    ]
    full = subjects[0].scale.full
    result = {
        "metric": bench.metric.name,
        "metric_shown_as": bench.metric.shown_as,
        "split": split,
        "examples": len(full),
        "skipped": bench.skipped,
        "baseline": _baseline_name(circuit, baseline),
        "errors": errors,
        "coverage": COVERAGE,
        "free_layers": usual,
        "scores": [_scores(subject) for subject in subjects],
    }
    if strict:
        # The discovery's own examples are the first of their split; more of it would not be its own.
        own = int(circuit.info.get("examples") or examples)

        def other(split: str) -> TestedCircuit:
            count = min(examples, own) if split == circuit.info.get("split") else examples
            return TestedCircuit(circuit, FaithfulnessScale(bench_of(split, count), usual, seed))

        with shown(progress) as tell:
            result["strict"] = strict_tests(
                subjects[0],
                task,
                other,
                split=split,
                circuits=random_circuits,
                halvings=halvings,
                spare_examples=spare_examples,
                batch_size=batch_size,
                progress=tell,
            )
    return result


def _scores(subject: TestedCircuit) -> dict[str, Any]:
    sites, circuit = subject.scale.sites, subject.circuit
    empty, kept, full = subject.scale.empty, subject.kept, subject.scale.full
    rest = subject.scale.runs.run(circuit.nodes, sites, complement=True)
    return {
        "free_layers": subject.scale.free_layers,
        "nodes": int(subject.scale.on_ablated(circuit.nodes, circuit.sites).sum()),
        "faithfulness": subject.score,
        "completeness": ratio(rest, empty, full, seed=subject.scale.seed),
        "means": {
            "model": float(full.mean()),
            "empty": float(empty.mean()),
            "circuit": float(kept.mean()),
            "complement": float(rest.mean()),
        },
    }


def ablated_runs_for(
    circuit: Circuit,
    model: LanguageModel,
    dictionaries: Dictionaries,
    task: Task,
    metric: str | Metric | Measure | None,
    examples: int,
    split: str,
    baseline: str,
    errors: str,
    batch_size: int,
    seed: int,
) -> AblatedRuns:
    """The held-out side of a circuit's own task, with the circuit's own conventions."""
    if tuple(dictionaries) != circuit.sites:
        raise BadInput(
            f"the circuit lives on {len(circuit.sites)} sites, the dictionaries are for {len(dictionaries)}",
            expected=", ".join(site.name for site in circuit.sites),
            mend="load the dictionaries that it was discovered with",
        )
    tokens = circuit.info.get("tokens")
    return make_ablated_runs(
        model,
        dictionaries,
        task,
        _metric(circuit, metric, task),
        examples=examples,
        split=split,
        baseline=_baseline_name(circuit, baseline),
        errors=errors,
        bos=bool(circuit.info.get("bos")),
        keep_positions=circuit.keeps_positions,
        length=len(tokens) if tokens else None,
        batch_size=batch_size,
        seed=seed,
    )


def _metric(circuit: Circuit, metric: str | Metric | Measure | None, task: Task) -> Metric:
    """The metric given, or by name the one that the circuit was discovered with."""
    name = str(circuit.info["metric"])
    if metric is None and name not in METRICS:
        raise BadInput(
            f"the circuit was discovered with a function, {name!r}",
            expected="that function again",
            mend="evaluate(…, metric=function)",
        )
    return metric_named(name if metric is None else metric, pairs=task.pairs)


def _baseline_name(circuit: Circuit, baseline: str) -> str:
    return str(circuit.info.get("baseline", "mean")) if baseline == "auto" else baseline


def check_free_layers(free: int, model: LanguageModel) -> None:
    if not 0 <= free < model.n_layers:
        raise BadInput(
            f"--free-layers {free}",
            expected=f"0 to {model.n_layers - 1}; the model has {model.n_layers} layers",
        )
