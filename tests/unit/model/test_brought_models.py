"""Model folders that nobody here made: what does not belong together is said when the model is loaded."""

from __future__ import annotations

import importlib
import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny_world import save_model, words
from transformers import AutoModelForCausalLM, GPT2Config, LlamaConfig

import circuitscope as cs
from circuitscope.errors import BadFile, BadInput, UnsupportedModel


def llama(vocab: int, layers: int = 2) -> torch.nn.Module:
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=vocab, hidden_size=16, num_hidden_layers=layers, num_attention_heads=4, intermediate_size=24,
        bos_token_id=0, eos_token_id=1, initializer_range=0.4,
    )  # fmt: skip
    return AutoModelForCausalLM.from_config(config)


@pytest.fixture
def folder(tmp_path) -> Path:
    return save_model(tmp_path / "model", llama(len(words())))


def change(folder: Path, **settings: object) -> None:
    path = folder / "config.json"
    config = json.loads(path.read_text()) | settings
    path.write_text(json.dumps(config))


def test_a_checkpoint_with_more_layers_than_its_config_is_refused(folder):
    change(folder, num_hidden_layers=1, layer_types=["full_attention"])
    with pytest.raises(BadFile, match=r"has 2 layers, but its config\.json says 1"):
        cs.load_model(folder)


def test_other_tensors_that_are_not_asked_for_are_no_reason(folder):
    weights = load_file(folder / "model.safetensors")
    save_file(
        {**weights, "model.layers.0.self_attn.rotary_emb.inv_freq": torch.ones(2)},
        folder / "model.safetensors",
        metadata={"format": "pt"},
    )
    assert cs.load_model(folder).n_layers == 2


@pytest.mark.parametrize("method", ["bitsandbytes", "gptq", "awq", "fp8"])
def test_quantised_checkpoints_are_refused(folder, method):
    change(folder, quantization_config={"quant_method": method, "bits": 4})
    with pytest.raises(UnsupportedModel, match=rf"is quantised \({method}\)"):
        cs.load_model(folder)


def test_an_unknown_rope_type_is_one_error(folder):
    change(
        folder,
        rope_parameters={"rope_type": "spiral", "rope_theta": 1e4},
        rope_scaling={"rope_type": "spiral"},
    )
    with pytest.raises(BadFile, match="cannot be read"):
        cs.load_model(folder)


def test_a_damaged_tokenizer_is_not_no_tokenizer(folder):
    (folder / "tokenizer.json").write_text('{"version": "1.0", "model": {"type": "Wor')
    with pytest.raises(BadFile, match=r"the tokenizer in .* cannot be read"):
        cs.load_model(folder)
    for file in folder.glob("token*"):
        file.unlink()
    assert cs.load_model(folder).tokenizer is None


def test_upcast_attention_is_refused_in_float64_only(tmp_path):
    config = GPT2Config(
        vocab_size=40, n_embd=16, n_layer=1, n_head=4, n_positions=32, reorder_and_upcast_attn=True,
        bos_token_id=0, eos_token_id=1,
    )  # fmt: skip
    place = save_model(tmp_path / "gpt2", AutoModelForCausalLM.from_config(config))
    with pytest.raises(BadInput, match="reorder_and_upcast_attn"):
        cs.load_model(place, dtype="float64")


# -- texts that the model cannot read ----------------------------------------------------------------------


def task_of(prefix: str, patch: str | None = None) -> list[dict[str, str]]:
    line = {"clean_prefix": prefix, "clean_answer": " is"}
    return [line if patch is None else {**line, "patch_prefix": patch, "patch_answer": " are"}] * 4


@pytest.fixture
def model(folder):
    change(folder, max_position_embeddings=8)
    return cs.load_model(folder, device="cpu")


def test_texts_longer_than_the_models_positions_are_named_before_any_work(model, monkeypatch):
    module = importlib.import_module("circuitscope.discovery.discover")
    monkeypatch.setattr(module, "node_pass", lambda *_: pytest.fail("it began"))
    identity = cs.load_dictionaries("identity", model)
    long = "The " * 11 + "cat"
    with pytest.raises(
        BadInput, match=r"the longest has 12 tokens, BOS included, and the model has 8 positions"
    ):
        cs.discover(model, identity, task_of(long, long + "s"), bos="no", progress=False)


def test_a_tokenizer_larger_than_the_embedding_is_named(tmp_path):
    small = cs.load_model(save_model(tmp_path / "small", llama(3, layers=1)), device="cpu")
    with pytest.raises(BadInput, match="but the model's embedding has only 3 rows"):
        cs.discover(
            small,
            cs.load_dictionaries("identity", small),
            task_of("The cat", "The cats"),
            bos="no",
            progress=False,
        )


# -- a typed BOS -------------------------------------------------------------------------------------------


def encoded(model, rows, **options):
    task = cs.load_task(rows, model)
    found, skipped = task.encode("train", model.tokenizer, **options)
    return found, skipped


def test_a_typed_bos_is_the_one_bos(folder, caplog):
    caplog.set_level("INFO", "circuitscope")
    model = cs.load_model(folder, device="cpu")
    plain, _ = encoded(model, task_of("The cat", "The cats"), bos=True)
    typed, skipped = encoded(model, task_of("<s>The cat", "<s>The cats"), bos=True)
    assert typed == plain
    assert not skipped
    assert "begin with a typed <s>: each gets one BOS, not two" in caplog.text


def test_texts_with_a_typed_bos_are_meant_to_have_one(folder):
    model = cs.load_model(folder, device="cpu")
    identity = cs.load_dictionaries("identity", model)
    rows = task_of("<s>The cat", "<s>The cats")
    assert cs.discover(model, identity, rows, progress=False).recipe.settings.has_bos
    with pytest.raises(cs.CircuitscopeError, match="begins with a typed BOS, and BOS is off"):
        cs.discover(model, identity, rows, bos="no", progress=False)
