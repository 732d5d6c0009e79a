"""A report of a made-up circuit with whatever tokens a test wants."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from drawn_circuits import circuit_of

from circuitscope.pages.page import ExampleText, LookedUp, Report, RunOrigin, make_report
from circuitscope.results import (
    Circuit,
    Evaluation,
    FeatureContexts,
    FeatureDashboard,
    FeatureTokens,
    StrictTests,
    Sweep,
    TokenContext,
    TokenWeight,
    from_plain,
)

NASTY = (
    "</script><script>alert(1)</script>", "<img src=x onerror=alert(1)>", "&amp;", "\x00\x1b", "\u202ex", "\ud800",
    "'\"`", "{{ 7 * 7 }}", "]]>", "<!--", "\n", "</style>",
)  # fmt: skip


def dashboard(
    site: str, feature: int, tokens: tuple[str, ...] = (" he", " s", "aid", ".")
) -> FeatureDashboard:
    activations = tuple(float(index) for index in range(len(tokens)))
    contexts = (TokenContext(tokens, activations, len(tokens) - 1, tokens[0]),)
    words = tuple(TokenWeight(token, 1.5) for token in tokens)
    lowered = tuple(TokenWeight(token, -0.5) for token in tokens)
    return FeatureDashboard(
        FeatureContexts(site, feature, contexts, 0.25, activations[-1], 1000),
        FeatureTokens(site, feature, words, lowered, exact=True),
    )


def circuit(**info: Any) -> Circuit:
    nodes = {
        "embed/7@1": 0.5,
        "resid_0/3@1": 1.25,
        "resid_0/3@2": -0.75,
        "resid_1/error@2": 0.25,
        "resid_1/9@2": 2.0,
    }
    edges = {
        ("embed/7@1", "resid_0/3@1"): 0.4,
        ("resid_0/3@1", "resid_1/9@2"): 0.8,
        ("resid_0/3@2", "resid_1/9@2"): -0.3,
        ("resid_1/9@2", "output"): 1.9,
    }
    known: dict[str, Any] = {
        "task": "he_she", "model": "toy", "dictionaries": "random", "metric": "logit-difference",
        "metric_shown_as": "logit(clean answer) − logit(patch answer)", "positions": "keep", "examples": 50,
        "split": "train", "tokens": ["<s>", " Tom", " was"], "clean_metric": 2.0, "patch_metric": -2.0,
        "thresholds": {"node": 0.2, "edge": 0.02}, "nodes_asked": 5, "method": "ig", "rule": "gauss",
        "dictionary_kinds": {"relu": 3}, "n_layers": 2, "bos": True, "dtype": "float32", "baseline": "mean",
    }  # fmt: skip
    return circuit_of(nodes, edges, **(known | info))


EVALUATION = from_plain(
    Evaluation,
    {
        "metric": "logit-difference",
        "skipped": {},
        "free_layers": 1,
        "metric_shown_as": "logit(clean answer) − logit(patch answer)",
        "split": "test",
        "examples": 40,
        "baseline": "mean",
        "errors": "circuit",
        "coverage": 0.95,
        "scores": [
            {
                "free_layers": free,
                "nodes": 4,
                "faithfulness": {"value": value, "low": value - 0.1, "high": value + 0.1, "why": ""},
                "completeness": {"value": 0.05, "low": -0.01, "high": 0.1, "why": ""},
                "means": {"model": 2.0, "empty": 0.0, "circuit": 1.7, "complement": 0.1},
            }
            for free, value in ((1, 0.85), (0, 0.4))
        ],
    },
)

STRICT = from_plain(StrictTests, {
    "free_layers": 1,
    "random": {
        "verdict": "holds", "why": "", "circuits": 100, "as_faithful": 0, "p": 1 / 101, "faithfulness": 0.85,
        "random": {"mean": 0.06, "low": -0.05, "high": 0.3}, "by_position": True, "nodes": 4, "drawn_from": 90,
        "shared": 0.2,
    },
    "stability": {
        "verdict": "holds", "why": "", "halvings": 20, "examples": 50, "threshold": None, "nodes": 4,
        "nodes_of_a_half": 4.0, "candidates": 90, "jaccard": {"mean": 0.67, "low": 0.5, "high": 1.0},
        "jaccard_not_free": {"mean": 0.7, "low": 0.5, "high": 1.0}, "shared": 0.8, "by_chance": 0.02, "again": 1.0,
    },
    "transfer": {
        "verdict": "holds", "why": "", "pairs": True, "known": 0,
        "discovery": {"split": "train", "examples": 40, "value": 0.9, "low": 0.8, "high": 1.0, "why": ""},
        "held_out": {"split": "test", "examples": 40, "value": 0.85, "low": 0.75, "high": 0.95, "why": ""},
        "difference": {"value": -0.05, "low": -0.09, "high": 0.001, "why": ""},
    },
    "spare": {
        "verdict": "does not hold", "why": "", "nodes": 4, "examples": 40, "faithfulness": 0.85, "allowed": 0.0085,
        "droppable": 2, "together": 1, "faithfulness_without_them": 0.845, "faithfulness_without_all": 0.6,
        "without": {"resid_1/9@2": 0.2, "resid_0/3@1": 0.4, "resid_0/3@2": 0.845, "embed/7@1": 0.85},
    },
})  # fmt: skip

SWEEP = from_plain(Sweep, {
    "task": "he_she",
    "model": "toy",
    "metric": "logit-difference",
    "split": "test",
    "examples": 40,
    "free_layers": 1,
    "errors": "circuit",
    "levels": [0.5],
    "fractions": [0.1, 1.0],
    "curves": [
        {
            "name": "features", "nodes": [1, 10, 100], "faithfulness": [0.1, 0.6, 0.9],
            "faithfulness_low": [0.0, 0.5, 0.8], "faithfulness_high": [0.2, 0.7, 1.0],
            "completeness": [0.9, 0.4, 0.0], "needed": {"0.5": 8.0}, "candidates": 100,
            "areas": {
                "cpr": 0.68, "cmd": 0.22, "cpr_log": 1.7, "cmd_log": 0.6, "nodes": [10, 100],
                "faithfulness": [0.6, 0.9],
            },
        }
    ],
})  # fmt: skip


def report(drawn: Circuit | None = None, tokens: tuple[str, ...] | None = None, **given: Any) -> Report:
    shown = {} if tokens is None else {"tokens": tokens}
    features = [dashboard("resid_1", 9, **shown), dashboard("resid_0", 3, **shown)]
    examples = [ExampleText("Tom was", "he", "Ann was", "she")]
    settings: dict[str, Any] = {"features": features, "examples": examples, "text_read": "stories.txt"}
    run = RunOrigin("he_she", "2026-01-02T03:04:05+00:00", {"circuitscope": "0.1.0"})
    settings |= {"run": run} | given
    looked_up = LookedUp(
        **{item.name: settings.pop(item.name) for item in fields(LookedUp) if item.name in settings}
    )
    return make_report(circuit() if drawn is None else drawn, known=looked_up, **settings)
