"""Gemma Scope 2's folders (FACTS.md 4.6b): what a file computes, which is taken, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from circuitscope.dictionaries.hub import choose
from circuitscope.dictionaries.readers import read_dictionaries
from circuitscope.errors import BadDictionary, BadFile

WIDTH, FEATURES = 6, 16
SIZES = ("small", "big")
HOOKS = {
    "resid_post": "model.layers.{}.output",
    "attn_out": "model.layers.{}.self_attn.o_proj.input",
    "mlp_out": "model.layers.{}.post_feedforward_layernorm.output",
}


def tensors(seed: int = 0) -> dict[str, torch.Tensor]:
    draw = torch.Generator().manual_seed(seed)
    shapes = {"w_enc": (WIDTH, FEATURES), "w_dec": (FEATURES, WIDTH), "b_enc": (FEATURES,), "b_dec": (WIDTH,)}
    found = {name: torch.randn(shape, generator=draw) for name, shape in shapes.items()}
    return {**found, "threshold": torch.randn(FEATURES, generator=draw).abs()}


def put(
    root: Path, name: str, config: dict[str, object] | None, weights: dict[str, torch.Tensor] | None = None
) -> Path:
    place = root / name
    place.mkdir(parents=True)
    save_file(tensors() if weights is None else weights, place / "params.safetensors")
    if config is not None:
        (place / "config.json").write_text(json.dumps(config))
    return place


def config(kind: str, layer: int, **more: object) -> dict[str, object]:
    hook = HOOKS[kind].format(layer)
    return {"architecture": "jump_relu", "hf_hook_point_in": hook, "hf_hook_point_out": hook, **more}


def test_a_file_computes_what_it_was_published_to(tmp_path):
    a = tensors()
    put(tmp_path, "resid_post_all/layer_3_width_16k_l0_big", config("resid_post", 3))
    ((site, dictionary),) = read_dictionaries(tmp_path).items()
    assert (str(site), dictionary.kind, dictionary.tensor) == ("resid_3", "jumprelu", None)
    x = 2 * torch.randn(7, WIDTH, generator=torch.Generator().manual_seed(9))
    pre = x @ a["w_enc"] + a["b_enc"]
    f = pre.relu() * (pre > a["threshold"])
    torch.testing.assert_close(dictionary.encode(x), f)
    torch.testing.assert_close(dictionary.decode(dictionary.encode_active(x), x), f @ a["w_dec"] + a["b_dec"])


@pytest.mark.parametrize(
    ("kind", "site", "tensor"),
    [
        ("resid_post", "resid_2", None),
        ("attn_out", "attn_2", "attn.hook_z"),
        ("mlp_out", "mlp_2", "hook_mlp_out"),
    ],
)
@pytest.mark.parametrize("stated", [True, False])
def test_the_config_or_the_folder_says_which_tensor(tmp_path, kind, site, tensor, stated):
    put(tmp_path, f"{kind}/layer_2_width_16k_l0_small", config(kind, 2) if stated else None)
    ((found, dictionary),) = read_dictionaries(tmp_path).items()
    assert (str(found), dictionary.tensor) == (site, tensor)


def test_a_leaf_may_be_named_by_itself(tmp_path):
    place = put(tmp_path, "attn_out_all/layer_1_width_262k_l0_big", None)
    assert [str(site) for site in read_dictionaries(place)] == ["attn_1"]
    bare = put(tmp_path / "elsewhere", "layer_4_width_16k_l0_big", config("mlp_out", 4))
    assert [str(site) for site in read_dictionaries(bare)] == ["mlp_4"]
    unnamed = put(tmp_path / "nowhere", "layer_4_width_16k_l0_big", None)
    with pytest.raises(BadFile, match="nothing says which site"):
        read_dictionaries(unnamed)


def test_one_dictionary_per_kind_and_layer_is_taken():
    def files(*leaves):
        return [f"{leaf}/{name}" for leaf in leaves for name in ("config.json", "params.safetensors")]

    listed = files(
        *(
            f"resid_post_all/layer_{n}_width_{w}_l0_{s}"
            for n in (0, 1)
            for w in ("16k", "262k")
            for s in ("small", "big")
        ),
        "resid_post/layer_1_width_65k_l0_medium",
        "mlp_out/layer_5_width_16k_l0_medium",
        "mlp_out/layer_5_width_16k_l0_big",
        "transcoder_all/layer_0_width_16k_l0_big",
    )
    wanted = files(
        "resid_post_all/layer_0_width_16k_l0_big",
        "resid_post_all/layer_1_width_16k_l0_big",
        "mlp_out/layer_5_width_16k_l0_medium",
    )
    chosen = choose("google/gemma-scope-2-270m-pt", [*listed, "README.md"])
    assert sorted(chosen) == sorted(wanted)
    inside = "resid_post/layer_1_width_65k_l0_medium"
    assert choose("google/gemma-scope-2-270m-pt", listed, inside) == files(inside)


@pytest.mark.parametrize(
    ("name", "settings", "weights", "said"),
    [
        ("transcoder_all/layer_0_width_16k_l0_big", None, {}, "is a transcoder"),
        ("resid_post_all/layer_0_width_16k_l0_big_affine", None, {}, "is a transcoder"),
        ("resid_post/layer_0_width_16k_l0_big", {"affine_connection": True}, {}, "is a transcoder"),
        (
            "mlp_out/layer_0_width_16k_l0_big",
            {"hf_hook_point_in": "model.layers.0.mlp.input"},
            {},
            "at no site",
        ),
        ("resid_post/layer_0_width_16k_l0_big", config("resid_post", 1), {}, "its config says that it reads"),
        ("resid_post/layer_0_width_16k_l0_big", config("mlp_out", 0), {}, "its config says that it reads"),
        ("resid_post/layer_0_width_16k_l0_big", {"architecture": "topk"}, {}, "architecture 'topk'"),
        ("resid_post/layer_0_width_16k_l0_big", None, {"threshold": None}, "lacks threshold"),
        (
            "resid_post/layer_0_width_16k_l0_big",
            None,
            {"affine_skip_connection": torch.eye(WIDTH)},
            "is a transcoder",
        ),
    ],
)
def test_what_is_something_else_is_refused_by_name(tmp_path, name, settings, weights, said):
    changed = {key: value for key, value in {**tensors(), **weights}.items() if value is not None}
    put(tmp_path, name, settings, changed)
    with pytest.raises(BadDictionary, match=said):
        read_dictionaries(tmp_path)


def test_several_widths_without_the_usual_one_are_refused(tmp_path):
    for width in ("65k", "262k"):
        put(tmp_path, f"resid_post/layer_0_width_{width}_l0_big", None)
    with pytest.raises(BadFile, match="several widths in resid_post of layer 0: 262k, 65k"):
        read_dictionaries(tmp_path)
