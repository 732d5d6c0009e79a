"""Files that nobody here made: the right numbers or one clear error, never a traceback and never another result.

Property tests change one thing of a small valid folder of every published format. CIRCUITSCOPE_CASES sets how many
cases each of them tries.
"""

from __future__ import annotations

import json
import os
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from circuitscope.dictionaries.readers import own_folder, read_dictionaries
from circuitscope.dictionaries.readers.site_names import word_place
from circuitscope.errors import BadDictionary, CircuitscopeError
from circuitscope.terms import Site

CASES = int(os.environ.get("CIRCUITSCOPE_CASES", "25"))
WIDTH, FEATURES = 4, 6


def drawn(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


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
        "apply_b_dec_to_input": True, "rescale_acts_by_decoder_norm": False, "finetuning_scaling_factor": False,
        "metadata": {
            "hook_name": "blocks.1.hook_resid_post", "hook_head_index": None, "prepend_bos": True,
            "model_from_pretrained_kwargs": {"center_writing_weights": False},
        },
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


def put_old_saelens(root: Path) -> Path:
    """As versions before 6 wrote it: no metadata, and top-k as an activation function."""
    put_saelens(root)
    config = {
        "architecture": "standard", "d_in": WIDTH, "d_sae": FEATURES, "normalize_activations": False,
        "apply_b_dec_to_input": True, "activation_fn_str": "topk", "activation_fn_kwargs": {"k": 2},
        "hook_point": "blocks.1.hook_resid_post", "hook_point_head_index": None,
    }  # fmt: skip
    (root / "any" / "cfg.json").write_text(json.dumps(config))
    return root


def put_dictionary_learning(root: Path) -> Path:
    put_auto_encoder(root / "resid_1", trainer("resid_post_layer_1"))
    return root


def put_top_k(root: Path) -> Path:
    return put_class(root, "AutoEncoderTopK", {"b_dec": drawn(WIDTH), "k": torch.tensor(2)})


def put_gated(root: Path) -> Path:
    own = {"gate_bias": drawn(FEATURES), "mag_bias": drawn(FEATURES), "r_mag": drawn(FEATURES)}
    return put_class(root, "GatedAutoEncoder", {**own, "decoder_bias": drawn(WIDTH)})


def put_batch_top_k(root: Path) -> Path:
    return put_class(root, "BatchTopKSAE", {"b_dec": drawn(WIDTH), "threshold": torch.tensor(0.1)})


def put_class(root: Path, name: str, own: dict[str, torch.Tensor]) -> Path:
    """A class of dictionary_learning with linear layers, and nothing in its file but its own tensors."""
    shared = {
        "encoder.weight": drawn(FEATURES, WIDTH, seed=2),
        "decoder.weight": 1.5 * drawn(WIDTH, FEATURES, seed=4),
    }
    if name != "GatedAutoEncoder":
        shared["encoder.bias"] = drawn(FEATURES, seed=3)
    place = root / "resid_1"
    place.mkdir()
    torch.save({**shared, **own}, place / "ae.pt")
    (place / "config.json").write_text(json.dumps(trainer("resid_post_layer_1", dict_class=name)))
    return root


def put_own_folder(root: Path) -> Path:
    source = put_dictionary_learning(root / "source")
    own_folder.write(read_dictionaries(source), root / "own")
    shutil.rmtree(source)
    return root / "own"


def put_zip(root: Path) -> Path:
    source = put_dictionary_learning(root / "source")
    with zipfile.ZipFile(root / "all.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(source.rglob("*")):
            archive.write(path, path.relative_to(source))
    shutil.rmtree(source)
    return root


FORMATS = {
    "dictionary_learning": put_dictionary_learning,
    "dictionary_learning TopK": put_top_k,
    "dictionary_learning Gated": put_gated,
    "dictionary_learning BatchTopK": put_batch_top_k,
    "SAELens": put_saelens,
    "SAELens before 6": put_old_saelens,
    "sparsify": put_sparsify,
    "Gemma Scope": put_gemma_scope,
    "Gemma Scope 2": put_gemma_scope_2,
    "circuitscope's own": put_own_folder,
    "zip": put_zip,
}
CONFIGURED = [name for name in FORMATS if name not in ("Gemma Scope", "zip")]
NUMBERED = ("k", "apply_b_dec_to_input", "rescale_acts_by_decoder_norm", "center_writing_weights")
"""Keys that may change the numbers, for another value that is as valid."""
JUNK = st.one_of(
    st.none(), st.booleans(), st.integers(-3, 3), st.just(10**400), st.floats(), st.text(max_size=4),
    st.lists(st.integers(), max_size=2), st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
)  # fmt: skip


@pytest.fixture(autouse=True, scope="module")
def home(tmp_path_factory):
    """Archives are unpacked here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CIRCUITSCOPE_HOME", str(tmp_path_factory.mktemp("home")))
        yield


def result_of(folder: Path, wanted: Site | None = None) -> dict[str, torch.Tensor] | None:
    """What a folder computes, or None where it is refused with one clear error; anything else is a failure."""
    x = 2 * drawn(5, WIDTH, seed=8)
    try:
        found = read_dictionaries(folder, wanted)
        for one in found.values():
            one.move("cpu", torch.float32)  # as for a model
        return {str(site): one.decode(one.encode_active(x), x) for site, one in found.items()}
    except CircuitscopeError:
        return None


def keys(config: dict, above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for key, value in config.items():
        yield (*above, key)
        if isinstance(value, dict):
            yield from keys(value, (*above, key))


@pytest.mark.parametrize("name", CONFIGURED)
@settings(max_examples=CASES, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_a_changed_config_is_read_or_refused(tmp_path_factory, name, data):
    """Whatever value a key gets, the numbers stay as they were, unless that key is there to change them."""
    root = FORMATS[name](tmp_path_factory.mktemp("changed"))
    (place,) = root.rglob("*.json")
    before, config = result_of(root), json.loads(place.read_text())
    path = data.draw(st.sampled_from([*keys(config), ("a_new_key",)]))
    inner = config
    for key in path[:-1]:
        inner = inner[key]
    value = data.draw(JUNK)
    same = path == ("a_new_key",) or path[-1] in ("d_in", "d_sae")
    if data.draw(st.booleans()) and not same:
        inner.pop(path[-1])
    else:
        inner[path[-1]] = value
    place.write_text(json.dumps(config))
    after = result_of(root)
    assert after is not None or not same
    if after is not None:
        assert set(after) == set(before)
        if path[-1] not in NUMBERED:
            torch.testing.assert_close(after, before, rtol=0, atol=0)
    shutil.rmtree(root)


def weight_file(root: Path) -> Path:
    (path,) = (path for path in root.rglob("*") if path.suffix in (".pt", ".safetensors", ".npz", ".zip"))
    return path


@pytest.mark.parametrize("name", FORMATS)
@settings(max_examples=CASES, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_damaged_bytes_are_read_or_refused(tmp_path_factory, name, data):
    """A byte may be that of a number; what is cut short is refused."""
    root = FORMATS[name](tmp_path_factory.mktemp("damaged"))
    path, before = weight_file(root), result_of(root)
    content = bytearray(path.read_bytes())
    at = data.draw(st.integers(0, len(content) - 1))
    if data.draw(st.booleans()):
        content[at] ^= data.draw(st.integers(1, 255))
        path.write_bytes(bytes(content))
        after = result_of(root)
        assert after is None or set(after) == set(before)
    else:
        path.write_bytes(bytes(content[:at]))
        assert result_of(root) is None
    shutil.rmtree(root)


def tensors_in(path: Path) -> dict[str, torch.Tensor]:
    if path.suffix == ".pt":
        return torch.load(path, weights_only=True)
    if path.suffix == ".npz":
        return {name: torch.from_numpy(array) for name, array in np.load(path).items()}
    return load_file(path)


def put_tensors(path: Path, tensors: dict[str, torch.Tensor]) -> None:
    if path.suffix == ".pt":
        torch.save(tensors, path)
    elif path.suffix == ".npz":
        np.savez(path, **{name: value.numpy() for name, value in tensors.items()})
    else:
        save_file({name: value.contiguous() for name, value in tensors.items()}, path)


SHAPES = {"number": (), "one": (1,), "vector": (3,), "matrix": (3, 7), "cube": (2, 3, 4), "none": (0,)}
TYPES = {"int": torch.int64, "bool": torch.bool, "complex": torch.complex64}
WIDER_OR_HALF = {"float64": (torch.float64, 1e-6), "float16": (torch.float16, 0.05)}


@pytest.mark.parametrize("name", [name for name in FORMATS if name not in ("circuitscope's own", "zip")])
@settings(max_examples=CASES, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_a_changed_tensor_is_refused(tmp_path_factory, name, data):
    """Another shape, whole or complex numbers, or none at all: never broadcast, cast or left out."""
    root = FORMATS[name](tmp_path_factory.mktemp("changed"))
    path, before = weight_file(root), result_of(root)
    tensors = tensors_in(path)
    key = data.draw(st.sampled_from(sorted(set(tensors) - {"k"})))
    how = data.draw(st.sampled_from(["drop", "turn", *SHAPES, *TYPES, *WIDER_OR_HALF]))
    value = tensors.pop(key)
    if how == "turn":
        tensors[key] = value.T.contiguous() if value.ndim == 2 else value[None]
    elif how in SHAPES:
        tensors[key] = drawn(*SHAPES[how]).abs()
    elif how in TYPES:
        tensors[key] = value.to(TYPES[how])
    elif how in WIDER_OR_HALF:
        tensors[key] = value.to(WIDER_OR_HALF[how][0])
    put_tensors(path, tensors)
    after = result_of(root)
    if how in WIDER_OR_HALF:
        precision = WIDER_OR_HALF[how][1]
        torch.testing.assert_close(after, before, rtol=precision, atol=precision)
    elif not (key == "threshold" and value.ndim == 0 and how in ("number", "one", "turn")):
        assert after is None, (key, how)
    shutil.rmtree(root)


# -- places and lines --------------------------------------------------------------------------------------

NAMES = {
    "resid": {"": 0, "out": 0, "post": 0, "pre": -1, "in": -1, "mid": None, "delta": None},
    "attn": {"": 0, "out": 0, "in": None, "mid": None, "q": None, "pattern": None, "result": None},
    "mlp": {"": 0, "out": 0, "in": None, "post": None, "hidden": None, "gate": None, "acts": None},
}
"""Words by kind of site, and how many layers on the tensor that they mean is; None if it is at no site."""
STYLES = [
    "{kind}_{part}_{layer}", "{kind}_{part}_layer{layer}", "{kind}-{part}-layer_{layer}", "{kind}_{layer}_{part}",
    "layer_{layer}_{kind}_{part}", "{kind}_{part}_layer_{layer}_trainer_7", "{kind}_v2_{part}_layer_{layer}_16k",
]  # fmt: skip


@settings(max_examples=CASES, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_a_name_is_the_tensor_that_it_means_wherever_a_line_puts_it(tmp_path_factory, data):
    kind = data.draw(st.sampled_from(sorted(NAMES)))
    part, offset = data.draw(st.sampled_from(sorted(NAMES[kind].items())))
    layer = data.draw(st.integers(0, 12))
    words = data.draw(st.sampled_from(STYLES)).format(kind=kind, part=part, layer=layer)
    words = data.draw(st.sampled_from([words, words.upper()]))
    at = None if offset is None else Site(kind, layer + offset) if layer + offset >= 0 else Site("embed", -1)
    root = tmp_path_factory.mktemp("named")
    how = data.draw(st.sampled_from(["folder", "config", "sparsify", "SAELens"]))
    if how == "config":
        put_auto_encoder(root / "run", trainer(words))
    elif how == "folder":
        put_auto_encoder(root / words)
    elif how == "sparsify":
        (put_sparsify(root) / "layers.1").rename(root / words)
    else:
        config = put_saelens(root) / "any" / "cfg.json"
        config.write_text(json.dumps({**json.loads(config.read_text()), "metadata": {}}))
        (root / "any").rename(root / words)
    asked = data.draw(st.one_of(st.none(), st.just(at), st.builds(Site, st.just(kind), st.integers(0, 12))))
    after = result_of(root, asked)
    if at is None or asked not in (None, at):
        assert after is None, (words, how, asked)
    else:
        assert set(after or {}) == {str(at)}, (words, how, asked)
    shutil.rmtree(root)


@pytest.mark.parametrize(
    "words",
    ["blocks.3.hook_resid_mid", "ln1_3", "layers.3.input_layernorm", "resid_mid", "mlp_transcoder_layer_3",
     "transcoder_3", "resid_attn_3", "embed_pos", "wpe", "hook_pos_embed"],
)  # fmt: skip
@pytest.mark.parametrize("put", [put_auto_encoder, lambda place: put_sparsify(place).joinpath("layers.1")])
def test_no_line_attaches_what_is_at_no_site(tmp_path, words, put):
    made = put(tmp_path / "made")
    (tmp_path / "root").mkdir()
    made.rename(tmp_path / "root" / words)
    with pytest.raises(BadDictionary, match=r"that tensor is at no site|is a transcoder"):
        read_dictionaries(tmp_path / "root", Site("resid", 3))


@pytest.mark.parametrize(
    ("words", "site"),
    [
        ("model.layers.3.mlp", "mlp_3"),
        ("transformer.h.2", "resid_2"),
        ("blocks.3.resid_post", "resid_3"),
        ("blocks.3.hook_resid_pre", "resid_2"),
    ],
)
def test_a_config_may_name_a_module_or_a_hook(tmp_path, words, site):
    put_auto_encoder(tmp_path / "run", trainer(words))
    assert sites(tmp_path) == [site]
    put_auto_encoder(tmp_path / "resid_5", trainer(words))
    shutil.rmtree(tmp_path / "run")
    with pytest.raises(BadDictionary, match="which means resid_5, but its config says"):
        read_dictionaries(tmp_path)


def test_a_submodule_that_means_nothing_is_not_overruled_by_a_folder_or_a_line(tmp_path):
    put_auto_encoder(tmp_path / "resid_3", trainer("the_third_block"))
    for wanted in (None, Site("resid", 3)):
        with pytest.raises(BadDictionary, match="names the submodule 'the_third_block', which means no site"):
            read_dictionaries(tmp_path, wanted)


def test_a_line_does_not_move_gemma_scope_to_another_layer(tmp_path):
    (put_gemma_scope(tmp_path) / "g-res").rename(tmp_path / "mine")
    assert sites(tmp_path, Site("resid", 1)) == ["resid_1"]
    with pytest.raises(CircuitscopeError, match="has 0 dictionaries for resid_3") as error:
        read_dictionaries(tmp_path, Site("resid", 3))
    assert "a site of layer 1" in error.value.mend


def test_a_folder_of_saelens_must_not_contradict_its_hook(tmp_path):
    (put_saelens(tmp_path) / "any").rename(tmp_path / "blocks.3.hook_mlp_out")
    with pytest.raises(
        BadDictionary, match=r"which means mlp_3, but its config says 'blocks\.1\.hook_resid_post'"
    ):
        read_dictionaries(tmp_path)


@pytest.mark.parametrize("more", [{"hook_name_out": "blocks.2.hook_mlp_out"}, {"is_transcoder": True}])
def test_a_transcoder_in_the_form_of_an_sae_is_refused(tmp_path, more):
    config = put_saelens(tmp_path) / "any" / "cfg.json"
    config.write_text(json.dumps({**json.loads(config.read_text()), **more}))
    with pytest.raises(BadDictionary, match="is a transcoder"):
        read_dictionaries(tmp_path)


@pytest.mark.parametrize("scale", [0, -1, "2", True, [], 1e-300, 1e300, 10**400, float("nan")])
def test_a_scaler_that_is_none_is_named(tmp_path, scale):
    place = put_saelens(tmp_path) / "any"
    config = {
        **json.loads((place / "cfg.json").read_text()),
        "normalize_activations": "expected_average_only_in",
    }
    (place / "cfg.json").write_text(json.dumps(config))
    (place / "activation_scaler.json").write_text(json.dumps({"scaling_factor": scale}))
    with pytest.raises(BadDictionary, match="has scaling_factor"):
        read_dictionaries(tmp_path)


@pytest.mark.parametrize("k", [torch.tensor([2, 3]), torch.tensor(2.5), float("nan"), True, float("inf")])
def test_a_k_that_is_no_whole_number_is_named(tmp_path, k):
    put_top_k(tmp_path)
    path = tmp_path / "resid_1" / "ae.pt"
    torch.save({**torch.load(path, weights_only=True), "k": k}, path)
    with pytest.raises(BadDictionary, match="has k = "):
        read_dictionaries(tmp_path)


def test_links_that_lead_nowhere_are_named(tmp_path, caplog):
    put_auto_encoder(tmp_path / "resid_0")
    (tmp_path / "resid_1").symlink_to(tmp_path / "gone")
    assert sites(tmp_path) == ["resid_0"]
    assert f"{tmp_path / 'resid_1'} is left out: it is a link to {tmp_path / 'gone'}" in caplog.text
    (tmp_path / "resid_0" / "config.json").symlink_to(tmp_path / "gone.json")
    with pytest.raises(
        CircuitscopeError, match=r"config\.json"
    ):  # it may say that this is no dictionary of outputs
        read_dictionaries(tmp_path)


@pytest.mark.parametrize("first", ["a", "z"])
def test_a_link_to_a_dictionary_is_one_more_of_its_own_name(tmp_path, first):
    """In whichever order the folders are found."""
    put_auto_encoder(tmp_path / first / "resid_1")
    (tmp_path / "resid_2").symlink_to(tmp_path / first / "resid_1")
    (tmp_path / "resid_1_again").symlink_to(tmp_path / first / "resid_1")  # the same for the same site
    assert sites(tmp_path) == ["resid_1", "resid_2"]


def test_a_json_file_that_is_nested_too_deeply_is_refused(tmp_path):
    place = put_auto_encoder(tmp_path / "resid_0")
    (place / "config.json").write_text("[" * 100_000)
    with pytest.raises(CircuitscopeError, match="is not JSON"):
        read_dictionaries(tmp_path)
