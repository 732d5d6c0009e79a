"""SAELens folders of every architecture and version read as SAELens computes them (FACTS.md 4.4).

The formulas here are written from the published layout; that they are what sae-lens 6.54.12 itself computes was
checked once against the library, with equal outputs to 1e-6 of the largest.
"""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor
from toys import KINDS as TOY_KINDS
from toys import toy_dictionaries, toy_model

from circuitscope.dictionaries import load_dictionaries
from circuitscope.dictionaries.readers import read_dictionaries
from circuitscope.dictionaries.readers.site_names import hook_place
from circuitscope.dictionaries.training.saelens_folder import ARCHITECTURES, write_saelens
from circuitscope.errors import BadDictionary, BadFile
from circuitscope.terms import Site

WIDTH, FEATURES, K, THRESHOLD = 6, 16, 3, 0.7


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


X = 2 * drawn(9, WIDTH, seed=9) + 0.5


def tensors(architecture: str) -> dict[str, Tensor]:
    found = {
        "W_enc": drawn(WIDTH, FEATURES, seed=1),
        "b_enc": drawn(FEATURES, seed=2),
        "W_dec": drawn(FEATURES, WIDTH, seed=3),
        "b_dec": drawn(WIDTH, seed=4),
    }
    if architecture == "gated":
        del found["b_enc"]
        found |= {
            name: drawn(FEATURES, seed=seed) for seed, name in enumerate(("b_gate", "b_mag", "r_mag"), 5)
        }
    if architecture == "jumprelu":
        found["threshold"] = drawn(FEATURES, seed=8).abs()
    return found


def config(architecture: str, **changes: object) -> dict[str, object]:
    """As version 6 writes it."""
    metadata = {
        "model_name": "m",
        "hook_name": "blocks.1.hook_resid_post",
        "hook_head_index": None,
        "prepend_bos": True,
        "sae_lens_version": "6.54.12",
        "neuronpedia_id": None,
    }
    metadata |= dict(changes.pop("metadata", {}))
    return {
        "d_in": WIDTH,
        "d_sae": FEATURES,
        "dtype": "float32",
        "device": "cpu",
        "apply_b_dec_to_input": True,
        "normalize_activations": "none",
        "reshape_activations": "none",
        "architecture": architecture,
        **({"k": K, "rescale_acts_by_decoder_norm": False} if architecture == "topk" else {}),
        **changes,
        "metadata": metadata,
    }


def put(folder: Path, weights: dict[str, Tensor], cfg: dict[str, object]) -> Path:
    folder.mkdir(parents=True)
    save_file(
        {name: value.contiguous() for name, value in weights.items()}, folder / "sae_weights.safetensors"
    )
    (folder / "cfg.json").write_text(json.dumps(cfg))
    return folder / "sae_weights.safetensors"


def published(
    architecture: str, t: dict[str, Tensor], x: Tensor, cfg: dict[str, object]
) -> tuple[Tensor, Tensor]:
    """f and x̂ for an input that is normalised already."""
    centred = x - t["b_dec"] if cfg["apply_b_dec_to_input"] else x
    if architecture == "gated":
        shared = centred @ t["W_enc"]
        f = (shared + t["b_gate"] > 0) * torch.relu(t["r_mag"].exp() * shared + t["b_mag"])
        return f, f @ t["W_dec"] + t["b_dec"]
    pre, norm = centred @ t["W_enc"] + t["b_enc"], t["W_dec"].norm(dim=1)
    if architecture == "jumprelu":
        f = torch.relu(pre) * (pre > t["threshold"])
    elif architecture == "topk":
        rescale = bool(cfg["rescale_acts_by_decoder_norm"])
        pre = torch.relu(pre * norm if rescale else pre)
        f = torch.where(pre >= pre.topk(K, dim=1).values[:, -1:], pre, 0)
        return f, f / (norm if rescale else 1) @ t["W_dec"] + t["b_dec"]
    else:
        f = torch.relu(pre)
    return f, f @ t["W_dec"] + t["b_dec"]


