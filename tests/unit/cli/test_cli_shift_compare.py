"""circuitscope shift compare: every row is what the steps themselves give, and a stopped comparison goes on."""

from __future__ import annotations

import logging
import shutil
from dataclasses import replace

import numpy as np
import pytest
from schema_check import faults_in
from shift_world import fill_sheet, settings, steps, write_data

from circuitscope.config import ShiftApplyConfig, ShiftCompareConfig, ShiftEvaluateConfig
from circuitscope.editing.classifier import train_classifier
from circuitscope.editing.comparison import figures as module
from circuitscope.editing.comparison.words import without_words
from circuitscope.editing.judging import read_sheet
from circuitscope.editing.scores import score
from circuitscope.errors import BadInput
from circuitscope.pages.pictures.plot_removal import curves_to_draw, plot_removal
from circuitscope.pipeline.shift import compare as stage
from circuitscope.pipeline.shift import (
    features_left,
    open_shift,
    run_shift_apply,
    run_shift_compare,
    run_shift_evaluate,
)
from circuitscope.results import (
    ClassifierScores,
    CurvePoint,
    MeanPoint,
    SeedScores,
    ShiftComparison,
    load,
    read_shift_comparison,
    read_shift_scores,
)
from circuitscope.runs import read_json
from circuitscope.tasks.labelled import LabelledText
from circuitscope.work.partial import Partial

WORDS = {"cue_words": "cat,cats,king,kings", "task_words": "is,are,has,have"}


def compared(**changed):
    return ShiftCompareConfig(**{"device": "cpu", "draws": 2, **WORDS, **changed})


@pytest.fixture(scope="module")
def walked(world, tmp_path_factory):
    """A run with every step but the comparison."""
    place = tmp_path_factory.mktemp("compared")
    folder, sheet = place / "run", place / "sheet.jsonl"
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("CIRCUITSCOPE_HOME", str(place / "home"))
        made = steps(folder, settings(world, write_data(place / "data")), sheet)
        for name in ("classifier", "circuit"):
            made[name]()
        run_shift_apply(folder, fill_sheet(folder, sheet), ShiftApplyConfig(device="cpu"))
        for name in ("retrained", "scores"):
            made[name]()
    return folder


@pytest.fixture(scope="module")
def result(walked):
    return run_shift_compare(walked, compared())


def test_what_is_written_is_what_is_returned(walked, result):
    assert read_shift_comparison(walked / "comparison") == result
    assert faults_in(walked / "comparison" / "comparison.json", "comparison") == []
    assert faults_in(walked / "scores" / "scores.json", "scores") == []


def rows(result):
    return {(row.section, row.name): row for row in result.rows}


def test_the_rows_of_shift_are_those_of_the_steps(walked, result):
    own = {row.classifier: row.scores for row in read_shift_scores(walked / "scores").of("balanced")}
    for name in ("original", "SHIFT", "SHIFT + retrain"):
        found = rows(result)["as published", name].summary
        for figure in ("intended", "unintended", "worst_group"):
            assert getattr(found, figure).mean == pytest.approx(getattr(own[name], figure))
        assert found.groups == pytest.approx(own[name].groups)


def test_every_row_is_there_and_says_how_much_it_takes_out(result):
    found = rows(result)
    published = [name for section, name in found if section == "as published"]
    assert published == [
        "original", "random features", "concept bottleneck", "SHIFT", "SHIFT + retrain", "neuron skyline",
        "feature skyline", "oracle",
    ]  # fmt: skip
    removed = {key: row.summary.removed for key, row in found.items()}
    assert removed["as published", "SHIFT"] > 0
    for name in ("random features", "SHIFT + retrain", "neuron skyline", "feature skyline"):
        assert removed["as published", name] == removed["as published", "SHIFT"]
    for name in ("original", "concept bottleneck", "oracle"):
        assert removed["as published", name] == 0
    assert ("without features", "cue words deleted + retrain") in found
    assert result.curves[0].chooser == "circuit"


def test_the_oracle_is_a_probe_trained_on_balanced_texts(walked, result):
    run = open_shift(walked, device="cpu", progress=lambda *_: None)
    first = run.classifier()
    oracle = train_classifier(
        run.model, run.sets.train_balanced, site=first.site, bos=first.bos, epochs=3, batch_size=16
    )
    wanted = score(oracle.predict(run.sets.test_balanced), run.sets.test_balanced)
    found = rows(result)["as published", "oracle"].summary
    assert found.intended.mean == pytest.approx(wanted.intended)
    assert found.worst_group.mean == pytest.approx(wanted.worst_group)


