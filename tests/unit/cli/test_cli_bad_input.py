"""Bad input: exit status 1, what was got, what was expected and how to fix it, and nothing left behind."""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny_world import FEATURES, Result, pair, random_dictionary, save_model, write_lines
from transformers import BloomConfig, BloomForCausalLM

import circuitscope as cs
from circuitscope.dictionaries import Dictionaries


@pytest.fixture
def refused(program, world, tmp_path):
    """Run discover with some options changed; it must fail as every bad input does. Returns what it said."""

    def run(*, parts: tuple[str, ...] = ("got", "expected", "mend"), **changed: object) -> Result:
        out = tmp_path / "runs" / "run"
        result = program(*world.discover(out, **changed))
        assert_explained(result, parts)
        assert left(tmp_path / "runs") == []
        return result

    return run


def assert_explained(result: Result, parts: tuple[str, ...] = ("got", "expected", "mend")) -> None:
    words = {"got": "error:", "expected": "expected:", "mend": "to fix it:"}
    assert result.status == 1, result
    for part in parts:
        assert words[part] in result.err, result.err
    assert "Traceback" not in result.err
    assert result.out == ""


def left(folder: Path) -> list[str]:
    """What is in a folder, hidden drafts included."""
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


# -- before anything is loaded -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"task": "nowhere.jsonl"}, "no such task"),
        ({"task": "agreement/across"}, "no such agreement structure"),
        ({"dictionaries": "./nowhere"}, "there is no folder"),
    ],
)
def test_a_wrong_path_is_found_before_the_model_is_loaded(refused, monkeypatch, changed, said):
    import circuitscope.sources

    monkeypatch.setattr(
        circuitscope.sources, "load_model", lambda *_, **__: pytest.fail("the model was loaded")
    )
    assert said in refused(**changed).err


def test_inspect_refuses_what_discover_refuses(program, world):
    found = program("inspect", "--model", world.model, "--dictionaries", "bundled")
    assert found.status == 1
    assert "--dictionaries bundled with --model" in found.err


def test_the_bundled_dictionaries_are_refused_for_another_model_of_their_shape():
    from transformers import AutoModelForCausalLM

    bundled = cs.load_model("bundled", device="cpu")
    torch.manual_seed(0)
    other = cs.load_model(AutoModelForCausalLM.from_config(bundled.hf.config), device="cpu")
    with pytest.raises(cs.CircuitscopeError, match="the bundled dictionaries with"):
        cs.load_dictionaries("bundled", other)
    half = cs.load_model("bundled", device="cpu", dtype="bfloat16")
    assert len(cs.load_dictionaries("bundled", half)) == 13


# -- the model ---------------------------------------------------------------------------------------------


def test_a_model_folder_that_is_not_there(refused, tmp_path):
    assert "there is no model folder" in refused(model=tmp_path / "none").err


def test_a_folder_that_is_no_model(refused, tmp_path):
    assert "has no config.json" in refused(model=tmp_path).err


@pytest.fixture
def copied_model(world, tmp_path) -> Path:
    return Path(shutil.copytree(world.model, tmp_path / "model"))


@pytest.mark.parametrize("share", [0.0, 0.001, 0.9])
def test_truncated_weights(refused, copied_model, share):
    path = copied_model / "model.safetensors"
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    result = refused(model=copied_model)
    assert str(copied_model) in result.err
    assert "cannot be read" in result.err


def test_weights_that_are_not_there(refused, copied_model):
    (copied_model / "model.safetensors").unlink()
    assert "model.safetensors" in refused(model=copied_model).err


def change_weights(folder: Path, change) -> None:
    path = folder / "model.safetensors"
    weights = load_file(path)
    change(weights)
    save_file(weights, path, metadata={"format": "pt"})


def test_nan_in_the_weights(refused, copied_model):
    def spoil(weights):
        weights["gpt_neox.layers.1.mlp.dense_h_to_4h.bias"][0] = torch.nan

    change_weights(copied_model, spoil)
    assert (
        "NaN or infinite numbers in gpt_neox.layers.1.mlp.dense_h_to_4h.bias"
        in refused(model=copied_model).err
    )