def one(folder: Path):
    ((site, dictionary),) = read_dictionaries(folder).items()
    return site, dictionary


def rebuilt(dictionary, x: Tensor = X) -> Tensor:
    return dictionary.decode(dictionary.encode_active(x), x)


def same(ours: Tensor, theirs: Tensor) -> None:
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=2e-5)


OWN_KIND = {"standard": "relu", "topk": "topk", "jumprelu": "jumprelu", "gated": "gated"}
CASES = [
    (a, b, r) for a in OWN_KIND for b in (True, False) for r in ((False, True) if a == "topk" else (False,))
]


@pytest.mark.parametrize(("architecture", "centred", "rescale"), CASES)
def test_an_architecture_computes_what_it_was_published_to(tmp_path, architecture, centred, rescale):
    cfg = config(architecture, apply_b_dec_to_input=centred)
    if architecture == "topk":
        cfg["rescale_acts_by_decoder_norm"] = rescale
    weights = tensors(architecture)
    put(tmp_path / "any" / "tree", weights, cfg)
    site, dictionary = one(tmp_path)
    assert (str(site), dictionary.kind) == ("resid_1", OWN_KIND[architecture])
    f, back = published(architecture, weights, X, cfg)
    same(dictionary.encode(X), f)
    same(rebuilt(dictionary), back)


@pytest.mark.parametrize("word", ["layer_norm", "constant_norm_rescale"])
@pytest.mark.parametrize("architecture", OWN_KIND)
def test_a_normalisation_computes_what_it_was_published_to(tmp_path, architecture, word):
    """SAELens's x̂ is our features plus what we count as error: the scaled bias, and the mean."""
    cfg, weights = config(architecture, normalize_activations=word), tensors(architecture)
    put(tmp_path / "a", weights, cfg)
    _, dictionary = one(tmp_path)
    assert dictionary.kind == f"{word} {OWN_KIND[architecture]}"
    if word == "layer_norm":
        mean, scale = X.mean(-1, keepdim=True), X.std(-1, keepdim=True)
        normal = (X - mean) / (scale + 1e-5)
    else:
        mean, scale = torch.zeros(len(X), 1), X.norm(dim=-1, keepdim=True) / WIDTH**0.5
        normal = X / scale
    f, back = published(architecture, weights, normal, cfg)
    same(dictionary.encode(X), scale * f)
    same(rebuilt(dictionary) + scale * weights["b_dec"] + mean, scale * back + mean)


# -- constants that are folded in ------------------------------------------------------------------------


@pytest.mark.parametrize("architecture", OWN_KIND)
def test_the_scale_beside_a_checkpoint_is_folded_in(tmp_path, architecture):
    cfg, weights = (
        config(architecture, normalize_activations="expected_average_only_in"),
        tensors(architecture),
    )
    put(tmp_path / "a", weights, cfg)
    (tmp_path / "a" / "activation_scaler.json").write_text('{"scaling_factor": 0.4}')
    f, back = published(architecture, weights, 0.4 * X, cfg)
    _, dictionary = one(tmp_path)
    same(dictionary.encode(X), f)
    same(rebuilt(dictionary), back / 0.4)


def test_a_scale_that_nothing_says_is_warned_of_once(tmp_path, caplog):
    for layer in (0, 1):
        metadata = {"hook_name": f"blocks.{layer}.hook_resid_post"}
        cfg = config("standard", normalize_activations="expected_average_only_in", metadata=metadata)
        put(tmp_path / str(layer), tensors("standard"), cfg)
    with caplog.at_level(logging.WARNING, logger="circuitscope"):
        found = read_dictionaries(tmp_path)
    assert [record.getMessage().split(" ")[0] for record in caplog.records] == ["2"]
    f, _ = published("standard", tensors("standard"), X, config("standard"))
    same(found[Site("resid", 0)].encode(X), f)


