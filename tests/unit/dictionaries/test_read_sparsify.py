"""Folders of sparsify (FACTS.md 4.5), and the sets of transcoders that are refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor
from toys import toy_model

from circuitscope.dictionaries import load_dictionaries
from circuitscope.dictionaries.readers import read_dictionaries
from circuitscope.dictionaries.readers.site_names import module_place
from circuitscope.errors import BadDictionary, BadFile
from circuitscope.terms import Site

WIDTH, FEATURES, K = 6, 16, 3


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


X = 2 * drawn(9, WIDTH, seed=9)


def tensors(width: int = WIDTH) -> dict[str, Tensor]:
    return {
        "encoder.weight": drawn(FEATURES, width, seed=1),
        "encoder.bias": drawn(FEATURES, seed=2),
        "W_dec": drawn(FEATURES, width, seed=3),
        "b_dec": drawn(width, seed=4),
    }


def config(**changes: object) -> dict[str, object]:
    """As sparsify 1.3.3 writes it."""
    return {
        "activation": "topk", "expansion_factor": 32, "normalize_decoder": True, "num_latents": FEATURES, "k": K,
        "multi_topk": False, "skip_connection": False, "transcode": False, "d_in": WIDTH,
    } | changes  # fmt: skip


def put(folder: Path, weights: dict[str, Tensor], cfg: dict[str, object]) -> Path:
    folder.mkdir(parents=True)
    save_file(weights, folder / "sae.safetensors")
    (folder / "cfg.json").write_text(json.dumps(cfg))
    (folder.parent / "config.json").write_text('{"model": "m", "dataset": "d", "ctx_len": 2048}')
    return folder / "sae.safetensors"


def test_a_folder_computes_what_it_was_published_to(tmp_path):
    t = tensors()
    put(tmp_path / "layers.10", t, config())
    ((site, dictionary),) = read_dictionaries(tmp_path).items()
    assert (str(site), dictionary.kind, dictionary.tensor) == ("resid_10", "topk", None)
    pre = torch.relu((X - t["b_dec"]) @ t["encoder.weight"].T + t["encoder.bias"])
    f = torch.where(pre >= pre.topk(K, dim=1).values[:, -1:], pre, 0)
    torch.testing.assert_close(dictionary.encode(X), f)
    torch.testing.assert_close(dictionary.decode(dictionary.encode_active(X), X), f @ t["W_dec"] + t["b_dec"])


def test_one_hookpoint_reads_alone(tmp_path):
    put(tmp_path / "layers.10.mlp", tensors(), config())
    assert list(read_dictionaries(tmp_path / "layers.10.mlp")) == [Site("mlp", 10)]


@pytest.mark.parametrize(
    ("path", "site", "tensor"),
    [
        ("layers.10", "resid_10", None),
        ("h.3", "resid_3", None),
        ("model.layers.3", "resid_3", None),
        ("layers.10.mlp", "mlp_10", "output of mlp"),
        ("layers.10.self_attn", "attn_10", "output of self_attn"),
        ("layers.10.attention", "attn_10", "output of attention"),
        ("layers.1.post_feedforward_layernorm", "mlp_1", "output of post_feedforward_layernorm"),
        ("embed_tokens", "embed", "token embedding"),
        ("embed_in", "embed", "token embedding"),
    ],
)
def test_a_module_names_its_site_and_tensor(path, site, tensor):
    assert module_place(path) == (Site.parse(site), tensor)


def test_a_module_inside_a_block_that_is_no_site_is_refused(tmp_path):
    put(tmp_path / "layers.3.input_layernorm", tensors(), config())
    with pytest.raises(BadDictionary, match=r"'layers\.3\.input_layernorm': that tensor is at no site"):
        read_dictionaries(tmp_path)


@pytest.mark.parametrize("path", ["layers", "final_layernorm", "layers.x"])
def test_a_module_at_no_site_is_named(tmp_path, path):
    put(tmp_path / path, tensors(), config())
    with pytest.raises(BadFile, match="which site") as error:
        read_dictionaries(tmp_path)
    assert "layers.10" in error.value.expected


@pytest.mark.parametrize(
    ("family", "path", "tensor"),
    [
        ("llama", "layers.1.mlp", None),
        ("neox-parallel", "layers.1.attention", None),
        ("gpt2", "h.1.attn", None),
        ("llama", "embed_tokens", None),
        ("gemma2", "layers.1.post_feedforward_layernorm", None),
        ("gemma2", "layers.1.post_attention_layernorm", "output of attention after its norm"),
    ],
)
def test_a_module_is_the_familys_own_tensor(tmp_path, family, path, tensor):
    model = toy_model(family)
    put(tmp_path / path, tensors(model.width), config())
    ((site, dictionary),) = load_dictionaries(tmp_path, model).items()
    assert (site, dictionary.tensor) == (module_place(path).site, tensor)


@pytest.mark.parametrize(
    ("family", "path"),
    [
        ("gemma2", "layers.1.mlp"),  # a norm follows before the stream
        ("gemma2", "embed_tokens"),  # the stream begins with √width times that
        ("gpt2", "wte"),  # positions are added
        ("llama", "layers.1.post_attention_layernorm"),  # in Llama that comes before the MLP
    ],
)
def test_a_module_that_the_site_cannot_tap_is_refused_with_the_reason(tmp_path, family, path):
    model = toy_model(family)
    put(tmp_path / path, tensors(model.width), config())
    with pytest.raises(BadDictionary, match="models have no tensor") as error:
        load_dictionaries(tmp_path, model)
    assert "sae.safetensors" in error.value.got


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"transcode": True}, "is a transcoder"),
        ({"skip_connection": True}, "is a transcoder"),
        ({"activation": "groupmax"}, "'groupmax'"),
        ({"signed": True}, "signed"),
        ({"k": None}, "k = None"),
    ],
)
def test_what_is_not_supported_is_named(tmp_path, changes, says):
    put(tmp_path / "layers.1", tensors(), config(**changes))
    with pytest.raises(BadDictionary, match=says):
        read_dictionaries(tmp_path)


def test_a_decoder_of_another_shape_is_named(tmp_path):
    """Both matrices are (features, width); a library that transposes one reads something else."""
    put(tmp_path / "layers.1", tensors() | {"W_dec": drawn(WIDTH, FEATURES)}, config())
    with pytest.raises(BadDictionary, match="W_dec has shape"):
        read_dictionaries(tmp_path)


def test_a_truncated_file_is_named(tmp_path):
    path = put(tmp_path / "layers.1", tensors(), config())
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(BadFile, match=r"sae\.safetensors cannot be read"):
        read_dictionaries(tmp_path)


# -- circuit-tracer's sets of transcoders ----------------------------------------------------------------


@pytest.mark.parametrize("kind", ["transcoder_set", "cross_layer_transcoder"])
def test_a_set_of_transcoders_is_refused_by_its_config(tmp_path, kind):
    (tmp_path / "config.yaml").write_text(f"model_name: gemma\nmodel_kind: {kind}\ntranscoders:\n- a\n")
    with pytest.raises(BadDictionary, match="is a transcoder") as error:
        read_dictionaries(tmp_path)
    assert "not supported yet" in error.value.mend


@pytest.mark.parametrize("name", ["layer_0", "W_enc_0"])
def test_a_set_of_transcoders_is_refused_by_its_files(tmp_path, name):
    save_file({"W_enc": drawn(2, 2)}, tmp_path / f"{name}.safetensors")
    with pytest.raises(BadDictionary, match="is a transcoder"):
        read_dictionaries(tmp_path)
