"""SHIFT as stages of a run folder, one step per file."""

from circuitscope.pipeline.shift.apply import Applied, run_shift_apply
from circuitscope.pipeline.shift.compare import run_shift_compare
from circuitscope.pipeline.shift.demo import Demonstrated, run_shift_demo
from circuitscope.pipeline.shift.dictionaries import run_score_dictionaries
from circuitscope.pipeline.shift.effects import run_shift_effects
from circuitscope.pipeline.shift.evaluate import run_shift_evaluate
from circuitscope.pipeline.shift.judge import Ask, SheetWritten, features_to_judge, run_shift_judge
from circuitscope.pipeline.shift.retrain import run_shift_retrain
from circuitscope.pipeline.shift.run import ShiftRun, open_shift
from circuitscope.pipeline.shift.train import run_shift_train

__all__ = [
    "Applied",
    "Ask",
    "Demonstrated",
    "SheetWritten",
    "ShiftRun",
    "features_to_judge",
    "open_shift",
    "run_score_dictionaries",
    "run_shift_apply",
    "run_shift_compare",
    "run_shift_demo",
    "run_shift_effects",
    "run_shift_evaluate",
    "run_shift_judge",
    "run_shift_retrain",
    "run_shift_train",
]