def test_a_tensor_that_is_missing(refused, copied_model):
    change_weights(copied_model, lambda weights: weights.pop("gpt_neox.layers.0.attention.dense.weight"))
    assert "gpt_neox.layers.0.attention.dense.weight" in refused(model=copied_model).err


def test_an_architecture_without_a_record(refused, tmp_path):
    config = BloomConfig(vocab_size=30, hidden_size=16, n_layer=1, n_head=2)
    model = save_model(tmp_path / "bloom", BloomForCausalLM(config))
    said = refused(model=model).err
    assert "'bloom'" in said
    assert "GPT-NeoX (gpt_neox)" in said
    assert "register_family" in said


def test_a_model_without_a_tokenizer(refused, copied_model):
    for path in copied_model.glob("tokenizer*"):
        path.unlink()
    assert "has no tokenizer" in refused(model=copied_model).err


def test_a_device_that_is_not_there(refused):
    assert "cuda:77" in refused(device="cuda:77").err


# -- the dictionaries ----------------------------------------------------------------------------------------


def test_a_dictionary_folder_that_is_not_there(refused, tmp_path):
    assert "there is no folder" in refused(dictionaries=tmp_path / "none").err


def test_a_folder_without_dictionaries(refused, tmp_path):
    (tmp_path / "empty").mkdir()
    assert "known format" in refused(dictionaries=tmp_path / "empty").err


def written(folder: Path, site: str, **changed: object) -> Path:
    by_site = {cs.Site.parse(site): random_dictionary(**changed)}
    cs.write_dictionaries(Dictionaries(by_site, name="one"), folder)
    return folder


def test_a_dictionary_of_another_width(refused, tmp_path):
    said = refused(dictionaries=written(tmp_path / "wide", "mlp_1", width=20)).err
    assert "mlp_1" in said
    assert "has width 20" in said
    assert "16" in said


def test_a_dictionary_for_a_layer_that_the_model_lacks(refused, tmp_path):
    said = refused(dictionaries=written(tmp_path / "deep", "resid_7")).err
    assert "resid_7" in said
    assert "0 to 1" in said


def ae_pt(folder: Path, **changed: torch.Tensor) -> Path:
    """A published checkpoint of one site."""
    made = random_dictionary()
    state = {
        "bias": made.b_dec,
        "encoder.weight": made.w_enc,
        "encoder.bias": made.b_enc,
        "decoder.weight": made.w_dec.T.contiguous(),
    }
    path = folder / "resid_out_layer1" / "10_24" / "ae.pt"
    path.parent.mkdir(parents=True)
    torch.save(state | changed, path)
    return path


def test_a_truncated_checkpoint(refused, tmp_path):
    path = ae_pt(tmp_path / "tree")
    path.write_bytes(path.read_bytes()[:500])
    assert str(path) in refused(dictionaries=tmp_path / "tree").err


def test_nan_in_a_dictionary(refused, tmp_path):
    ae_pt(tmp_path / "tree", **{"encoder.bias": torch.full((FEATURES,), torch.nan)})
    said = refused(dictionaries=tmp_path / "tree").err
    assert "resid_1" in said
    assert "b_enc" in said


# -- the task ------------------------------------------------------------------------------------------------


def test_a_task_that_is_not_there(refused):
    said = refused(task="agreement/simpel").err
    assert "agreement/simple" in said
    assert "agreement/across_rc" in refused(task="none.jsonl").err


@pytest.fixture
def task(tmp_path):
    return lambda *rows: write_lines(tmp_path / "task.jsonl", list(rows))


def test_a_task_without_examples(refused, task):
    assert "is empty" in refused(task=task()).err


def test_answers_that_cannot_be_used_are_counted_by_reason(refused, task):
    rows = [
        pair("cat", ("is old", "are"), 0),
        pair("dog", ("is", "weren't"), 0),
        pair("boy", ("old is", "are"), 0),
    ]
    said = refused(task=task(*rows * 4)).err
    assert "no usable example" in said
    counts = [
        re.search(rf"{reason} \((\d+)\)", said)[1]
        for reason in ("not one token", "a word that the tokenizer does not know")
    ]
    assert sum(map(int, counts)) == 9  # a quarter of the twelve is held out