def test_a_fine_tuned_dictionary_scales_its_features_before_decoding(tmp_path):
    weights, cfg = tensors("standard"), config("standard", finetuning_scaling_factor=True)
    factor = drawn(FEATURES, seed=6).abs()
    put(tmp_path / "a", weights | {"scaling_factor": factor}, cfg)
    f, _ = published("standard", weights, X, cfg)
    _, dictionary = one(tmp_path)
    same(dictionary.encode(X), f)
    same(rebuilt(dictionary), (f * factor) @ weights["W_dec"] + weights["b_dec"])


def test_a_factor_of_ones_says_nothing_and_another_contradicts(tmp_path):
    put(tmp_path / "a", tensors("standard") | {"scaling_factor": torch.ones(FEATURES)}, config("standard"))
    assert one(tmp_path)[1].kind == "relu"
    put(
        tmp_path / "b",
        tensors("standard") | {"scaling_factor": torch.full((FEATURES,), 2.0)},
        config("standard"),
    )
    with pytest.raises(BadDictionary, match="scaling_factor"):
        read_dictionaries(tmp_path / "b")


@pytest.mark.parametrize("architecture", OWN_KIND)
@pytest.mark.parametrize("centred", [True, False])
def test_centred_writing_weights_mean_a_centred_input(tmp_path, architecture, centred):
    """TransformerLens takes the mean out of the stream; ours still has it, and it lands in the error."""
    metadata = {"model_from_pretrained_kwargs": {"center_writing_weights": True}}
    weights, cfg = (
        tensors(architecture),
        config(architecture, apply_b_dec_to_input=centred, metadata=metadata),
    )
    put(tmp_path / "a", weights, cfg)
    f, back = published(architecture, weights, X - X.mean(-1, keepdim=True), cfg)
    _, dictionary = one(tmp_path)
    same(dictionary.encode(X), f)
    same(rebuilt(dictionary), back)


def test_centring_changes_nothing_before_a_projection(tmp_path):
    metadata = {"model_from_pretrained_kwargs": {"center_writing_weights": True}}
    weights = tensors("standard")
    put(
        tmp_path / "a", weights, config("standard", metadata=metadata | {"hook_name": "blocks.1.attn.hook_z"})
    )
    same(one(tmp_path)[1].encode(X), published("standard", weights, X, config("standard"))[0])


def test_folded_value_biases_are_refused_where_they_matter(tmp_path):
    kwargs = {"model_from_pretrained_kwargs": {"fold_value_biases": True}}
    put(
        tmp_path / "z",
        tensors("standard"),
        config("standard", metadata=kwargs | {"hook_name": "blocks.1.attn.hook_z"}),
    )
    put(tmp_path / "r", tensors("standard"), config("standard", metadata=kwargs))
    with pytest.raises(BadDictionary, match="fold_value_biases"):
        read_dictionaries(tmp_path / "z")
    assert one(tmp_path / "r")[1].kind == "relu"


# -- what trainers save ----------------------------------------------------------------------------------


@pytest.mark.parametrize("architecture", ["batchtopk", "matryoshka_batchtopk"])
def test_a_batch_topk_checkpoint_is_a_jumprelu(tmp_path, architecture):
    """For inference SAELens itself saves the second of these."""
    checkpoint = tensors("standard") | {"topk_threshold": torch.tensor(THRESHOLD)}
    put(tmp_path / "training", checkpoint, config(architecture, k=K, rescale_acts_by_decoder_norm=True))
    folded = tensors("standard")
    norm = folded["W_dec"].norm(dim=1)
    folded |= {
        "W_enc": folded["W_enc"] * norm,
        "b_enc": folded["b_enc"] * norm,
        "W_dec": folded["W_dec"] / norm[:, None],
    }
    folded["threshold"] = torch.full((FEATURES,), THRESHOLD)
    put(tmp_path / "inference", folded, config("jumprelu"))
    ours, theirs = (one(tmp_path / name)[1] for name in ("training", "inference"))
    assert (ours.kind, theirs.kind) == ("jumprelu", "jumprelu")
    same(ours.encode(X), theirs.encode(X))
    same(rebuilt(ours), rebuilt(theirs))


