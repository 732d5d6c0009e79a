"""The published protocol on a file in the layout of LabHC/bias_in_bios, with a model of Pythia-70M's shape.

Weights are random and texts invented, so the figures mean nothing; that every step runs on just these shapes and
fields does.
"""

from __future__ import annotations

import random

import pyarrow
import pyarrow.parquet
import pytest

from benchmarks.pythia_shape import calibration_tokens, write_dictionaries, write_model
from benchmarks.shapes import Shape
from circuitscope.config import (
    ShiftApplyConfig,
    ShiftCompareConfig,
    ShiftEffectsConfig,
    ShiftEvaluateConfig,
    ShiftJudgeConfig,
    ShiftRetrainConfig,
    ShiftTrainConfig,
)
from circuitscope.editing.comparison import CONCEPTS
from circuitscope.editing.judging import read_sheet
from circuitscope.pipeline.shift import (
    open_shift,
    run_shift_apply,
    run_shift_compare,
    run_shift_effects,
    run_shift_evaluate,
    run_shift_judge,
    run_shift_retrain,
    run_shift_train,
)

FEATURES, ACTIVE = 64, 8
PROFESSOR, NURSE, TEACHER = 21, 13, 26
WORK = {
    PROFESSOR: ("teaches algebra at a large university", "published a study on rivers", "holds a grant"),
    NURSE: ("works on the ward of a clinic", "cares for patients after surgery", "gives out medication"),
    TEACHER: ("plans lessons for the fourth grade", "likes a quiet classroom", "grades homework"),
}
HE = ("He", "She")
PER_GROUP = {"train": 8, "test": 3}


def biographies(split):
    draw = random.Random(split)
    return [
        {
            "hard_text": " ".join(f"{HE[gender]} {part}." for part in draw.sample(WORK[profession], 2)),
            "profession": profession,
            "gender": gender,
        }
        for profession in WORK
        for gender in (0, 1)
        for _ in range(PER_GROUP[split])
    ]


@pytest.fixture(scope="module")
def place(shared, tmp_path_factory):
    folder = tmp_path_factory.mktemp("bios")
    file = shared / "tokenizers" / "gpt_neox" / "tokenizer.json"
    tokenizer = write_model(folder / "model", file, Shape(), 0)
    text = " ".join(row["hard_text"] for row in biographies("train"))
    write_dictionaries(folder, calibration_tokens(tokenizer, 8 * text), FEATURES, ACTIVE, 0)
    for split in ("train", "test"):
        path = folder / "bias_in_bios" / "data" / f"{split}-00000-of-00001.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        pyarrow.parquet.write_table(pyarrow.Table.from_pylist(biographies(split)), path)
    return folder


def test_the_published_protocol_runs_end_to_end(place, monkeypatch):
    monkeypatch.setenv("CIRCUITSCOPE_HOME", str(place / "home"))
    run, sheet, cpu = place / "run", place / "sheet.csv", {"device": "cpu"}
    train = ShiftTrainConfig(
        model=str(place / "model"),
        dictionaries=str(place / "dictionaries"),
        data=str(place / "bias_in_bios"),
        site="resid_4",
        **cpu,
    )
    classifier = run_shift_train(run, train)
    opened = open_shift(run, device="cpu", progress=lambda *_: None)
    assert len(opened.dictionaries) == 19
    assert opened.sets.classes == ("professor", "nurse")
    assert opened.sets.sizes["train_ambiguous"] == 2 * PER_GROUP["train"]
    assert classifier.weight.shape == (512,)
    assert not classifier.bos  # Pythia's texts have none
    effects = ShiftEffectsConfig(examples=2, rule="left", points=10, node_threshold=1e-4, **cpu)
    circuit = run_shift_effects(run, effects)
    assert max(site.layer for site in circuit.sites) <= 4
    judge = ShiftJudgeConfig(judge="words", remove_words="he,she", contexts=2, texts=16, **cpu)
    written = run_shift_judge(run, sheet, judge)
    assert len(written.features) == len(read_sheet(sheet, circuit)) > 0
    run_shift_apply(run, sheet, ShiftApplyConfig(**cpu))
    run_shift_retrain(run, ShiftRetrainConfig(**cpu))
    scores = run_shift_evaluate(run, ShiftEvaluateConfig(**cpu))
    assert {row.scores.n for row in scores.of("balanced")} == {4 * PER_GROUP["test"]}
    assert scores.groups == ("male professor", "female professor", "male nurse", "female nurse")
    result = run_shift_compare(run, ShiftCompareConfig(draws=1, **cpu))
    published = [row.name for row in result.rows if row.section == "as published"]
    assert len(published) == 8
    assert len(CONCEPTS) == 20
