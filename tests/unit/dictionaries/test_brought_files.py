"""Files that nobody here made: the right numbers or one clear error, never a traceback and never another result.

Property tests change one thing of a small valid folder of every published format. CIRCUITSCOPE_CASES sets how many
cases each of them tries.
"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from circuitscope.dictionaries.readers import read_dictionaries
from circuitscope.dictionaries.readers.site_names import word_place
from circuitscope.errors import BadDictionary, CircuitscopeError
from circuitscope.terms import Site

CASES = int(os.environ.get("CIRCUITSCOPE_CASES", "25"))
WIDTH, FEATURES = 4, 6


def drawn(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def put_auto_encoder(place: Path, config: dict | None = None, dtype=torch.float32, **changed) -> Path:
    """A folder of dictionary_learning."""
    place.mkdir(parents=True, exist_ok=True)
    state = {
        "bias": drawn(WIDTH, seed=1),
        "encoder.weight": drawn(FEATURES, WIDTH, seed=2),
        "encoder.bias": drawn(FEATURES, seed=3),
        "decoder.weight": 1.5 * drawn(WIDTH, FEATURES, seed=4),
    }
    torch.save({name: value.to(dtype) for name, value in state.items()} | changed, place / "ae.pt")
    if config is not None:
        (place / "config.json").write_text(json.dumps(config))
    return place


def trainer(submodule: str | None = None, **more: object) -> dict[str, object]:
    return {"trainer": {"dict_class": "AutoEncoder", "submodule_name": submodule, **more}, "buffer": {}}


def sites(folder: Path, wanted: Site | None = None) -> list[str]:
    return [str(site) for site in read_dictionaries(folder, wanted)]


# -- names that mean another tensor ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "site"),
    [
        ("resid_post_layer_3", "resid_3"),
        ("resid_out_layer3", "resid_3"),
        ("resid_pre_layer_3", "resid_2"),
        ("resid_pre_layer_0", "embed"),
        ("residual_in_1", "resid_0"),
        ("attn_out_layer3", "attn_3"),
        ("attention_3", "attn_3"),
        ("mlp_out_3", "mlp_3"),
        ("embed", "embed"),
    ],
)
def test_words_mean_the_tensor_that_they_name(tmp_path, words, site):
    place = word_place(words)
    assert place is not None
    assert str(place.site) == site
    put_auto_encoder(tmp_path / "by_folder" / words)
    put_auto_encoder(tmp_path / "by_config" / "run", trainer(words))
    assert sites(tmp_path / "by_folder") == [site]
    assert sites(tmp_path / "by_config") == [site]


def test_z_is_the_tensor_before_the_output_projection(tmp_path):
    put_auto_encoder(tmp_path / "attn_z_layer_2")
    ((site, dictionary),) = read_dictionaries(tmp_path).items()
    assert (str(site), dictionary.tensor) == ("attn_2", "attn.hook_z")


@pytest.mark.parametrize(
    "words", ["resid_mid_layer_3", "mlp_in_3", "attn_in_layer3", "mlp_pre_2", "attn_q_1"]
)
@pytest.mark.parametrize("wanted", [None, Site("resid", 3)])
def test_what_is_at_no_site_is_refused_by_name(tmp_path, words, wanted):
    put_auto_encoder(tmp_path / "by_folder" / words)
    put_auto_encoder(tmp_path / "by_config" / "run", trainer(words))
    for folder in ("by_folder", "by_config"):
        with pytest.raises(BadDictionary, match=f"'{words}': that tensor is at no site"):
            read_dictionaries(tmp_path / folder, wanted)


def test_a_config_and_a_folder_must_not_contradict_each_other(tmp_path):
    put_auto_encoder(tmp_path / "resid_3", trainer("resid_post_layer_2"))
    with pytest.raises(BadDictionary, match="which means resid_3, but its config says 'resid_post_layer_2'"):
        read_dictionaries(tmp_path)


def test_a_line_that_contradicts_the_file_is_an_error(tmp_path):
    put_auto_encoder(tmp_path / "run", trainer("resid_pre_layer_3"))
    with pytest.raises(CircuitscopeError, match="has 0 dictionaries for resid_3"):
        read_dictionaries(tmp_path, Site("resid", 3))
    assert sites(tmp_path, Site("resid", 2)) == ["resid_2"]


@pytest.mark.parametrize("io", ["in", "in_and_out"])
def test_a_dictionary_of_inputs_is_refused(tmp_path, io):
    put_auto_encoder(tmp_path / "resid_3", {**trainer("resid_post_layer_3"), "buffer": {"io": io}})
    with pytest.raises(BadDictionary, match="it reads the input of resid_post_layer_3"):
        read_dictionaries(tmp_path)


# -- weights ---------------------------------------------------------------------------------------------


def rebuilt(folder: Path, x: torch.Tensor) -> torch.Tensor:
    (dictionary,) = read_dictionaries(folder).values()
    return dictionary.decode(dictionary.encode_active(x), x)


def test_half_precision_is_normalised_in_float32(tmp_path):
    x = 2 * drawn(9, WIDTH, seed=8)
    put_auto_encoder(tmp_path / "half" / "resid_0", dtype=torch.bfloat16)
    weights = {
        name: value.float()
        for name, value in torch.load(tmp_path / "half" / "resid_0" / "ae.pt", weights_only=True).items()
    }
    put_auto_encoder(tmp_path / "whole" / "resid_0", **weights)
    torch.testing.assert_close(
        rebuilt(tmp_path / "half", x), rebuilt(tmp_path / "whole", x), atol=1e-6, rtol=1e-6
    )


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"encoder.weight": drawn(FEATURES, WIDTH).to(torch.float8_e4m3fn)}, "as float8_e4m3fn"),
        ({"state_dict": {"bias": drawn(WIDTH)}}, "the entry 'state_dict', which is a dict"),
        ({"note": "the best one"}, "the entry 'note', which is a str"),
    ],
)
def test_odd_entries_are_named(tmp_path, changed, said):
    put_auto_encoder(tmp_path / "resid_0", **changed)
    with pytest.raises(CircuitscopeError, match=said):
        read_dictionaries(tmp_path)


def test_a_class_that_is_a_list_is_refused(tmp_path):
    put_auto_encoder(tmp_path / "resid_0", trainer(dict_class=["AutoEncoder"]))
    with pytest.raises(BadDictionary, match="is of class"):
        read_dictionaries(tmp_path)


def test_no_features_are_refused(tmp_path):
    nothing = {"encoder.weight": drawn(0, WIDTH), "encoder.bias": drawn(0), "decoder.weight": drawn(WIDTH, 0)}
    put_auto_encoder(tmp_path / "resid_0", **nothing)
    with pytest.raises(BadDictionary, match="0 features"):
        read_dictionaries(tmp_path)


# -- folders ---------------------------------------------------------------------------------------------


def test_links_are_followed_and_copies_left_alone(tmp_path):
    put_auto_encoder(tmp_path / "elsewhere" / "a")
    root = tmp_path / "root"
    put_auto_encoder(root / "resid_0")
    put_auto_encoder(root / "__MACOSX" / "resid_0")
    put_auto_encoder(root / "resid_0" / ".ipynb_checkpoints")
    (root / "resid_1").symlink_to(tmp_path / "elsewhere" / "a", target_is_directory=True)
    (root / "again").symlink_to(root, target_is_directory=True)  # leads back
    assert sites(root) == ["resid_0", "resid_1"]


# -- one thing changed -------------------------------------------------------------------------------------


def put_saelens(root: Path) -> Path:
    place = root / "any"
    place.mkdir(parents=True)
    weights = {
        "W_enc": drawn(WIDTH, FEATURES, seed=1), "b_enc": drawn(FEATURES, seed=2),
        "W_dec": drawn(FEATURES, WIDTH, seed=3), "b_dec": drawn(WIDTH, seed=4),
    }  # fmt: skip
    save_file(weights, place / "sae_weights.safetensors")
    config = {
        "architecture": "standard", "d_in": WIDTH, "d_sae": FEATURES, "normalize_activations": "none",
        "apply_b_dec_to_input": True, "metadata": {"hook_name": "blocks.1.hook_resid_post", "prepend_bos": True},
    }  # fmt: skip
    (place / "cfg.json").write_text(json.dumps(config))
    return root


def put_sparsify(root: Path) -> Path:
    place = root / "layers.1"
    place.mkdir(parents=True)
    weights = {
        "encoder.weight": drawn(FEATURES, WIDTH, seed=1), "encoder.bias": drawn(FEATURES, seed=2),
        "W_dec": drawn(FEATURES, WIDTH, seed=3), "b_dec": drawn(WIDTH, seed=4),
    }  # fmt: skip
    save_file(weights, place / "sae.safetensors")
    (place / "cfg.json").write_text(json.dumps({"k": 2, "d_in": WIDTH, "activation": "topk"}))
    return root


def put_gemma_scope(root: Path) -> Path:
    place = root / "g-res" / "layer_1" / "width_16k" / "average_l0_9"
    place.mkdir(parents=True)
    arrays = {"W_enc": (WIDTH, FEATURES), "b_enc": (FEATURES,), "W_dec": (FEATURES, WIDTH), "b_dec": (WIDTH,)}
    found = {name: drawn(*shape, seed=n).numpy() for n, (name, shape) in enumerate(arrays.items())}
    np.savez(place / "params.npz", **found, threshold=np.full(FEATURES, 0.1, np.float32))
    return root


def put_gemma_scope_2(root: Path) -> Path:
    place = root / "resid_post_all" / "layer_1_width_16k_l0_big"
    place.mkdir(parents=True)
    shapes = {"w_enc": (WIDTH, FEATURES), "b_enc": (FEATURES,), "w_dec": (FEATURES, WIDTH), "b_dec": (WIDTH,)}
    weights = {name: drawn(*shape, seed=n) for n, (name, shape) in enumerate(shapes.items())}
    save_file({**weights, "threshold": torch.full((FEATURES,), 0.1)}, place / "params.safetensors")
    hook = {"hf_hook_point_in": "model.layers.1.output", "hf_hook_point_out": "model.layers.1.output"}
    (place / "config.json").write_text(
        json.dumps({"architecture": "jump_relu", "affine_connection": False, **hook})
    )
    return root


def put_dictionary_learning(root: Path) -> Path:
    put_auto_encoder(root / "resid_1", trainer("resid_post_layer_1"))
    return root


FORMATS = {
    "dictionary_learning": put_dictionary_learning,
    "SAELens": put_saelens,
    "sparsify": put_sparsify,
    "Gemma Scope": put_gemma_scope,
    "Gemma Scope 2": put_gemma_scope_2,
}
JUNK = st.one_of(
    st.none(), st.booleans(), st.integers(-3, 3), st.floats(), st.text(max_size=4),
    st.lists(st.integers(), max_size=2), st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
)  # fmt: skip


def result_of(folder: Path) -> dict[str, torch.Tensor] | None:
    """What a folder computes, or None where it is refused; anything else is a failure."""
    x = 2 * drawn(5, WIDTH, seed=8)
    try:
        found = read_dictionaries(folder)
        return {str(site): one.decode(one.encode_active(x), x) for site, one in found.items()}
    except CircuitscopeError:
        return None


@pytest.mark.parametrize("name", FORMATS)
@settings(max_examples=CASES, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_a_changed_config_is_read_or_refused(tmp_path_factory, name, data):
    """A key that says nothing about the numbers may change them for no value."""
    root = FORMATS[name](tmp_path_factory.mktemp("changed"))
    configs = sorted(path for path in root.rglob("*.json"))
    if not configs:
        shutil.rmtree(root)
        return
    before, config = result_of(root), json.loads(configs[0].read_text())
    path = data.draw(st.sampled_from([(key,) for key in config] + [
        (key, inner) for key, value in config.items() if isinstance(value, dict) for inner in value
    ] + [("a_new_key",)]))  # fmt: skip
    value = data.draw(JUNK)
    inner = config
    for key in path[:-1]:
        inner = inner[key]
    old = inner.get(path[-1])
    inner[path[-1]] = value
    configs[0].write_text(json.dumps(config))
    after = result_of(root)
    if path[-1] in ("a_new_key", "d_in", "d_sae") or old == value:
        assert after is not None
        for site, numbers in before.items():
            assert torch.equal(after[site], numbers)
    elif after is not None:
        assert set(after) == set(before), "a folder's place is what it says, or an error"
    shutil.rmtree(root)


@pytest.mark.parametrize("name", FORMATS)
@settings(max_examples=CASES, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_changed_weights_are_read_or_refused(tmp_path_factory, name, data):
    root = FORMATS[name](tmp_path_factory.mktemp("changed"))
    (path,) = (path for path in root.rglob("*") if path.suffix in (".pt", ".safetensors", ".npz"))
    how = data.draw(st.sampled_from(["cut", "flip", "drop", "shape", "nan"]))
    if how in ("cut", "flip"):
        content = bytearray(path.read_bytes())
        at = data.draw(st.integers(0, len(content) - 1))
        content = content[:at] if how == "cut" else content
        if how == "flip":
            content[at] ^= data.draw(st.integers(1, 255))
        path.write_bytes(bytes(content))
        result_of(root)  # read, if only a number changed, or refused
    elif path.suffix == ".safetensors":
        tensors = load_file(path)
        key = data.draw(st.sampled_from(sorted(tensors)))
        if how == "drop":
            tensors.pop(key)
        else:
            tensors[key] = drawn(3, 7) if how == "shape" else tensors[key] * float("nan")
        save_file(tensors, path)
        after = result_of(root)
        assert after is None or how == "nan"  # which is refused once there is a model to use it with
    shutil.rmtree(root)