def test_a_jumprelu_checkpoint_may_store_the_logarithm(tmp_path):
    weights = tensors("jumprelu")
    stored = {name: value for name, value in weights.items() if name != "threshold"}
    put(tmp_path / "a", stored | {"log_threshold": weights["threshold"].log()}, config("jumprelu"))
    same(one(tmp_path)[1].encode(X), published("jumprelu", weights, X, config("jumprelu"))[0])


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_brought_into_float32(tmp_path, dtype):
    put(tmp_path / "a", {n: t.to(dtype) for n, t in tensors("standard").items()}, config("standard"))
    _, dictionary = one(tmp_path)
    assert dictionary.dtype == torch.float32
    assert torch.equal(dictionary.weights()["b_enc"], tensors("standard")["b_enc"].to(dtype).float())


# -- configs before version 6 ----------------------------------------------------------------------------


def flat(**changes: object) -> dict[str, object]:
    """As versions before 6 wrote it: every key side by side."""
    return {
        "d_in": WIDTH,
        "d_sae": FEATURES,
        "dtype": "float32",
        "hook_point": "blocks.1.hook_resid_post",
    } | changes


def test_an_old_config_has_the_defaults_of_its_time(tmp_path):
    put(tmp_path / "a", tensors("standard"), flat(activation_fn_str="relu", normalize_activations=False))
    site, dictionary = one(tmp_path)
    assert (str(site), dictionary.kind) == ("resid_1", "relu")
    same(dictionary.encode(X), published("standard", tensors("standard"), X, config("standard"))[0])
    assert read_dictionaries(tmp_path).prepend_bos is True


def test_top_k_was_an_activation_function(tmp_path):
    changes = {"architecture": "standard", "activation_fn": "topk", "activation_fn_kwargs": {"k": K}}
    put(tmp_path / "a", tensors("topk"), flat(**changes, prepend_bos=False))
    _, dictionary = one(tmp_path)
    assert (dictionary.kind, dictionary.settings()) == ("topk", {"k": K})
    cfg = config("topk")
    same(dictionary.encode(X), published("topk", tensors("topk"), X, cfg)[0])
    assert read_dictionaries(tmp_path).prepend_bos is False


def test_normalisation_was_a_bool(tmp_path, caplog):
    put(tmp_path / "a", tensors("standard"), flat(normalize_activations=True))
    with caplog.at_level(logging.WARNING, logger="circuitscope"):
        assert one(tmp_path)[1].kind == "relu"
    assert "expected_average_only_in" in caplog.text


# -- hooks -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("hook", "site", "tensor"),
    [
        ("blocks.3.hook_resid_post", "resid_3", None),
        ("blocks.3.hook_resid_pre", "resid_2", None),
        ("blocks.0.hook_resid_pre", "embed", None),
        ("hook_embed", "embed", "hook_embed"),
        ("blocks.3.attn.hook_z", "attn_3", "attn.hook_z"),
        ("blocks.3.hook_attn_out", "attn_3", "hook_attn_out"),
        ("blocks.3.hook_mlp_out", "mlp_3", "hook_mlp_out"),
        ("blocks.3.mlp.hook_post", "mlp_3", "mlp.hook_post"),
    ],
)
def test_a_hook_names_its_site_and_tensor(hook, site, tensor):
    assert hook_place(hook) == (Site.parse(site), tensor)


@pytest.mark.parametrize(
    "hook", ["blocks.3.hook_resid_mid", "blocks.3.attn.hook_q", "ln_final.hook_normalized"]
)
@pytest.mark.parametrize("wanted", [None, Site("resid", 3)])
def test_a_hook_at_no_site_is_named(tmp_path, hook, wanted):
    """Whatever a YAML line says about where it belongs."""
    put(tmp_path / "a", tensors("standard"), config("standard", metadata={"hook_name": hook}))
    with pytest.raises(BadDictionary, match=f"a dictionary of '{hook}': that tensor is at no site"):
        read_dictionaries(tmp_path, wanted)


