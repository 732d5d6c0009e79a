"""Model folders that nobody here made: what does not belong together is said when the model is loaded."""

from __future__ import annotations

import importlib
import json
import os
import shutil
from contextlib import suppress
from pathlib import Path

import pytest
import torch
from hub_cache import put
from hypothesis import HealthCheck, given
from hypothesis import settings as cases
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from tiny_world import save_model, words
from transformers import AutoModelForCausalLM, GPT2Config, LlamaConfig

import circuitscope as cs
from circuitscope.errors import BadFile, BadInput, UnsupportedModel

CASES = int(os.environ.get("CIRCUITSCOPE_CASES", "60"))


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


QUERY = "model.layers.0.self_attn.q_proj"


def change_weights(folder: Path, **changed: torch.Tensor) -> None:
    weights = load_file(folder / "model.safetensors") | changed
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})


def gpt2(place: Path, **settings: object) -> Path:
    torch.manual_seed(0)
    config = GPT2Config(
        vocab_size=40,
        n_embd=16,
        n_layer=2,
        n_head=4,
        n_positions=32,
        bos_token_id=0,
        eos_token_id=1,
        **settings,
    )
    return save_model(place, AutoModelForCausalLM.from_config(config))


def test_a_checkpoint_of_the_base_model_alone_is_checked_too(tmp_path):
    place = gpt2(tmp_path / "gpt2")
    weights = load_file(place / "model.safetensors")
    bare = {key.removeprefix("transformer."): weight for key, weight in weights.items()}
    mask = {"h.0.attn.bias": torch.ones(1, 1, 32, 32), "h.0.attn.masked_bias": torch.tensor(-1e4)}
    save_file(bare | mask, place / "model.safetensors", metadata={"format": "pt"})
    assert cs.load_model(place).n_layers == 2
    change(place, n_layer=1)
    with pytest.raises(BadFile, match=r"has 2 layers, but its config\.json says 1"):
        cs.load_model(place)


@pytest.mark.parametrize(
    "key", [f"{QUERY}.bias", f"{QUERY}.lora_A.weight", "model.norm.bias", "model.layers.1.more.weight"]
)
def test_tensors_that_would_be_left_out_are_refused(folder, key):
    change_weights(folder, **{key: torch.ones(16)})
    with pytest.raises(BadFile, match=f"has no use for: .*{key}"):
        cs.load_model(folder)


@pytest.mark.parametrize(
    "key", ["model.layers.0.self_attn.rotary_emb.inv_freq", "score.weight", "vision_tower.layers.9.weight"]
)
def test_leftovers_and_other_heads_are_no_reason(folder, key):
    change_weights(folder, **{key: torch.ones(2)})
    assert cs.load_model(folder).n_layers == 2


@pytest.mark.parametrize("method", ["bitsandbytes", "gptq", "awq", "fp8"])
def test_quantised_checkpoints_are_refused(folder, method):
    change(folder, quantization_config={"quant_method": method, "bits": 4})
    with pytest.raises(UnsupportedModel, match=rf"is quantised \({method}\)"):
        cs.load_model(folder)


@pytest.mark.parametrize("number_format", [torch.int8, torch.uint8, torch.float8_e4m3fn, torch.float8_e5m2])
def test_quantised_weights_are_refused_whatever_the_config_says(folder, number_format):
    weight = load_file(folder / "model.safetensors")[f"{QUERY}.weight"].to(number_format)
    change_weights(folder, **{f"{QUERY}.weight": weight, f"{QUERY}.weight_scale": torch.ones(1)})
    with pytest.raises(UnsupportedModel, match=rf"is quantised \({QUERY}.weight is in "):
        cs.load_model(folder)


def test_a_quantised_model_in_memory_is_refused():
    model = llama(len(words()))
    model.config.quantization_config = {"quant_method": "gptq"}
    with pytest.raises(UnsupportedModel, match=r"is quantised \(gptq\)"):
        cs.load_model(model)


@pytest.mark.parametrize(
    "settings",
    [
        {"rope_parameters": {"rope_type": "spiral", "rope_theta": 1e4}},
        {"rope_scaling": {"rope_type": "spiral", "factor": 2.0}},
        {"rope_scaling": {"type": "spiral", "factor": 2.0}},
    ],
)
def test_an_unknown_rope_type_is_named(folder, settings):
    change(folder, rope_parameters=None)
    change(folder, **settings)
    with pytest.raises(UnsupportedModel, match="has the rope_type 'spiral'\nexpected: default, "):
        cs.load_model(folder)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"hidden_act": "spiral"}, "KeyError 'spiral'"),
        ({"num_attention_heads": "four"}, "num_attention_heads': TypeError: .* expected int, got str"),
        ({"model_type": "spiral"}, "model type `spiral`"),
    ],
)
def test_a_config_that_says_other_things_than_it_should_is_one_error(folder, settings, said):
    change(folder, **settings)
    with pytest.raises(BadFile, match=rf"cannot be read: .*{said}"):
        cs.load_model(folder)


