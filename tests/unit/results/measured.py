"""One made-up value of every kind of result."""

from __future__ import annotations

from circuitscope.results import (
    Areas,
    CannotBeSaid,
    CircuitScores,
    ClassifierScores,
    ComparisonRow,
    Curve,
    CurvePoint,
    DictionaryRow,
    DictionaryScores,
    Evaluation,
    MeanPoint,
    MetricMeans,
    PruneResult,
    PruneRow,
    RandomCircuits,
    RemovalCurve,
    Score,
    ScoresRow,
    ScrTpp,
    SeedScores,
    ShiftComparison,
    ShiftScores,
    SpareNodes,
    SplitScore,
    Spread,
    Stability,
    StrictOutcome,
    StrictTests,
    Summary,
    Sweep,
    Transfer,
)

GOOD, NEAR_0 = Score(0.972, 0.931, 1.008), Score(-0.021, -0.04, 0.01)
NONE = Score(None, None, None, "undefined: it contains 0")
SPREAD = Spread(0.5, 0.25, 0.75)

STRICT = StrictTests(
    1,
    StrictOutcome("holds", RandomCircuits(100, 0, 1 / 101, 0.972, SPREAD, True, 9, 90, 0.25)),
    CannotBeSaid("it was discovered on 3 examples, too few to divide"),
    CannotBeSaid(
        "the splits share the words that matter",
        Transfer(SplitScore("train", 40, GOOD), SplitScore("test", 40, NONE), NONE, pairs=True, known=3),
    ),
    StrictOutcome(
        "does not hold", SpareNodes(9, 40, 0.972, 0.00972, 4, 3, 0.97, 0.5, {"resid_1/9@2": 0.125})
    ),
)
STABILITY = StrictOutcome("holds", Stability(20, 100, None, 9, 9.0, 90, SPREAD, SPREAD, 0.75, 0.0625, 1.0))


def scores_with(free: int) -> CircuitScores:
    return CircuitScores(free, 9, GOOD, NEAR_0, MetricMeans(2.0, 0.0, 1.9375, 0.125))


EVALUATION = Evaluation(
    metric="logit-difference",
    metric_shown_as="logit(clean answer) − logit(patch answer)",
    split="test",
    examples=40,
    skipped={"too long": 2},
    baseline="mean",
    errors="circuit",
    coverage=0.95,
    free_layers=1,
    scores=(scores_with(1), scores_with(0)),
)

SWEEP = Sweep(
    "simple", "toy", "logit-difference", "test", 40, 1, "circuit", (0.5, 0.9), (0.1, 1.0),
    (
        Curve(
            "features", (1, 100), (0.5, None), (0.25, None), (0.75, None), (0.5, 0.0), {"0.5": 1.0, "0.9": None},
            100, Areas(None, None, None, None, (10, 100), (0.5, None)),
        ),
    ),
)  # fmt: skip

PRUNE = PruneResult(
    task="simple",
    model="toy",
    metric="logit-difference",
    metric_shown_as="logit(clean answer) − logit(patch answer)",
    split="train",
    examples=300,
    held_out="test",
    errors="circuit",
    coverage=0.95,
    free_layers=1,
    asked=0.9,
    candidates=120,
    levels=(0.5, 0.9),
    chosen="greedy",
    rows=(
        PruneRow("thresholding", 0.9, 31, Score(0.9, 0.8, 1.0, "", 0.25), GOOD, GOOD, 1.5),
        PruneRow("greedy", 0.9, 12, Score(0.9, 0.8, 1.0, "", 0.125), GOOD, NONE, 20.0),
        PruneRow("masks", 0.9, None, None, None, None, 3.0),
    ),
)

ENDS = (0.25, 0.75)
SCORES = ClassifierScores(
    0.75, 0.5, 0.25, (0.25, None, 0.75, 1.0), 40, (20, 0, 10, 10), ENDS, ENDS, ENDS, (ENDS, None, ENDS, ENDS)
)
SHIFT_SCORES = ShiftScores(
    "bundled", ("male a", "female a", "male b", "female b"), 5, (ScoresRow("SHIFT", "balanced", SCORES),)
)
SEED_SCORES = SeedScores(0.75, 0.5, 0.25, (0.25, 0.5, 0.75, 1.0), ENDS, ENDS, ENDS, 5)
COMPARISON = ShiftComparison(
    task="bundled",
    seeds=(42,),
    groups=("male a", "female a", "male b", "female b"),
    sizes={"test_balanced": 40},
    unjudged=0.5,
    rows=(
        ComparisonRow(
            "as published",
            "SHIFT",
            Summary(SPREAD, SPREAD, SPREAD, (0.25, 0.5, 0.75, 1.0), 5.0),
            (SEED_SCORES,),
        ),
    ),
    curves=(
        RemovalCurve("circuit", (CurvePoint(SEED_SCORES, 42),), {"all": MeanPoint(0.75, 0.5, 0.25, 5.0)}),
    ),
)
DICTIONARIES = DictionaryScores(
    "bundled",
    {"label": ("nurse", "professor"), "attribute": ("male", "female")},
    (
        DictionaryRow(
            "resid_2",
            ScrTpp((2, 5), (0.5, None), (0.25, 0.5), "attribute", {"label": 0.5}, {"label": 0.75}),
        ),
    ),
)