def test_no_hook_at_all_may_be_given_a_site(tmp_path):
    put(tmp_path / "a", tensors("standard"), config("standard", metadata={"hook_name": ""}))
    with pytest.raises(BadFile, match="which site"):
        read_dictionaries(tmp_path)
    assert [str(site) for site in read_dictionaries(tmp_path, Site("resid", 3))] == ["resid_3"]


@pytest.mark.parametrize("scale", [0, -1.0, "large", [2.0]])
def test_a_scale_that_is_no_scale_is_refused(tmp_path, scale):
    place = tmp_path / "a"
    put(place, tensors("standard"), config("standard", normalize_activations="expected_average_only_in"))
    (place / "activation_scaler.json").write_text(json.dumps({"scaling_factor": scale}))
    with pytest.raises(BadDictionary, match="scaling_factor"):
        read_dictionaries(tmp_path)


USUAL, INPUT = None, "input of attention's output projection"
HIDDEN, AFTER = "hidden neurons of the MLP", "output of attention after its norm"


@pytest.mark.parametrize(
    ("family", "hook", "tensor"),
    [
        ("llama", "blocks.1.hook_attn_out", USUAL),
        ("llama", "blocks.1.attn.hook_z", INPUT),
        ("llama", "blocks.1.hook_mlp_out", USUAL),
        ("gpt2", "blocks.1.mlp.hook_post", HIDDEN),
        ("gemma2", "blocks.1.hook_attn_out", AFTER),
        ("gemma2", "blocks.1.attn.hook_z", USUAL),
        ("gemma2", "blocks.1.hook_mlp_out", USUAL),
        ("gemma2", "blocks.1.mlp.hook_post", HIDDEN),
        ("gemma2", "hook_embed", USUAL),
        ("neox-parallel", "hook_embed", USUAL),
    ],
)
def test_a_hook_is_the_familys_own_tensor(tmp_path, family, hook, tensor):
    """TransformerLens's hook_attn_out is what goes into the stream: in Gemma that is not the usual tensor."""
    model = toy_model(family)
    place = hook_place(hook)
    width = model.tap_width(place.site, model.tap(place.site, place.tensor))
    weights = {
        "W_enc": drawn(width, FEATURES), "b_enc": drawn(FEATURES), "W_dec": drawn(FEATURES, width),
        "b_dec": drawn(width),
    }  # fmt: skip
    put(tmp_path / "a", weights, config("standard", metadata={"hook_name": hook}))
    found = load_dictionaries(tmp_path, model)
    assert found[place.site].tensor == tensor
    assert found[place.site].dtype == model.dtype


def test_a_tensor_that_the_site_cannot_tap_is_refused_with_the_reason(tmp_path):
    """GPT-2 adds positions to its token embedding, so that is not what enters block 0."""
    put(tmp_path / "a", tensors("standard"), config("standard", metadata={"hook_name": "hook_embed"}))
    with pytest.raises(BadDictionary, match="'hook_embed'; GPT-2 models have no tensor") as error:
        load_dictionaries(tmp_path, toy_model("gpt2"))
    assert "sae_weights.safetensors" in error.value.got
    assert "input of block 0" in error.value.expected


