"""SHIFT on the bundled model, small: from ambiguous texts to a classifier that looks at the work."""

from __future__ import annotations

import pytest

from circuitscope.config import (
    ShiftApplyConfig,
    ShiftEffectsConfig,
    ShiftEvaluateConfig,
    ShiftJudgeConfig,
    ShiftRetrainConfig,
    ShiftTrainConfig,
)
from circuitscope.editing.judging import read_sheet
from circuitscope.pipeline.shift import (
    run_shift_apply,
    run_shift_effects,
    run_shift_evaluate,
    run_shift_judge,
    run_shift_retrain,
    run_shift_train,
)
from circuitscope.runs import DONE, TO_DO, status

GENDER = "he,she,his,her,him,himself,herself,man,woman,husband,wife,son,daughter,brother,sister,father,mother"


@pytest.fixture(scope="module")
def walked(tmp_path_factory):
    """Every step, with word lists in the place of a person."""
    place = tmp_path_factory.mktemp("shift")
    run, sheet = place / "run", place / "sheet.csv"
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("CIRCUITSCOPE_HOME", str(place / "home"))
        run_shift_train(run, ShiftTrainConfig(limit=512, epochs=8, device="cpu"))
        circuit = run_shift_effects(run, ShiftEffectsConfig(examples=8, nodes=24, device="cpu"))
        judge = ShiftJudgeConfig(judge="words", remove_words=GENDER, contexts=3, texts=100, device="cpu")
        run_shift_judge(run, sheet, judge)
        applied = run_shift_apply(run, sheet, ShiftApplyConfig(device="cpu"))
        run_shift_retrain(run, ShiftRetrainConfig(device="cpu"))
        scores = run_shift_evaluate(run, ShiftEvaluateConfig(device="cpu"))
    return run, sheet, circuit, applied, scores


def test_every_step_is_done(walked):
    run, sheet, circuit, applied, _ = walked
    states = {item.stage: item.state for item in status(run).stages}
    assert states.pop("comparison") == TO_DO
    assert set(states.values()) == {DONE}
    features = read_sheet(sheet, circuit)
    assert len(applied.removal) == sum(item.verdict == "remove" for item in features) > 3
    assert all(item.contexts for item in features[:5])


def test_the_classifier_that_is_left_looks_less_at_the_attribute(walked):
    *_, scores = walked
    rows = {row.classifier: row.scores for row in scores.of("balanced")}
    original, again = rows["original"], rows["SHIFT + retrain"]
    assert original.unintended > original.intended, "the ambiguous texts taught it the attribute"
    assert again.intended > original.intended + 0.05
    assert again.unintended < original.unintended - 0.05
    assert again.worst_group > original.worst_group
    ambiguous = [row.scores for row in scores.of("ambiguous")]
    assert all(row.intended == row.unintended for row in ambiguous)
    assert ambiguous[0].intended > 0.9