VALUES = st.none() | st.booleans() | st.integers(-3, 70) | st.floats() | st.text(max_size=3) | st.just([])
SETTINGS = st.sampled_from(
    [
        *("model_type", "hidden_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads"),
        *("head_dim", "vocab_size", "rope_parameters", "attention_bias", "mlp_bias", "tie_word_embeddings"),
        *("rms_norm_eps", "hidden_act", "bos_token_id", "max_position_embeddings", "dtype", "architectures"),
    ]
)


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    return save_model(tmp_path_factory.mktemp("whole") / "model", llama(len(words())))


@cases(max_examples=CASES, deadline=None, suppress_health_check=list(HealthCheck))
@given(name=SETTINGS, value=VALUES)
def test_any_other_config_is_one_error_or_a_model(whole, tmp_path_factory, name, value):
    place = tmp_path_factory.mktemp("other") / "model"
    shutil.copytree(whole, place)
    change(place, **{name: value})
    with suppress(cs.CircuitscopeError):
        assert cs.load_model(place, device="cpu").n_layers == 2


# -- names -------------------------------------------------------------------------------------------------


@pytest.fixture
def no_network(monkeypatch) -> list[str]:
    """What the hub was asked for; transformers itself is not to ask."""
    import huggingface_hub
    import transformers

    asked: list[str] = []

    def model_info(_, repository, **__):
        asked.append(repository)
        raise ConnectionError("no route to the hub")

    def from_pretrained(name, **_):
        raise AssertionError(f"transformers is asked for {name}")

    monkeypatch.setattr(huggingface_hub.HfApi, "model_info", model_info)
    monkeypatch.setattr(transformers.AutoConfig, "from_pretrained", from_pretrained)
    return asked


@pytest.mark.parametrize(
    "name",
    ["my/models/none", "my model", "models/", "./none", "models/none.pt", "", "~nobody-here/m", "m" * 300],
)
def test_what_looks_like_a_path_is_never_looked_for_on_the_hub(no_network, name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BadFile, match="there is no model folder"):
        cs.load_model(name)
    assert no_network == []


@pytest.mark.parametrize("name", ["none", "models/none"])
def test_the_hub_is_asked_once(no_network, name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(
        BadFile, match=f"no model folder {name}, and the hub returned no such model: no route"
    ):
        cs.load_model(name)
    assert no_network == [name]


def test_an_earlier_download_is_used_without_a_network(folder, tmp_path, monkeypatch, caplog):
    import huggingface_hub

    def model_info(*_, **__):
        raise ConnectionError("no route to the hub")

    put(tmp_path / "hub", "owner/name", folder)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(huggingface_hub.HfApi, "model_info", model_info)
    model = cs.load_model("owner/name", device="cpu")
    assert (model.name, model.source) == ("owner/name", "owner/name")
    assert "the hub did not answer for owner/name" in caplog.text


# -- tokenizers --------------------------------------------------------------------------------------------


def test_a_damaged_tokenizer_is_not_no_tokenizer(folder):
    (folder / "tokenizer.json").write_text('{"version": "1.0", "model": {"type": "Wor')
    with pytest.raises(BadFile, match=r"the tokenizer in .* cannot be read"):
        cs.load_model(folder)
    for file in folder.glob("token*"):
        file.unlink()
    assert cs.load_model(folder).tokenizer is None


def test_upcast_attention_is_refused_in_float64_only(tmp_path):
    place = gpt2(tmp_path / "gpt2", reorder_and_upcast_attn=True)
    with pytest.raises(BadInput, match="reorder_and_upcast_attn"):
        cs.load_model(place, dtype="float64")
    assert cs.load_model(place, dtype="float32").n_layers == 2


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
    assert "3 of the 3 examples begin with a typed <s>: every text gets one BOS, not two" in caplog.text


def test_texts_with_a_typed_bos_are_meant_to_have_one(folder):
    model = cs.load_model(folder, device="cpu")
    identity = cs.load_dictionaries("identity", model)
    rows = task_of("<s>The cat", "<s>The cats")
    assert cs.discover(model, identity, rows, progress=False).recipe.settings.has_bos
    with pytest.raises(cs.CircuitscopeError, match="begins with a typed BOS, and BOS is off"):
        cs.discover(model, identity, rows, bos="no", progress=False)
