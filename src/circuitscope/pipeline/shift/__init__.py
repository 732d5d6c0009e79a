"""SHIFT as stages of a run folder, one step per file: each as prepare, step and finish, and as one function."""

from circuitscope.pipeline.shift.apply import (
    Applied,
    FinishedSheet,
    apply_step,
    features_left,
    finish_apply,
    prepare_apply,
    run_shift_apply,
)
from circuitscope.pipeline.shift.compare import (
    compare_step,
    finish_compare,
    prepare_compare,
    run_shift_compare,
)
from circuitscope.pipeline.shift.demo import Demonstrated, run_shift_demo
from circuitscope.pipeline.shift.dictionaries import run_score_dictionaries
from circuitscope.pipeline.shift.effects import (
    effects_step,
    finish_effects,
    prepare_effects,
    run_shift_effects,
)
from circuitscope.pipeline.shift.evaluate import (
    evaluate_step,
    finish_evaluate,
    prepare_evaluate,
    run_shift_evaluate,
)
from circuitscope.pipeline.shift.judge import (
    Ask,
    Judging,
    SheetWritten,
    features_to_judge,
    finish_judging,
    judge_by_asking,
    open_judging,
    prepare_judging,
    record_verdict,
    run_shift_judge,
)
from circuitscope.pipeline.shift.prepared import Prepared
from circuitscope.pipeline.shift.retrain import (
    finish_retrain,
    prepare_retrain,
    retrain_step,
    run_shift_retrain,
)
from circuitscope.pipeline.shift.run import ShiftRun, open_shift
from circuitscope.pipeline.shift.train import finish_train, prepare_train, run_shift_train, train_step

__all__ = [
    "Applied",
    "Ask",
    "Demonstrated",
    "FinishedSheet",
    "Judging",
    "Prepared",
    "SheetWritten",
    "ShiftRun",
    "apply_step",
    "compare_step",
    "effects_step",
    "evaluate_step",
    "features_left",
    "features_to_judge",
    "finish_apply",
    "finish_compare",
    "finish_effects",
    "finish_evaluate",
    "finish_judging",
    "finish_retrain",
    "finish_train",
    "judge_by_asking",
    "open_judging",
    "open_shift",
    "prepare_apply",
    "prepare_compare",
    "prepare_effects",
    "prepare_evaluate",
    "prepare_judging",
    "prepare_retrain",
    "prepare_train",
    "record_verdict",
    "retrain_step",
    "run_score_dictionaries",
    "run_shift_apply",
    "run_shift_compare",
    "run_shift_demo",
    "run_shift_effects",
    "run_shift_evaluate",
    "run_shift_judge",
    "run_shift_retrain",
    "run_shift_train",
    "train_step",
]
