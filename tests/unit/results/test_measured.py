"""What was measured, as values: to JSON and back, in the layout that files have always had, and in a line of text."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from measured import (
    COMPARISON,
    DICTIONARIES,
    EVALUATION,
    NONE,
    PRUNE,
    SHIFT_SCORES,
    STABILITY,
    STRICT,
    SWEEP,
    scores_with,
)

from circuitscope.errors import BadFile
from circuitscope.results import (
    DictionaryScores,
    from_plain,
    read_evaluation,
    read_prune,
    read_shift_comparison,
    read_shift_scores,
    read_sweep,
    to_plain,
    write_result,
)
from circuitscope.runs import COMPARISON as COMPARISON_STAGE
from circuitscope.runs import EVALUATION as EVALUATION_STAGE
from circuitscope.runs import PRUNE as PRUNE_STAGE
from circuitscope.runs import SCORES, read_json, write_json
from circuitscope.runs import SWEEP as SWEEP_STAGE

WHOLE = replace(EVALUATION, strict=STRICT)
FILES = [
    (EVALUATION, EVALUATION_STAGE, read_evaluation),
    (WHOLE, EVALUATION_STAGE, read_evaluation),
    (replace(EVALUATION, strict=replace(STRICT, stability=STABILITY)), EVALUATION_STAGE, read_evaluation),
    (SWEEP, SWEEP_STAGE, read_sweep),
    (PRUNE, PRUNE_STAGE, read_prune),
    (SHIFT_SCORES, SCORES, read_shift_scores),
    (COMPARISON, COMPARISON_STAGE, read_shift_comparison),
]


@pytest.mark.parametrize(("value", "stage", "read"), FILES)
def test_files_are_read_as_they_were_written(tmp_path, value, stage, read):
    path = tmp_path / stage.file
    write_result(path, value)
    assert read(tmp_path) == read(path) == value
    plain = read_json(path)
    assert plain["schema_version"] == 2
    write_json(path, {**plain, "schema_version": 3})
    with pytest.raises(BadFile, match="follows schema version 3"):
        read(path)
    del plain["schema_version"]
    write_json(path, plain)
    assert read(path) == value, "files of the version before do not say theirs"


def test_scores_of_dictionaries_come_back():
    assert from_plain(DictionaryScores, json.loads(json.dumps(to_plain(DICTIONARIES)))) == DICTIONARIES


def test_the_layout_of_files_is_the_one_that_they_had():
    """Flat where it was flat, without what was not there."""
    assert "strict" not in to_plain(EVALUATION)
    assert set(to_plain(NONE)) == {"value", "low", "high", "why"}
    strict = to_plain(STRICT)
    assert list(strict["random"])[:4] == ["verdict", "why", "circuits", "as_faithful"]
    assert set(strict["stability"]) == {"verdict", "why"}
    assert list(strict["transfer"]) == [
        "verdict",
        "why",
        "discovery",
        "held_out",
        "difference",
        "pairs",
        "known",
    ]
    assert list(strict["transfer"]["discovery"]) == ["split", "examples", "value", "low", "high", "why"]
    rows = to_plain(PRUNE)["rows"]
    assert set(rows[0]["faithfulness"]) == {"value", "low", "high", "why", "deviation"}
    assert rows[2]["nodes"] is rows[2]["faithfulness"] is None
    assert list(to_plain(SHIFT_SCORES)["rows"][0])[:3] == ["classifier", "texts", "intended"]
    assert {"seed", "removed", "worst_group"} <= set(to_plain(COMPARISON)["curves"][0]["points"][0])
    assert list(to_plain(DICTIONARIES)["rows"][0])[:2] == ["site", "counts"]


def test_a_damaged_evaluation_says_what_is_wrong(tmp_path):
    path = tmp_path / "evaluation.json"
    for changed, said in (
        ({"scores": 3}, "Evaluation.scores cannot be read: int"),
        ({"examples": "many"}, "Evaluation.examples cannot be read: 'many'"),
        (
            {"strict": {**to_plain(STRICT), "random": {"verdict": "maybe"}}},
            "StrictTests.random cannot be read",
        ),
    ):
        write_json(path, {**to_plain(EVALUATION), **changed})
        with pytest.raises(BadFile, match=said):
            read_evaluation(path)


def test_each_says_in_a_few_words_what_it_is():
    assert repr(EVALUATION) == (
        "Evaluation: faithfulness 0.97 (0.93 … 1.01), completeness -0.02; 1 free layer; 40 test examples"
    )
    assert repr(WHOLE).startswith(f"{EVALUATION!r}\nStrictTests with 1 free layer\n  random holds: 0 of 100")
    assert "stability cannot be said: it was discovered on 3 examples" in repr(STRICT)
    assert "spare does not hold: 3 of 9 nodes to spare" in repr(STRICT)
    undefined = replace(EVALUATION, scores=(replace(scores_with(0), faithfulness=NONE, completeness=NONE),))
    assert "faithfulness undefined: it contains 0, completeness undefined; no free layers" in repr(undefined)
    assert repr(SWEEP).splitlines() == [
        "Sweep: simple in toy; 1 free layer; 40 test examples",
        "  Curve: features, nodes needed 1 for 0.5, – for 0.9; 100 candidates",
    ]
    assert repr(PRUNE) == (
        "PruneResult: 12 of 120 nodes (greedy) keep 0.9 on 300 train examples, 0.97 (0.93 … 1.01) on held-out test; "
        "1 free layer"
    )
    assert "SHIFT, balanced texts: ClassifierScores: intended 0.750 (0.250 … 0.750)" in repr(SHIFT_SCORES)
    assert "as published, SHIFT: worst group 0.500" in repr(COMPARISON)
    assert "resid_2: ScrTpp: SCR 0.50/–, TPP 0.25/0.50 for 2/5 features" in repr(DICTIONARIES)
    for value in (EVALUATION, SWEEP, PRUNE, SHIFT_SCORES, COMPARISON, DICTIONARIES):
        assert repr(value).startswith(type(value).__name__)