def test_a_line_that_is_no_example(refused, task):
    said = refused(task=task(pair("cat", ("is", "are"), 0), {"clean_prefix": "The cat", "answer": " is"})).err
    assert "line 2" in said


def test_positions_of_examples_of_different_lengths(refused, task):
    rows = [pair(noun, ("is", "are"), 0, front) for noun in ("cat", "dog") for front in ("The", "The old")]
    said = refused(task=task(*rows, *rows), positions="keep").err
    assert "different lengths" in said
    assert "--positions sum" in said


def test_an_unknown_metric(refused):
    said = refused(metric="loss").err
    assert "--metric loss" in said
    assert "logit-difference" in said


# -- settings ------------------------------------------------------------------------------------------------


def test_a_threshold_that_keeps_nothing(program, world, tmp_path):
    result = program(*world.discover(tmp_path / "run", nodes=None, node_threshold=1e6))
    assert_explained(result)
    assert "the strongest has" in result.err
    assert left(tmp_path) == [".run.partial"]  # the first pass, which a lower threshold uses
    again = program(*world.discover(tmp_path / "run", nodes=None, node_threshold=0.2))
    assert (again.status, left(tmp_path)) == (0, ["run"])
    assert "starting afresh" not in again.err
    assert "continuing" in again.err


def test_a_connected_circuit_of_nothing(program, world, tmp_path):
    result = program(*world.discover(tmp_path / "run", edge_threshold=1e6, connected=True))
    assert_explained(result)
    assert "--connected" in result.err
    assert not (tmp_path / "run").exists()


def test_the_bundled_dictionaries_belong_to_the_bundled_model(program, world, tmp_path):
    result = program(*world.discover(tmp_path / "run", dictionaries=None))
    assert_explained(result)
    assert "--dictionaries bundled with --model" in result.err
    assert "add --dictionaries" in result.err
    result = program(*world.discover(tmp_path / "run", model=None))
    assert_explained(result)
    assert "these dictionaries belong to another model" in result.err
    assert left(tmp_path) == []


@pytest.mark.parametrize("name", ["task", "out"])
def test_what_is_required(program, world, tmp_path, name):
    result = program(*world.discover(**{"out": tmp_path / "run", name: None}))
    assert_explained(result)
    says = {"task": "neither --task nor --prompt is given", "out": "--out is missing"}
    assert says[name] in result.err
    assert left(tmp_path) == []


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"node_threshold": 0.1}, "both --nodes and --node-threshold"),
        ({"method": "guess"}, "--method guess"),
        ({"memory": "inf"}, "--memory inf"),
        ({"batch_size": 0}, "--batch-size 0"),
        ({"bos": "perhaps"}, "--bos perhaps"),
    ],
)
def test_settings_that_cannot_be(refused, changed, says):
    assert says in refused(parts=("got", "expected"), **changed).err


def test_a_word_where_a_number_belongs_is_a_usage_error(program, world, tmp_path):
    result = program(*world.discover(tmp_path / "run", nodes="many"))
    assert result.status == 2
    assert "--nodes" in result.err
    assert "Traceback" not in result.err


@pytest.mark.parametrize("text", ["exmaples: 3\n", "examples: many\n", "- 1\n", "a: [\n"])
def test_a_config_file_that_is_wrong(refused, tmp_path, text):
    (tmp_path / "run.yaml").write_text(text)
    assert str(tmp_path / "run.yaml") in refused(parts=("got", "expected"), config=tmp_path / "run.yaml").err


# -- where it is written ---------------------------------------------------------------------------------------


def test_an_existing_run_is_refused_and_untouched(program, world, tmp_path):
    out = tmp_path / "run"
    out.mkdir()
    (out / "mine.txt").write_text("keep me")
    result = program(*world.discover(out))
    assert_explained(result)
    assert "--overwrite" in result.err
    assert [left(tmp_path), left(out), (out / "mine.txt").read_text()] == [["run"], ["mine.txt"], "keep me"]


