"""The SAELens folder: encoding and decoding by that format's own formulas gives our features."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from circuitscope.dictionaries import Dictionaries, neuron_dictionaries
from circuitscope.dictionaries.affine import JumpReluDictionary, ReluDictionary, TopKDictionary
from circuitscope.dictionaries.base import Dictionary
from circuitscope.dictionaries.training import write_saelens
from circuitscope.dictionaries.training.saelens_folder import hook_name
from circuitscope.errors import BadDictionary
from circuitscope.model import LanguageModel, family_of
from circuitscope.terms import Site


def make(kind: str, pre_bias: str) -> Dictionary:
    generator = torch.Generator().manual_seed(0)
    shapes = {"w_enc": (20, 16), "b_enc": (20,), "w_dec": (20, 16), "b_dec": (16,)}
    weights = {name: torch.randn(shape, generator=generator) for name, shape in shapes.items()}
    if pre_bias != "none":
        weights["pre_bias"] = weights["b_dec"] if pre_bias == "b_dec" else torch.ones(16)
    if kind == "topk":
        return TopKDictionary(k=5, **weights)
    if kind == "relu":
        return ReluDictionary(**weights)
    return JumpReluDictionary(threshold=torch.full((20,), 0.7), **weights)


def saelens_encode(cfg: dict[str, object], state: dict[str, Tensor], x: Tensor) -> Tensor:
    """SAELens's formulas, written down from its format's description."""
    if cfg["apply_b_dec_to_input"]:
        x = x - state["b_dec"]
    pre = x @ state["W_enc"] + state["b_enc"]
    if cfg["architecture"] == "standard":
        return torch.relu(pre)
    if cfg["architecture"] == "jumprelu":
        return torch.relu(pre) * (pre > state["threshold"])
    assert cfg["architecture"] == "topk"
    kth = pre.sort(dim=1, descending=True).values[:, int(str(cfg["k"])) - 1, None]
    return torch.relu(pre) * (pre >= kth)


@pytest.mark.parametrize("kind", ["topk", "relu", "jumprelu"])
@pytest.mark.parametrize("pre_bias", ["none", "b_dec", "other"])
def test_its_formulas_give_our_features(
    model: LanguageModel, tmp_path: Path, kind: str, pre_bias: str
) -> None:
    site, dictionary = Site("mlp", 1), make(kind, pre_bias)
    write_saelens(
        Dictionaries({site: dictionary}, name="test", prepend_bos=True), model, tmp_path, context_size=32
    )
    cfg = json.loads((tmp_path / "mlp_1" / "cfg.json").read_text())
    state = load_file(tmp_path / "mlp_1" / "sae_weights.safetensors")
    x = torch.randn(30, 16, generator=torch.Generator().manual_seed(1))
    features = saelens_encode(cfg, state, x)
    torch.testing.assert_close(features, dictionary.encode(x), rtol=1e-4, atol=1e-4)
    decoded = dictionary.decode(dictionary.encode_active(x), x)
    torch.testing.assert_close(features @ state["W_dec"] + state["b_dec"], decoded, rtol=1e-4, atol=1e-4)
    assert cfg["apply_b_dec_to_input"] == (pre_bias == "b_dec")
    assert (cfg["d_in"], cfg["d_sae"], cfg["dtype"]) == (16, 20, "float32")
    assert cfg["metadata"]["hook_name"] == "blocks.1.hook_mlp_out"
    assert cfg["metadata"]["prepend_bos"] is True
    assert cfg["metadata"]["context_size"] == 32


def test_sites_are_named_in_its_words(model: LanguageModel) -> None:
    names = {str(site): hook_name(site, model.tap(site)) for site in model.sites[:4]}
    assert names == {
        "embed": "blocks.0.hook_resid_pre",
        "attn_0": "blocks.0.hook_attn_out",
        "mlp_0": "blocks.0.hook_mlp_out",
        "resid_0": "blocks.0.hook_resid_post",
    }
    assert hook_name(Site("attn", 3), family_of("gemma2").tap("attn")) == "blocks.3.attn.hook_z"


def test_the_identity_has_no_saelens_form(model: LanguageModel, tmp_path: Path) -> None:
    with pytest.raises(BadDictionary, match="identity"):
        write_saelens(neuron_dictionaries(model), model, tmp_path, context_size=8)
