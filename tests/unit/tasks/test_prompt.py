"""A prompt as a task: its answers, and the same task again from what a circuit keeps of it."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import circuitscope as cs
from circuitscope.errors import BadFile, BadInput
from circuitscope.results import PROMPT
from circuitscope.tasks import Example, make_inputs, metric_named, open_task, top_tokens
from circuitscope.tasks.examples import as_line, parse_example

TEXT = "The old dogs"


@pytest.fixture(scope="module")
def model(world):
    return cs.load_model(world.model, device="cpu")


@pytest.fixture(scope="module")
def dictionaries(world, model):
    return cs.load_dictionaries(world.dictionaries, model)


def logits_after(model, text: str) -> torch.Tensor:
    ids = model.tokenizer(text, add_special_tokens=False, return_tensors="pt")["input_ids"]
    return model.hf(ids).logits[0, -1].detach()


def test_the_models_own_next_token_is_the_answer(model, caplog):
    with caplog.at_level("INFO", "circuitscope"):
        task = cs.prompt_task(model, TEXT, bos="no")
    scores = logits_after(model, TEXT)
    (encoded,), skipped = task.encode("train", model.tokenizer, bos=False)
    assert encoded.clean_answers == (int(scores.argmax()),)
    assert not skipped
    found = top_tokens(model, TEXT, bos="no", count=4)
    assert [token.token for token in found] == scores.topk(4).indices.tolist()
    np.testing.assert_allclose(
        [token.probability for token in found], scores.softmax(0).topk(4).values, rtol=1e-5
    )
    assert repr(found[0].text) in caplog.text
    assert f"{found[0].probability:.1%}" in caplog.text


def test_an_answer_is_set_against_others_on_the_same_text(model):
    task = cs.prompt_task(model, TEXT, answer=" are", against=[" is", " has"])
    assert not task.pairs
    assert task.contrasts
    (encoded,), _ = task.encode("test", model.tokenizer, bos=False)
    inputs, scores = make_inputs([encoded], has_bos=False), logits_after(model, TEXT)
    metric = metric_named("auto", pairs=task.contrasts)
    are, *others = (scores[model.tokenizer.convert_tokens_to_ids(word)] for word in ("are", "is", "has"))
    assert metric.name == "logit-difference"
    expected = torch.stack(others).logsumexp(0) - are
    torch.testing.assert_close(metric(scores[None, None], inputs), expected[None])
    alone = cs.prompt_task(model, TEXT, answer=" are")
    assert metric_named("auto", pairs=alone.contrasts).name == "log-probability"


@pytest.mark.parametrize(
    ("prompt", "given", "says"),
    [
        (" ", {}, "has no tokens"),
        ("The zebra", {}, "does not know"),
        (TEXT, {"answer": " is has"}, "not one token"),
        (TEXT, {"answer": " zebra"}, "does not know"),
        (
            "The shiny old xylophone",
            {},
            "the prompt has words that the tokenizer does not know: 'shiny', 'xylophone'",
        ),
        (TEXT, {"answer": " is", "against": " is"}, "the answer ' is' is set against itself"),
    ],
)
def test_what_cannot_be_a_prompt(model, prompt, given, says):
    with pytest.raises(BadInput, match=says) as error:
        cs.prompt_task(model, prompt, **given)
    assert error.value.mend
    if given:
        assert repr(top_tokens(model, TEXT)[0].text) in error.value.mend


def test_a_circuit_of_a_prompt_opens_it_again(model, dictionaries, tmp_path):
    task = cs.prompt_task(model, TEXT, answer=" are", against=" is")
    circuit = cs.discover(model, dictionaries, task, nodes=10, bos="no", progress=False)
    settings = circuit.made_by.settings
    assert (settings.positions, settings.baseline, settings.metric) == ("keep", "zero", "logit-difference")
    saved = cs.load(cs.save(circuit, tmp_path / "run"))
    assert saved.made_by.task.kind == PROMPT
    again = open_task(saved.made_by.task, model)
    assert (again.name, again.train, again.test, again.is_template) == (task.name, *[task.train] * 2, True)
    assert again.as_source() == saved.made_by.task
    scores = logits_after(model, TEXT)
    are, other = (scores[model.tokenizer.convert_tokens_to_ids(word)] for word in ("are", "is"))
    zero, mean = (
        cs.evaluate(saved, device="cpu", baseline=baseline, free_layers=0, progress=False)
        for baseline in ("auto", "mean")
    )
    assert (zero.baseline, mean.baseline) == ("zero", "mean")
    for result in (zero, mean):
        means = result.scores[0].means
        assert means.model == pytest.approx(float(are - other), abs=1e-4)
        assert means.empty != pytest.approx(means.model, abs=1e-3), "the prompt is not its own ablation"


def test_a_prompt_has_no_other_text_to_resample_from(model, dictionaries):
    task = cs.prompt_task(model, TEXT, answer=" are")
    with pytest.raises(BadInput, match="for a prompt"):
        cs.discover(model, dictionaries, task, nodes=5, baseline="resample", progress=False)
    circuit = cs.discover(model, dictionaries, task, nodes=5, progress=False)
    with pytest.raises(BadInput, match="resample finds no two examples"):
        cs.evaluate(circuit, model, dictionaries, task, baseline="resample", progress=False)


def test_a_line_of_a_file_can_set_an_answer_against_another():
    line = {"clean_prefix": TEXT, "clean_answer": [" are"], "against": [" is", " has"]}
    example = parse_example(line, "line 1")
    assert example == Example(TEXT, " are", patch_answer=(" is", " has"))
    assert as_line(example) == line
    with pytest.raises(BadFile, match="keys"):
        parse_example(line | {"patch_prefix": "The old dog", "patch_answer": " is"}, "line 1")


def test_a_long_prompt_is_named_by_its_end(model):
    name = cs.prompt_task(model, "The old dogs near the old cooks near " * 3 + "the old king").name
    assert name.startswith("“… ")
    assert name.endswith(" near the old king”")
    assert set(name.strip("“”… ").split()) <= {"The", "old", "dogs", "near", "the", "cooks", "king"}, (
        "whole words"
    )
    assert len(name) < 70


def test_kinds_of_single_inputs_do_not_mix(model):
    lines = [{"clean_prefix": TEXT, "clean_answer": " are"}]
    with pytest.raises(BadInput, match="mixes"):
        cs.load_task([*lines, lines[0] | {"against": " is"}], model)