def test_overwriting_a_folder_that_is_no_run_is_refused(program, world, tmp_path):
    """--overwrite stands for "make this run again", not for "delete whatever I mistyped"."""
    out = tmp_path / "thesis"
    out.mkdir()
    (out / "chapter.txt").write_text("three years")
    result = program(*world.discover(out, overwrite=True))
    assert_explained(result)
    assert (out / "chapter.txt").read_text() == "three years"


@pytest.mark.parametrize("place", ["file/run", "/proc/run"])
def test_a_place_where_nothing_can_be_written(program, world, tmp_path, place):
    (tmp_path / "file").write_text("")
    result = program(*world.discover(tmp_path / place))
    assert_explained(result, ("got", "mend"))
    assert "cannot be written" in result.err
    assert left(tmp_path) == ["file"]


def test_a_full_disk_leaves_no_half_written_folder(program, world, tmp_path, monkeypatch):
    """The disk fills up while the run folder is written, after all batches."""
    write_through = os.fsync

    def fill_up(descriptor: int) -> None:
        if ".partial" not in os.readlink(f"/proc/self/fd/{descriptor}"):
            raise OSError(errno.ENOSPC, "No space left on device")
        write_through(descriptor)

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", fill_up)
        result = program(*world.discover(tmp_path / "run"))
    assert_explained(result)
    assert "the disk is full" in result.err
    assert left(tmp_path) == [".run.partial"]  # finished batches, which the same command uses
    assert program(*world.discover(tmp_path / "run")).status == 0
    assert left(tmp_path) == ["run"]


# -- later stages ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("verb", ["show", "evaluate", "sweep", "plot"])
@pytest.mark.parametrize("kind", ["missing", "empty", "dictionaries"])
def test_what_is_no_run_folder(program, world, tmp_path, verb, kind):
    (tmp_path / "empty").mkdir()
    run = world.dictionaries if kind == "dictionaries" else tmp_path / kind
    result = program(verb, run)
    assert_explained(result)
    assert str(run) in result.err
    assert left(tmp_path) == ["empty"]


@pytest.fixture
def run(made, tmp_path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "run"))


def test_a_run_with_a_damaged_circuit(program, run):
    path = run / "circuit.safetensors"
    path.write_bytes(path.read_bytes()[:-8])
    for verb in ("show", "evaluate"):
        result = program(verb, run)
        assert_explained(result)
        assert "circuit.safetensors" in result.err


def test_a_damaged_evaluation(program, run):
    (run / "evaluation").mkdir()
    (run / "evaluation" / "evaluation.json").write_text('{"scores": [')
    result = program("show", run)
    assert_explained(result)
    assert "evaluation.json" in result.err


def test_an_evaluation_that_is_there_already(program, run):
    (run / "evaluation").mkdir()
    assert "already exists" in program("evaluate", run).err


def test_dictionaries_that_are_no_longer_those_of_the_run(program, run, tmp_path):
    manifest = json.loads((run / "manifest.json").read_text())
    manifest["recipe"]["dictionaries"]["source"] = str(written(tmp_path / "other", "mlp_1"))
    (run / "manifest.json").write_text(json.dumps(manifest))
    result = program("evaluate", run)
    assert_explained(result)
    assert "are not those" in result.err
    assert "evaluation" not in left(run)


def test_layers_that_the_model_does_not_have(program, run):
    result = program("evaluate", run, "--free-layers", 5)
    assert_explained(result, ("got", "expected"))
    assert "evaluation" not in left(run)


def test_a_circuit_put_together_by_hand_says_that_it_has_no_recipe(program, made, tmp_path):
    circuit = cs.load(made)
    cs.save(cs.Circuit(circuit.sites, circuit.nodes, circuit.edges), tmp_path / "run")
    result = program("evaluate", tmp_path / "run")
    assert_explained(result)
    assert "does not say how it was made" in result.err


def test_debug_shows_the_traceback(world, program, tmp_path):
    with pytest.raises(cs.CircuitscopeError):
        program("--debug", *world.discover(tmp_path / "run", model=tmp_path / "none"))
