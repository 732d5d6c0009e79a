"""Families: what is supported is listed where something else is asked for."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from transformers import GPTNeoXConfig, GPTNeoXForCausalLM, OPTConfig, OPTForCausalLM

from circuitscope.errors import BadFile, BadInput, UnsupportedModel
from circuitscope.model import family, family_of, load_model, register_family, supported_families
from circuitscope.model.families import GPT_NEOX


def tiny(**changed: object) -> GPTNeoXForCausalLM:
    torch.manual_seed(0)
    sizes = {"hidden_size": 8, "intermediate_size": 12, "num_hidden_layers": 2, "num_attention_heads": 2}
    config = GPTNeoXConfig(
        vocab_size=11, max_position_embeddings=16, initializer_range=0.4, **sizes, **changed
    )
    return GPTNeoXForCausalLM(config)


@pytest.fixture
def registry(monkeypatch):
    monkeypatch.setattr(family, "_registry", dict(family._registry))


def test_every_family_is_found_by_its_model_types():
    assert supported_families()
    for known in supported_families():
        assert all(family_of(name) is known for name in known.model_types)


def test_an_unknown_family_is_told_which_there_are():
    with pytest.raises(UnsupportedModel, match="'opt'") as error:
        load_model(
            OPTForCausalLM(
                OPTConfig(
                    vocab_size=11,
                    hidden_size=8,
                    ffn_dim=8,
                    num_hidden_layers=1,
                    num_attention_heads=1,
                    word_embed_proj_dim=8,
                    max_position_embeddings=8,
                )
            ),
            device="cpu",
        )
    assert "GPT-NeoX (gpt_neox)" in error.value.expected
    assert "register_family" in error.value.mend


def test_a_registered_family_is_used(registry):
    register_family(replace(GPT_NEOX, name="mine", model_types=("opt",)))
    assert family_of("opt").name == "mine"
    assert "mine" in [known.name for known in supported_families()]


def test_a_record_that_does_not_hold_is_refused_and_names_the_site(registry):
    register_family(replace(GPT_NEOX, parallel=lambda block: False))
    with pytest.raises(UnsupportedModel, match=r"mlp_0 differs|resid_0 differs"):
        load_model(tiny(), device="cpu")


@pytest.mark.parametrize("parallel", [True, False])
def test_sites_come_in_the_order_of_computation(parallel):
    model = load_model(tiny(use_parallel_residual=parallel), device="cpu")
    assert (model.n_layers, model.width, model.parallel, model.tokenizer) == (2, 8, parallel, None)
    assert [str(site) for site in model.sites] == [
        *("embed", "attn_0", "mlp_0", "resid_0"),
        *("attn_1", "mlp_1", "resid_1"),
    ]
    assert not any(weight.requires_grad for weight in model.hf.parameters())


def test_a_tap_that_is_not_there_says_which_are():
    with pytest.raises(BadInput, match="no tensor 'hidden'") as error:
        GPT_NEOX.tap("mlp", "hidden")
    assert "output of the MLP" in error.value.expected
    assert GPT_NEOX.tap("mlp", "hidden neurons of the MLP").module == "mlp.dense_4h_to_h"


@pytest.mark.parametrize("number", [torch.nan, torch.inf])
def test_weights_that_are_not_finite_are_named(number):
    hf = tiny()
    with torch.no_grad():
        hf.gpt_neox.layers[1].mlp.dense_h_to_4h.weight[0, 0] = number
    with pytest.raises(BadFile, match=r"layers\.1\.mlp\.dense_h_to_4h\.weight"):
        load_model(hf, device="cpu")


@pytest.mark.parametrize(
    ("option", "value"), [("device", "cuda:99"), ("device", "abacus"), ("dtype", "int8")]
)
def test_a_place_that_is_not_there_is_refused(option, value):
    with pytest.raises(BadInput, match=value) as error:
        load_model(tiny(), **{"device": "cpu", option: value})
    assert error.value.expected


def test_the_dtype_asked_for_is_the_models():
    assert load_model(tiny(), device="cpu", dtype="float64").dtype == torch.float64