def test_a_comparison_that_was_stopped_goes_on_with_the_same_figures(walked, result, tmp_path, monkeypatch):
    again = tmp_path / "run"
    shutil.copytree(walked, again)
    shutil.rmtree(again / "comparison", ignore_errors=True)
    kept, put = [], Partial.put

    def stop_after_a_few(self, name, arrays):
        put(self, name, arrays)
        kept.append(name)
        if len(kept) == 6:
            raise KeyboardInterrupt

    monkeypatch.setattr(Partial, "put", stop_after_a_few)
    with pytest.raises(KeyboardInterrupt):
        run_shift_compare(again, compared())
    first = list(kept)
    assert not (again / "comparison").exists()
    found = run_shift_compare(again, compared())
    assert not set(first) & set(kept[len(first) :])  # nothing was made twice
    assert found == result


def test_several_seeds_have_spans_over_seeds(walked, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")  # as many threads in workers as here, to the last bit the same
    found = run_shift_compare(walked, compared(seeds=2), overwrite=True)
    in_workers = run_shift_compare(walked, compared(seeds=2, workers=2), overwrite=True)
    assert in_workers == found
    assert found.seeds == (42, 43)
    for row in found.rows:
        values = [one.intended for one in row.scores]
        figure = row.summary.intended
        assert len(values) == 2
        assert figure.mean == pytest.approx(np.mean(values))
        assert (figure.low, figure.high) == (min(values), max(values))


def test_the_picture_has_a_line_for_each_way_to_choose(result, tmp_path):
    figure = plot_removal(result, tmp_path / "curves.svg")
    axes = figure.axes[0]
    named = {line.get_label(): line for line in axes.lines if not line.get_label().startswith("_")}
    assert set(named) == {*(curve.chooser for curve in result.curves), "original", "oracle"}
    for curve in result.curves:
        drawn = {round(float(x), 6): float(y) for x, y in zip(*named[curve.chooser].get_data(), strict=True)}
        for value in curve.mean.values():
            assert drawn[round(value.removed, 6)] == pytest.approx(100 * value.worst_group)
    assert (tmp_path / "curves.svg").stat().st_size > 0


def test_the_command_prints_the_table(program, walked):
    options = [f"--{name.replace('_', '-')}={value}" for name, value in WORDS.items()]
    made = program("shift", "compare", walked, "--device", "cpu", "--draws", "2", "--overwrite", *options)
    assert made.status == 0
    assert (walked / "comparison" / "curves.png").is_file()
    for word in ("concept bottleneck", "SHIFT + retrain", "oracle", "worst group", "chosen by"):
        assert word in made.out


def test_what_is_missing_is_named(program, walked, tmp_path):
    refused = program("shift", "compare", tmp_path / "nothing")
    assert refused.status == 1
    assert "nothing" in refused.err


def test_rows_that_lack_their_words_are_left_out(walked, caplog):
    with caplog.at_level(logging.WARNING, "circuitscope"):
        found = run_shift_compare(walked, ShiftCompareConfig(device="cpu", draws=1), overwrite=True)
    names = [row.name for row in found.rows]
    assert "concept bottleneck" not in names
    assert {row.section for row in found.rows} == {"as published"}
    assert found.curves == ()
    assert "task_words" in caplog.text
    assert "cue_words" in caplog.text
    assert not (walked / "comparison" / "curves.png").exists(), "axes without a curve say nothing"
    with pytest.raises(BadInput, match="no curve along which features are taken out"):
        plot_removal(found)


def test_a_table_without_curves_is_not_printed(program, walked):
    made = program("shift", "compare", walked, "--device", "cpu", "--draws", "1", "--overwrite")
    assert made.status == 0
    assert "chosen by" not in made.out
    said = " ".join(made.out.split())
    assert "no curves over the number of features taken out" in said
    assert "with a picture" not in said


def test_curves_that_take_nothing_out_are_not_drawn(result):
    nothing = tuple(
        replace(curve, points=tuple(replace(p, scores=replace(p.scores, removed=0)) for p in curve.points))
        for curve in result.curves
    )
    assert curves_to_draw(result) == list(result.curves)
    assert curves_to_draw(replace(result, curves=(*nothing, result.curves[0]))) == [result.curves[0]]


def test_features_are_set_to_what_the_run_sets_them_to(walked, tmp_path, monkeypatch):
    monkeypatch.setenv("CIRCUITSCOPE_HOME", str(tmp_path / "home"))
    again = tmp_path / "run"
    shutil.copytree(walked, again)
    for later in ("retrained", "scores", "comparison"):
        shutil.rmtree(again / later, ignore_errors=True)
    sheet = fill_sheet(again, tmp_path / "sheet.jsonl")
    run_shift_apply(again, sheet, ShiftApplyConfig(device="cpu", how="mean"), overwrite=True)
    scores = run_shift_evaluate(again, ShiftEvaluateConfig(device="cpu"), overwrite=True)
    (own,) = (row.scores for row in scores.of("balanced") if row.classifier == "SHIFT")
    found = rows(run_shift_compare(again, compared(), overwrite=True))["as published", "SHIFT"].summary
    assert found.groups == pytest.approx(own.groups)


def test_other_words_do_not_go_on_with_what_was_kept(walked, tmp_path, monkeypatch):
    again = tmp_path / "run"
    shutil.copytree(walked, again)
    shutil.rmtree(again / "comparison", ignore_errors=True)
    words = tmp_path / "words.txt"
    plans = []

    def note(setup, seeds, task, progress):
        plans.append(read_json(setup.kept.folder / "plan.json"))
        return ShiftComparison(task, tuple(seeds), (), {}, 0.0, (), ())

    monkeypatch.setattr(stage, "compare", note)
    monkeypatch.setattr(stage, "plot_removal", lambda result, path: None)
    for text in ("cat\nking\n", "cat\n"):
        words.write_text(text)
        run_shift_compare(again, compared(cue_words=str(words)), overwrite=True)
    assert plans[0] != plans[1]


def test_words_are_deleted_whole_and_whatever_their_case():
    texts = [LabelledText("Her husband is there. She has heroes.", 1, 1), LabelledText("She", 0, 1)]
    found = without_words(texts, ("she", "her", "husband"))
    assert [text.text for text in found] == ["is there. has heroes.", "She"]
    assert [text.label for text in found] == [1, 0]


def test_an_automatic_judge_is_asked_once_about_a_feature(walked, monkeypatch):
    run = open_shift(walked, device="cpu", progress=lambda *_: None)
    asked = []
    whole = stage.judge_by_words

    def count(model, dictionaries, features, *rest, **more):
        asked.append(len(features))
        return whole(model, dictionaries, features, *rest, **more)

    monkeypatch.setattr(stage, "judge_by_words", count)
    judge = stage._judge(run, False, ("cat", "king"), ("is", "has"))
    site = next(iter(run.dictionaries))
    first = judge([(site, 0), (site, 1)])
    assert judge([(site, 1), (site, 2), (site, 0)])[site, 0] == first[site, 0]
    assert asked == [2, 1]


def drawn(intended):
    interval = (0.0, 1.0)
    return ClassifierScores(
        intended, 0.5, 0.1, (0.1, 0.2, 0.3, 0.4), 40, (10,) * 4, *[interval] * 3, (interval,) * 4
    )


def test_a_mean_over_draws_is_a_mean():
    mean = module._mean_scores([drawn(0.2), drawn(0.4)], 3)
    assert mean.intended == pytest.approx(0.3)
    assert mean.intended_interval == (0.2, 0.4)
    assert mean.groups == pytest.approx((0.1, 0.2, 0.3, 0.4))
    assert mean.removed == 3


def test_a_mean_curve_ends_with_all_that_each_seed_takes_out():
    def point(seed, removed, value):
        scores = SeedScores(value, value, value, (value,) * 4, *[(value, value)] * 3, removed)
        return CurvePoint(scores, seed)

    points = [point(1, 2, 0.2), point(1, 7, 0.6), point(2, 2, 0.4), point(2, 5, 0.8)]
    found = module.mean_curve(points)
    assert list(found) == ["2", "5", "all"]
    assert found["2"].intended == pytest.approx(0.3)
    assert found["5"] == MeanPoint(0.8, 0.8, 0.8, 5.0)
    assert found["all"].removed == 6
    assert found["all"].worst_group == pytest.approx(0.7)


def test_poor_verdicts_are_followed_by_what_to_look_at(program, walked, tmp_path, monkeypatch):
    monkeypatch.setattr("circuitscope.pages.words.comparison_words.GAIN", 2.0)  # nothing is ever enough
    folder = shutil.copytree(walked, tmp_path / "run")
    words = (word for name, value in WORDS.items() for word in (f"--{name.replace('_', '-')}", value))
    found = program("shift", "compare", folder, "--device", "cpu", "--draws", 1, "--overwrite", *words)
    assert found.status == 0, found.err
    assert "the attribute is cat or king" in " ".join(found.out.split())
    left = features_left(folder)
    assert "groups to look at: " in found.out
    assert f"the strongest of {len(left)} features left in the model: {left[0].name} (" in found.out
    assert f"circuitscope shift apply {folder} " in found.out


def test_features_that_were_left_are_those_that_the_sheet_keeps(walked):
    sheet = read_sheet(walked / "removed" / "sheet.jsonl", load(walked / "circuit"))
    left = features_left(walked)
    assert {item.name for item in left} == {item.name for item in sheet if item.verdict == "keep"}
    assert [abs(item.effect) for item in left] == sorted((abs(item.effect) for item in left), reverse=True)
    assert 0 < len(left) < len(sheet)