# -- refusals --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cfg", "says"),
    [
        (config("transcoder"), "is a transcoder"),
        (config("skip_transcoder"), "is a transcoder"),
        (config("jumprelu_transcoder"), "is a transcoder"),
        (config("temporal"), "architecture 'temporal'"),
        (config("standard", normalize_activations="covariance_whitening"), "'covariance_whitening'"),
        (config("standard", metadata={"hook_head_index": 2}), "hook_head_index is 2"),
        (flat(activation_fn_str="tanh-relu"), "activation_fn 'tanh-relu'"),
    ],
)
def test_what_is_not_supported_is_named(tmp_path, cfg, says):
    put(tmp_path / "a", tensors("standard"), cfg)
    with pytest.raises(BadDictionary, match=says) as error:
        read_dictionaries(tmp_path)
    assert "cfg.json" in error.value.got
    assert error.value.expected
    assert "not supported" in error.value.mend


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"W_dec": None}, "W_dec"),
        ({"b_enc": None}, "b_enc"),
        ({"extra": torch.zeros(2)}, "extra"),
        ({"b_dec": torch.zeros(WIDTH + 1)}, "W_dec has shape"),
        ({"W_dec": torch.zeros(WIDTH, FEATURES)}, "W_dec has shape"),
    ],
)
def test_tensors_that_do_not_fit_are_named(tmp_path, change, says):
    weights = {name: value for name, value in (tensors("standard") | change).items() if value is not None}
    put(tmp_path / "a", weights, config("standard"))
    with pytest.raises(BadDictionary, match=says) as error:
        read_dictionaries(tmp_path)
    assert "sae_weights.safetensors" in error.value.got


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.99])
def test_a_truncated_file_is_named(tmp_path, share):
    path = put(tmp_path / "a", tensors("standard"), config("standard"))
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(BadFile, match=r"sae_weights\.safetensors cannot be read"):
        read_dictionaries(tmp_path)


@pytest.mark.parametrize("text", ["", "{", "[]", "3"])
def test_a_config_that_is_none_is_named(tmp_path, text):
    put(tmp_path / "a", tensors("standard"), config("standard"))
    (tmp_path / "a" / "cfg.json").write_text(text)
    with pytest.raises(BadFile, match=r"cfg\.json"):
        read_dictionaries(tmp_path)


def test_nan_is_named_with_file_and_tensor(tmp_path):
    model = toy_model("llama")
    width = model.width
    weights = {"W_enc": drawn(width, 4), "b_enc": drawn(4), "W_dec": drawn(4, width), "b_dec": drawn(width)}
    weights["b_enc"][1] = torch.nan
    put(tmp_path / "a", weights, config("standard"))
    with pytest.raises(BadDictionary, match=r"sae_weights\.safetensors has NaN or infinite numbers in b_enc"):
        load_dictionaries(tmp_path, model)


# -- our own folders for SAELens -------------------------------------------------------------------------


@pytest.mark.parametrize("family", ["llama", "gemma2", "gpt2"])
@pytest.mark.parametrize("kind", ARCHITECTURES)
def test_what_we_write_for_saelens_reads_back(tmp_path, kind, family):
    model = toy_model(family)
    wanted = toy_dictionaries(model, kind)
    write_saelens(wanted, model, tmp_path, context_size=8)
    found = load_dictionaries(tmp_path, model)
    assert list(found) == list(wanted)
    assert found.prepend_bos is False
    for site, dictionary in found.items():
        x = drawn(5, dictionary.width, seed=5).double()
        assert (dictionary.kind, dictionary.tensor) == (kind, None)
        torch.testing.assert_close(dictionary.encode(x), wanted[site].encode(x))
        torch.testing.assert_close(rebuilt(dictionary, x), rebuilt(wanted[site], x))


def test_what_has_no_saelens_form_is_refused(tmp_path):
    model = toy_model("llama")
    for kind in set(TOY_KINDS) - set(ARCHITECTURES):
        with pytest.raises(BadDictionary, match="has no SAELens form"):
            write_saelens(toy_dictionaries(model, kind), model, tmp_path / kind, context_size=8)


def test_two_configs_of_the_same_weights_have_different_hashes(tmp_path):
    """What a SAELens dictionary computes is not in its weights alone."""
    put(tmp_path / "a" / "x", tensors("standard"), config("standard"))
    put(tmp_path / "b" / "x", tensors("standard"), config("standard", normalize_activations="layer_norm"))
    put(tmp_path / "c" / "y", tensors("standard"), config("standard"))
    hashes = [read_dictionaries(tmp_path / name).content_hash for name in "abc"]
    assert hashes[0] == hashes[2] != hashes[1]
