"""Readers: published folders load as the published classes compute them, and damage is named."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from circuitscope.dictionaries import Dictionaries, write_dictionaries
from circuitscope.dictionaries.affine import JumpReluDictionary, ReluDictionary, TopKDictionary
from circuitscope.dictionaries.collection import check_fit, to_model
from circuitscope.dictionaries.gated import GatedDictionary
from circuitscope.dictionaries.identity import IdentityDictionary
from circuitscope.dictionaries.normalised import NormalisedDictionary
from circuitscope.dictionaries.readers import read_dictionaries
from circuitscope.errors import BadDictionary, BadFile, CircuitscopeError, OutOfSpace
from circuitscope.terms import Site

WIDTH, FEATURES = 6, 16


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


X = 2 * drawn(7, WIDTH, seed=9)


@dataclass(frozen=True)
class OneLayer:
    """As much of a model as the check asks for."""

    name: str = "one layer"
    n_layers: int = 1
    device: str = "cpu"
    dtype: torch.dtype = torch.float64
    sites: tuple[Site, ...] = (Site("mlp", 0), Site("resid", 0))

    def tap(self, site: Site, tensor: str | None) -> str:
        return "tap"

    def tap_width(self, site: Site, tap: str) -> int:
        return WIDTH


def unchecked(function: Callable[..., Any]) -> Callable[..., Any]:
    """Without the type check: OneLayer is no LanguageModel."""
    return getattr(function, "__wrapped__", function)


# -- the states of dictionary_learning's classes, and what they compute ----------------------------------


def auto_encoder(norm: float = 1.0) -> dict[str, Tensor]:
    decoder = norm * torch.nn.functional.normalize(drawn(WIDTH, FEATURES, seed=3), dim=0)
    return {
        "bias": drawn(WIDTH, seed=1),
        "encoder.weight": drawn(FEATURES, WIDTH, seed=2),
        "encoder.bias": drawn(FEATURES, seed=4),
        "decoder.weight": decoder,
    }


def auto_encoder_new() -> dict[str, Tensor]:
    state = auto_encoder(norm=1.7)
    return {**{name: state[name] for name in state if name != "bias"}, "decoder.bias": state["bias"]}


def top_k() -> dict[str, Tensor]:
    state = auto_encoder()
    return {**{n: state[n] for n in state if n != "bias"}, "b_dec": state["bias"], "k": torch.tensor(3)}


def jump_relu() -> dict[str, Tensor]:
    return {
        "W_enc": drawn(WIDTH, FEATURES, seed=2),
        "b_enc": drawn(FEATURES, seed=4),
        "W_dec": drawn(FEATURES, WIDTH, seed=3),
        "b_dec": drawn(WIDTH, seed=1),
        "threshold": drawn(FEATURES, seed=5).abs(),
    }


def gated() -> dict[str, Tensor]:
    state = auto_encoder(norm=1.7)
    return {
        "decoder_bias": state["bias"],
        "encoder.weight": state["encoder.weight"],
        "r_mag": 0.5 * drawn(FEATURES, seed=6),
        "gate_bias": state["encoder.bias"],
        "mag_bias": drawn(FEATURES, seed=7),
        "decoder.weight": state["decoder.weight"],
    }


def batch_top_k(threshold: float = 0.8) -> dict[str, Tensor]:
    return {**top_k(), "threshold": torch.tensor(threshold)}


def matryoshka(threshold: float = 0.8) -> dict[str, Tensor]:
    scalars = {"k": torch.tensor(3, dtype=torch.int), "threshold": torch.tensor(threshold)}
    return {**jump_relu(), **scalars, "group_sizes": torch.tensor([4, 12])}


def published(name: str, state: Mapping[str, Tensor]) -> Tensor:
    """x̂ as dictionary_learning computes it (FACTS.md 4.3), without its re-normalisation."""
    if name == "GatedAutoEncoder":
        shared = (X - state["decoder_bias"]) @ state["encoder.weight"].T
        magnitude = torch.relu(state["r_mag"].exp() * shared + state["mag_bias"])
        return (shared + state["gate_bias"] > 0) * magnitude @ state["decoder.weight"].T + state[
            "decoder_bias"
        ]
    if name == "MatryoshkaBatchTopKSAE":
        f = torch.relu((X - state["b_dec"]) @ state["W_enc"] + state["b_enc"])
        return torch.where(f > state["threshold"], f, 0) @ state["W_dec"] + state["b_dec"]
    if name == "JumpReluAutoEncoder":
        pre = X @ state["W_enc"] + state["b_enc"]
        return torch.relu(pre * (pre > state["threshold"])) @ state["W_dec"] + state["b_dec"]
    bias = {"AutoEncoder": "bias", "AutoEncoderNew": "decoder.bias"}.get(name, "b_dec")
    centred = X if name == "AutoEncoderNew" else X - state[bias]
    f = torch.relu(centred @ state["encoder.weight"].T + state["encoder.bias"])
    if name == "AutoEncoderTopK":
        f = torch.where(f >= f.topk(3, dim=1).values[:, -1:], f, 0)
    if name == "BatchTopKSAE":
        f = torch.where(f > state["threshold"], f, 0)
    return f @ state["decoder.weight"].T + state[bias]


STATES = {
    "AutoEncoder": auto_encoder(),
    "AutoEncoderNew": auto_encoder_new(),
    "AutoEncoderTopK": top_k(),
    "JumpReluAutoEncoder": jump_relu(),
    "GatedAutoEncoder": gated(),
    "BatchTopKSAE": batch_top_k(),
    "MatryoshkaBatchTopKSAE": matryoshka(),
}
KINDS = {
    "AutoEncoder": "relu",
    "AutoEncoderNew": "relu",
    "AutoEncoderTopK": "topk",
    "JumpReluAutoEncoder": "jumprelu",
    "GatedAutoEncoder": "gated",
    "BatchTopKSAE": "jumprelu",
    "MatryoshkaBatchTopKSAE": "jumprelu",
}
TOLD_BY_KEYS = [name for name in STATES if name not in ("AutoEncoderNew", "BatchTopKSAE")]


def put(folder: Path, state: Mapping[str, object], config: Mapping[str, object] | None = None) -> Path:
    folder.mkdir(parents=True)
    torch.save(dict(state), folder / "ae.pt")
    if config is not None:
        (folder / "config.json").write_text(json.dumps(config))
    return folder / "ae.pt"


def rebuilt(dictionary) -> Tensor:
    return dictionary.decode(dictionary.encode_active(X), X)


@pytest.mark.parametrize("name", STATES)
def test_a_published_class_rebuilds_what_it_was_published_to(tmp_path, name):
    put(tmp_path / "resid_out_layer1", STATES[name], {"trainer": {"dict_class": name}, "buffer": {}})
    ((site, dictionary),) = read_dictionaries(tmp_path).items()
    assert (str(site), dictionary.kind, dictionary.n_features) == ("resid_1", KINDS[name], FEATURES)
    torch.testing.assert_close(rebuilt(dictionary), published(name, STATES[name]), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", TOLD_BY_KEYS)
def test_without_a_config_the_keys_tell_the_class(tmp_path, name):
    put(tmp_path / "mlp_0", STATES[name])
    assert read_dictionaries(tmp_path)[Site("mlp", 0)].kind == KINDS[name]


def test_gated_features_are_scaled_by_their_decoder_norm(tmp_path):
    """The library multiplies them on encoding and divides on decoding, so that they can be compared."""
    state = gated()
    state["decoder.weight"][:, 2] = 0
    put(tmp_path / "mlp_0", state, {"trainer": {"dict_class": "GatedAutoEncoder"}})
    dictionary = read_dictionaries(tmp_path)[Site("mlp", 0)]
    shared = (X - state["decoder_bias"]) @ state["encoder.weight"].T
    f = (shared + state["gate_bias"] > 0) * torch.relu(state["r_mag"].exp() * shared + state["mag_bias"])
    norm = state["decoder.weight"].norm(dim=0)
    others = norm > 0
    torch.testing.assert_close(dictionary.encode(X)[:, others], (f * norm)[:, others])
    lengths = dictionary.write_vectors(torch.arange(FEATURES)).norm(dim=1)
    torch.testing.assert_close(lengths, others.float())


@pytest.mark.parametrize("name", ["BatchTopKSAE", "MatryoshkaBatchTopKSAE"])
@pytest.mark.parametrize("threshold", [-1.0, None])
def test_a_batch_topk_without_its_threshold_is_explained(tmp_path, name, threshold):
    state = {**STATES[name]}
    del state["threshold"]
    if threshold is not None:
        state["threshold"] = torch.tensor(threshold)
    put(tmp_path / "mlp_0", state, {"trainer": {"dict_class": name}})
    with pytest.raises(BadDictionary, match="one token at a time") as error:
        read_dictionaries(tmp_path)
    assert ("-1" if threshold else "no threshold") in error.value.got
    assert "at least 0" in error.value.expected


@pytest.mark.parametrize("norm", [0.2, 1.0, 5.0])
def test_unit_write_vectors_leave_the_reconstruction_as_it_is(tmp_path, norm):
    state = auto_encoder(norm)
    state["decoder.weight"][:, 3] = 0  # a dead feature has no direction
    put(tmp_path / "embed", state)
    dictionary = read_dictionaries(tmp_path)[Site("embed", -1)]
    lengths = dictionary.write_vectors(torch.arange(FEATURES)).norm(dim=1)
    assert lengths[3] == 0
    torch.testing.assert_close(lengths[lengths > 0], torch.ones(FEATURES - 1), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(rebuilt(dictionary), published("AutoEncoder", state), rtol=1e-4, atol=1e-5)


def test_a_jumprelu_may_subtract_its_decoder_bias(tmp_path):
    state = jump_relu()
    trainer = {"dict_class": "JumpReluAutoEncoder", "apply_b_dec_to_input": True}
    put(tmp_path / "attn_0", state, {"trainer": trainer})
    pre = (X - state["b_dec"]) @ state["W_enc"] + state["b_enc"]
    wanted = torch.relu(pre) * (pre > state["threshold"])
    torch.testing.assert_close(read_dictionaries(tmp_path)[Site("attn", 0)].encode(X), wanted)


# -- which site a file belongs to ------------------------------------------------------------------------


def test_the_pythia_release_tree_reads_site_by_site(tmp_path):
    """``{embed|attn_out_layer{i}|…}/10_32768/ae.pt``, as published."""
    root = tmp_path / "dictionaries" / "pythia-70m-deduped"
    names = ["embed"] + [f"{kind}_out_layer{i}" for i in range(2) for kind in ("attn", "mlp", "resid")]
    for name in names:
        put(root / name / "10_32768", STATES["AutoEncoder"], {"trainer": {"dict_class": "AutoEncoder"}})
    for folder in (tmp_path, root):
        found = read_dictionaries(folder)
        wanted = ["embed", "attn_0", "mlp_0", "resid_0", "attn_1", "mlp_1", "resid_1"]
        assert [str(site) for site in found] == wanted


def test_a_folder_of_one_site_still_says_which(tmp_path):
    put(tmp_path / "resid_out_layer1" / "10_32768", STATES["AutoEncoder"])
    assert [str(site) for site in read_dictionaries(tmp_path / "resid_out_layer1")] == ["resid_1"]


@pytest.mark.parametrize(
    ("folder", "trainer", "site"),
    [
        ("run7", {"submodule_name": "resid_post_layer_3", "layer": 3}, "resid_3"),
        ("run7", {"submodule_name": "mlp_out", "layer": 2}, "mlp_2"),
        ("run7", {"submodule_name": "attention_5"}, "attn_5"),
        ("attn_out_layer4/trainer_0", {"layer": 9}, "attn_4"),
        ("residual_11", {}, "resid_11"),
    ],
)
def test_the_config_or_the_folder_names_the_site(tmp_path, folder, trainer, site):
    put(tmp_path / folder, STATES["AutoEncoder"], {"trainer": trainer})
    assert [str(found) for found in read_dictionaries(tmp_path)] == [site]


def test_a_file_without_a_site_is_named(tmp_path):
    path = put(tmp_path / "best", STATES["AutoEncoder"])
    with pytest.raises(BadFile, match="which site") as error:
        read_dictionaries(tmp_path)
    assert str(path) in error.value.got


def test_two_dictionaries_for_one_site_are_refused(tmp_path):
    for run in ("10_32768", "1_32768"):
        put(tmp_path / "mlp_out_layer0" / run, STATES["AutoEncoder"])
    with pytest.raises(BadFile, match="two dictionaries for mlp_0"):
        read_dictionaries(tmp_path)


# -- BOS ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "wanted"),
    [((True, True), True), ((False, False), False), ((True, False), None), ((None, None), None)],
)
def test_bos_is_what_every_config_says(tmp_path, said, wanted):
    for layer, add in enumerate(said):
        buffer = {} if add is None else {"add_special_tokens": add}
        put(tmp_path / f"mlp_{layer}", STATES["AutoEncoder"], {"trainer": {}, "buffer": buffer})
    assert read_dictionaries(tmp_path).prepend_bos is wanted


# -- damage ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.99])
def test_a_truncated_checkpoint_is_named(tmp_path, share):
    path = put(tmp_path / "mlp_0", STATES["AutoEncoder"])
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(BadFile, match=r"ae\.pt cannot be read"):
        read_dictionaries(tmp_path)


def test_a_checkpoint_of_an_old_torch_reads(tmp_path):
    (tmp_path / "mlp_0").mkdir()
    torch.save(STATES["AutoEncoder"], tmp_path / "mlp_0" / "ae.pt", _use_new_zipfile_serialization=False)
    dictionary = read_dictionaries(tmp_path)[Site("mlp", 0)]
    torch.testing.assert_close(rebuilt(dictionary), published("AutoEncoder", STATES["AutoEncoder"]))


class Payload:
    def __reduce__(self):
        return (print, ("code ran",))


def test_a_checkpoint_never_runs_code(tmp_path, capsys):
    put(tmp_path / "mlp_0", {**STATES["AutoEncoder"], "bias": Payload()})
    with pytest.raises(BadFile, match=r"ae\.pt"):
        read_dictionaries(tmp_path)
    assert "code ran" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("state", "config", "says"),
    [
        ({"weight": X}, None, "no config.json"),
        (STATES["AutoEncoder"], {"trainer": {"dict_class": "CrossCoder"}}, "CrossCoder"),
        (STATES["AutoEncoder"], {"trainer": {"dict_class": "AutoEncoderTopK"}}, "lacks the tensor 'b_dec'"),
        ({**STATES["AutoEncoder"], "bias": torch.zeros(WIDTH + 1)}, None, "shape"),
    ],
)
def test_a_checkpoint_of_another_make_is_named(tmp_path, state, config, says):
    put(tmp_path / "mlp_0", state, config)
    with pytest.raises(BadDictionary, match=says) as error:
        read_dictionaries(tmp_path)
    assert "ae.pt" in error.value.got


@pytest.mark.parametrize("text", ["{", "[1]", "null", '{"trainer": null, "buffer": null}', '{"trainer": 3}'])
def test_a_config_that_is_none_is_no_crash(tmp_path, text):
    put(tmp_path / "mlp_0", STATES["AutoEncoder"])
    (tmp_path / "mlp_0" / "config.json").write_text(text)
    try:
        assert len(read_dictionaries(tmp_path)) == 1
    except CircuitscopeError as error:
        assert "config.json" in str(error)  # noqa: PT017


def test_a_folder_without_dictionaries_says_which_formats_there_are(tmp_path):
    with pytest.raises(BadFile, match="no dictionaries in a known format") as error:
        read_dictionaries(tmp_path)
    assert "ae.pt" in error.value.expected
    assert "safetensors" in error.value.expected


def test_a_manifest_of_something_else_is_no_crash(tmp_path):
    put(tmp_path / "mlp_0", STATES["AutoEncoder"])
    (tmp_path / "manifest.json").write_text("[]")
    assert len(read_dictionaries(tmp_path)) == 1


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(BadFile, match="there is no folder"):
        read_dictionaries(tmp_path / "none")


# -- circuitscope's own folder -------------------------------------------------------------------------------


def one_of_each() -> Dictionaries:
    relu = {
        "w_enc": drawn(FEATURES, WIDTH),
        "b_enc": drawn(FEATURES),
        "w_dec": drawn(FEATURES, WIDTH, seed=1),
    }
    relu["b_dec"] = drawn(WIDTH, seed=2)
    return Dictionaries(
        {
            Site("embed", -1): ReluDictionary(**relu, pre_bias=drawn(WIDTH, seed=3)),
            Site("attn", 0): TopKDictionary(k=4, tensor="input of attention's output projection", **relu),
            Site("mlp", 0): JumpReluDictionary(threshold=drawn(FEATURES).abs(), **relu),
            Site("resid", 0): GatedDictionary(r_mag=drawn(FEATURES), b_mag=drawn(FEATURES), **relu),
            Site("attn", 1): NormalisedDictionary(TopKDictionary(k=4, **relu), "layer_norm"),
            Site("mlp", 1): NormalisedDictionary(ReluDictionary(**relu), "constant_norm_rescale"),
        },
        name="drawn",
        prepend_bos=True,
    )


def test_the_own_folder_reads_as_it_was_written(tmp_path):
    wanted = one_of_each()
    write_dictionaries(wanted, tmp_path / "own")
    found = read_dictionaries(tmp_path / "own")
    assert (list(found), found.prepend_bos) == (list(wanted), True)
    for site, dictionary in found.items():
        other = wanted[site]
        assert (dictionary.kind, dictionary.settings(), dictionary.tensor) == (
            other.kind,
            other.settings(),
            other.tensor,
        )
        assert dictionary.weights().keys() == other.weights().keys()
        for name, weight in dictionary.weights().items():
            assert torch.equal(weight, other.weights()[name])
        assert torch.equal(dictionary.encode(X), other.encode(X))


def test_a_published_tree_can_be_written_as_the_own_folder(tmp_path):
    """AutoEncoder has one bias in two places."""
    put(tmp_path / "tree" / "mlp_0", STATES["AutoEncoder"])
    found = read_dictionaries(tmp_path / "tree")
    write_dictionaries(found, tmp_path / "own")
    again = read_dictionaries(tmp_path / "own")
    torch.testing.assert_close(rebuilt(again[Site("mlp", 0)]), rebuilt(found[Site("mlp", 0)]))


def test_neurons_can_be_written_as_the_own_folder(tmp_path):
    identity = Dictionaries({Site("mlp", 0): IdentityDictionary(WIDTH)}, name="identity")
    write_dictionaries(identity, tmp_path / "own")
    found = read_dictionaries(tmp_path / "own")[Site("mlp", 0)]
    assert torch.equal(found.encode(X), X)
    assert unchecked(to_model)(found, OneLayer()).dtype == torch.float64


def test_nothing_is_left_where_the_disk_is_full(tmp_path, monkeypatch):
    def fail(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OutOfSpace, match="the disk is full"):
        write_dictionaries(one_of_each(), tmp_path / "own")
    assert list(tmp_path.iterdir()) == []


def test_the_hash_belongs_to_the_weights(tmp_path):
    write_dictionaries(one_of_each(), tmp_path / "a")
    write_dictionaries(one_of_each(), tmp_path / "b", extra={"report": "made on a Monday"})
    changed = one_of_each()
    changed[Site("mlp", 0)].w_enc[0, 0] += 1
    write_dictionaries(changed, tmp_path / "c")
    hashes = [read_dictionaries(tmp_path / name).content_hash for name in "abc"]
    assert hashes[0] == hashes[1] != hashes[2]


def test_dictionaries_in_memory_have_a_hash_of_their_weights():
    changed = one_of_each()
    changed[Site("mlp", 0)].w_enc[0, 0] += 1
    assert one_of_each().content_hash == one_of_each().content_hash != changed.content_hash


def test_a_site_has_a_hash_of_its_own(tmp_path):
    """It is the same in memory, in a folder, and without the other sites."""
    write_dictionaries(one_of_each(), tmp_path / "own")
    whole, changed = one_of_each(), one_of_each()
    changed[Site("mlp", 0)].w_enc[0, 0] += 1
    alone = [Dictionaries({site: whole[site]}, name="alone", content_hash="of a file") for site in whole]
    hashes = {site: whole.site_hash(site) for site in whole}
    assert len(set(hashes.values())) == len(whole)
    assert hashes == {site: read_dictionaries(tmp_path / "own").site_hash(site) for site in whole}
    assert hashes == {site: one.site_hash(site) for one in alone for site in one}
    assert changed.site_hash(Site("mlp", 0)) != hashes[Site("mlp", 0)]


def test_a_changed_weight_file_is_noticed(tmp_path):
    write_dictionaries(one_of_each(), tmp_path / "own")
    path = tmp_path / "own" / "mlp_0.safetensors"
    path.write_bytes(path.read_bytes()[:-4] + b"\0\0\0\0")
    with pytest.raises(BadFile, match=r"mlp_0\.safetensors"):
        read_dictionaries(tmp_path / "own")


# -- do they fit the model -----------------------------------------------------------------------------------


def only(site: str, state: Mapping[str, Tensor], tmp_path: Path) -> Dictionaries:
    put(tmp_path / site, state)
    return read_dictionaries(tmp_path)


def check(dictionaries: Dictionaries) -> None:
    unchecked(check_fit)(dictionaries, OneLayer())


@pytest.mark.parametrize(
    ("site", "change", "says"),
    [
        ("mlp_1", {}, "mlp_1, a site that one layer lacks"),
        ("mlp_0", {"encoder.bias": torch.full((FEATURES,), torch.nan)}, "NaN or infinite numbers in b_enc"),
        (
            "mlp_0",
            {"bias": torch.tensor([torch.inf, -torch.inf, 0, 0, 0, 0])},
            "NaN or infinite numbers in b_dec",
        ),
    ],
)
def test_a_dictionary_that_does_not_fit_is_named(tmp_path, site, change, says):
    with pytest.raises(BadDictionary, match=says):
        check(only(site, STATES["AutoEncoder"] | change, tmp_path))


def test_what_does_not_fit_is_named_with_its_file(tmp_path):
    found = only("mlp_1", STATES["AutoEncoder"], tmp_path)
    with pytest.raises(BadDictionary) as error:
        check(found)
    assert str(tmp_path / "mlp_1" / "ae.pt") in error.value.got


def test_no_dictionary_at_all_is_refused():
    with pytest.raises(BadDictionary, match="no dictionary"):
        check(Dictionaries({}, name="nothing"))


def test_the_sites_asked_for_stay(tmp_path):
    assert list(one_of_each().only([Site("mlp", 0), Site("embed", -1)])) == [
        Site("embed", -1),
        Site("mlp", 0),
    ]
