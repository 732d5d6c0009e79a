"""What a Python function does by default is what the command does by default."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import fields
from typing import Any

import circuitscope as cs
from circuitscope import config
from circuitscope.config import Config

SAME: tuple[tuple[Callable[..., Any], type[Config]], ...] = (
    (cs.discover, config.DiscoverySettings),
    (cs.check, config.CheckConfig),
    (cs.evaluate, config.EvaluateConfig),
    (cs.sweep, config.SweepConfig),
    (cs.prune, config.PruneConfig),
    (cs.group, config.GroupConfig),
    (cs.report, config.ReportConfig),
    (cs.behaviours.find_contexts, config.ContextSearch),
    (cs.behaviours.make_vectors, config.VectorSettings),
    (cs.behaviours.find_clusters, config.ClusterSettings),
    (cs.shift.classifier_circuit, config.EffectsConfig),
    (cs.shift.features_to_judge, config.ShiftJudgeConfig),
    (cs.shift.train_classifier, config.ShiftTrainConfig),
    (cs.shift.load_labelled_sets, config.LabelledData),
)
OTHER_NAMES = {
    (cs.shift.train_classifier, "lr"): "learning_rate",
    (cs.shift.train_classifier, "batch_size"): "batch",
    (cs.shift.load_labelled_sets, "seed"): "data_seed",
}
WHOLE = (
    cs.discover,
    cs.evaluate,
    cs.sweep,
    cs.prune,
    cs.group,
    cs.report,
    cs.behaviours.find_contexts,
    cs.behaviours.make_vectors,
    cs.behaviours.find_clusters,
)
"""Every field of the config is an argument of these."""
NOT_IN_PYTHON = {(cs.report, item.name) for item in fields(config.WorkersConfig)}
"""A function of one circuit has nothing to divide."""


def test_defaults_are_the_same():
    wrong = []
    for function, kind in SAME:
        settings = {item.name: item.default for item in fields(kind)}
        for name, parameter in inspect.signature(function).parameters.items():
            field = OTHER_NAMES.get((function, name), name)
            if field not in settings or parameter.default is inspect.Parameter.empty:
                continue
            if (parameter.default or None) != (settings[field] or None):  # "" and None both say: not given
                wrong.append(
                    f"{function.__name__}({name}={parameter.default!r}), {kind.__name__} {settings[field]!r}"
                )
    assert not wrong, "\n".join(wrong)


def test_every_setting_of_a_command_is_an_argument():
    missing = []
    for function, kind in SAME:
        if function in WHOLE:
            given = inspect.signature(function).parameters
            missing += [
                f"{function.__name__} has no {item.name}"
                for item in fields(kind)
                if item.name not in given and (function, item.name) not in NOT_IN_PYTHON
            ]
    assert not missing, "\n".join(missing)
