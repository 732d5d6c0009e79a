"""Gemma Scope's trees of ``params.npz`` (FACTS.md 4.6), and which of a layer's dictionaries is taken."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest
import torch
from toys import toy_model

from circuitscope.dictionaries import load_dictionaries
from circuitscope.dictionaries.readers import read_dictionaries
from circuitscope.dictionaries.readers.gemma_scope import choose
from circuitscope.errors import BadDictionary, BadFile
from circuitscope.terms import Site

WIDTH, FEATURES = 6, 16
RES = "gemma-scope-2b-pt-res"


def arrays(width: int = WIDTH, seed: int = 0) -> dict[str, np.ndarray]:
    draw = np.random.default_rng(seed).standard_normal
    return {
        "W_enc": draw((width, FEATURES)).astype(np.float32),
        "W_dec": draw((FEATURES, width)).astype(np.float32),
        "b_enc": draw(FEATURES).astype(np.float32),
        "b_dec": draw(width).astype(np.float32),
        "threshold": np.abs(draw(FEATURES)).astype(np.float32),
    }


X = 2 * np.random.default_rng(9).standard_normal((7, WIDTH)).astype(np.float32)


def put(folder: Path, found: dict[str, np.ndarray]) -> Path:
    folder.mkdir(parents=True)
    np.savez(folder / "params.npz", **found)
    return folder / "params.npz"


def rebuilt(dictionary, x: np.ndarray) -> torch.Tensor:
    given = torch.from_numpy(x)
    return dictionary.decode(dictionary.encode_active(given), given)


def published(a: dict[str, np.ndarray], x: np.ndarray = X) -> tuple[torch.Tensor, torch.Tensor]:
    pre = x @ a["W_enc"] + a["b_enc"]
    f = np.maximum(pre, 0) * (pre > a["threshold"])
    return torch.from_numpy(f), torch.from_numpy(f @ a["W_dec"] + a["b_dec"])


@pytest.mark.parametrize("spelling", [str, str.lower])
def test_a_file_computes_what_it_was_published_to(tmp_path, spelling):
    a = arrays()
    put(tmp_path / RES / "layer_3" / "width_16k" / "average_l0_82", {spelling(name): a[name] for name in a})
    ((site, dictionary),) = read_dictionaries(tmp_path / RES).items()
    assert (str(site), dictionary.kind, dictionary.tensor) == ("resid_3", "jumprelu", None)
    f, back = published(a)
    torch.testing.assert_close(dictionary.encode(torch.from_numpy(X)), f, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(rebuilt(dictionary, X), back, rtol=1e-5, atol=1e-5)


def test_the_embedding_is_that_of_the_scaled_stream(tmp_path):
    """Trained on the embedding as it is stored, read at the input of block 0, which is √width times that."""
    a = arrays()
    put(tmp_path / RES / "embedding" / "width_4k" / "average_l0_6", a)
    ((site, dictionary),) = read_dictionaries(tmp_path).items()
    assert str(site) == "embed"
    f, back = published(a)
    root = WIDTH**0.5
    torch.testing.assert_close(dictionary.encode(torch.from_numpy(root * X)), f, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(rebuilt(dictionary, root * X), root * back, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("repository", "site", "tensor"),
    [
        ("gemma-scope-2b-pt-res", "resid_1", None),
        ("models--google--gemma-scope-9b-pt-res", "resid_1", None),
        ("gemma-scope-9b-pt-res-canonical", "resid_1", None),
        ("gemma-scope-2b-pt-mlp", "mlp_1", "hook_mlp_out"),
        ("gemma-scope-2b-pt-att", "attn_1", "attn.hook_z"),
        ("res", "resid_1", None),
    ],
)
def test_the_repositorys_name_says_the_kind_of_site(tmp_path, repository, site, tensor):
    put(tmp_path / repository / "snapshots" / "0f3a" / "layer_1" / "width_16k" / "average_l0_82", arrays())
    for below in ("", "snapshots/0f3a", "snapshots/0f3a/layer_1/width_16k/average_l0_82"):
        ((found, dictionary),) = read_dictionaries(tmp_path / repository / below).items()
        assert (str(found), dictionary.tensor) == (site, tensor)


def test_attention_reads_the_heads_side_by_side(tmp_path):
    """Wider or narrower than the stream: in Gemma that is the usual tensor of an attention site."""
    model = toy_model("gemma2")
    width = model.tap_width(Site("attn", 1), model.tap(Site("attn", 1)))
    assert width != model.width
    put(tmp_path / "gemma-scope-2b-pt-att" / "layer_1" / "width_16k" / "average_l0_82", arrays(width))
    put(tmp_path / "gemma-scope-2b-pt-mlp" / "layer_0" / "width_16k" / "average_l0_82", arrays(model.width))
    found = load_dictionaries(tmp_path, model)
    assert {str(site): dictionary.tensor for site, dictionary in found.items()} == {
        "mlp_0": None,
        "attn_1": None,
    }
    assert found.prepend_bos is True


def test_a_folder_that_does_not_say_its_kind_is_named(tmp_path):
    put(tmp_path / "mine" / "layer_1" / "width_16k" / "average_l0_82", arrays())
    with pytest.raises(BadFile, match="which site") as error:
        read_dictionaries(tmp_path / "mine")
    assert "-res" in error.value.expected
    assert list(read_dictionaries(tmp_path / "mine", Site("resid", 1))) == [Site("resid", 1)]


def test_transcoders_are_refused_by_name(tmp_path):
    put(tmp_path / "gemma-scope-2b-pt-transcoders" / "layer_1" / "width_16k" / "average_l0_82", arrays())
    with pytest.raises(BadDictionary, match="is a transcoder") as error:
        read_dictionaries(tmp_path)
    assert "not supported yet" in error.value.mend


# -- which of several ------------------------------------------------------------------------------------


def names(*sizes: str, layer: str = "layer_3") -> list[str]:
    return [f"{layer}/{size}/params.npz" for size in sizes]


@pytest.mark.parametrize(
    ("sizes", "chosen"),
    [
        (("width_16k/average_l0_22", "width_16k/average_l0_82", "width_16k/average_l0_176"), 1),
        (("width_16k/average_l0_99", "width_16k/average_l0_101"), 0),
        (("width_16k/average_l0_445",), 0),
        (("width_65k/average_l0_100", "width_16k/average_l0_445"), 1),
        (("width_65k/average_l0_30", "width_65k/average_l0_90"), 1),
    ],
)
def test_the_usual_width_and_the_l0_nearest_100_are_taken(sizes, chosen):
    files = names(*sizes)
    assert choose(files, "here") == [files[chosen]]


def test_every_layer_chooses_for_itself():
    files = [
        *names("width_16k/average_l0_60", "width_16k/average_l0_90"),
        *names("width_1m/average_l0_9", layer="layer_4"),
    ]
    files += names("width_4k/average_l0_6", "width_4k/average_l0_111", layer="embedding")
    assert choose([*files, "README.md"], "here") == [files[1], files[2], files[4]]


def test_several_widths_without_the_usual_one_are_named():
    with pytest.raises(BadFile, match=r"several widths in layer_3: 1m, 65k") as error:
        choose(names("width_65k/average_l0_30", "width_1m/average_l0_30"), "here")
    assert "folder of one width" in error.value.mend


def test_the_log_says_which_l0_was_taken(tmp_path, caplog):
    for size in (22, 82, 445):
        put(tmp_path / RES / "layer_3" / "width_16k" / f"average_l0_{size}", arrays(seed=size))
    with caplog.at_level(logging.INFO, logger="circuitscope"):
        (dictionary,) = read_dictionaries(tmp_path / RES).values()
    assert "layer_3: of the dictionaries with an average L0 of 22, 82, 445, the one with 82" in caplog.text
    assert torch.equal(dictionary.weights()["b_enc"], torch.from_numpy(arrays(seed=82)["b_enc"]))


# -- damage ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.99])
def test_a_truncated_file_is_named(tmp_path, share):
    path = put(tmp_path / RES / "layer_3" / "width_16k" / "average_l0_82", arrays())
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(BadFile, match=r"params\.npz cannot be read"):
        read_dictionaries(tmp_path)


class Payload:
    def __reduce__(self):
        return (print, ("code ran",))


def test_a_file_never_runs_code(tmp_path, capsys):
    found = {**arrays(), "b_dec": np.array([Payload()], dtype=object)}
    put(tmp_path / RES / "layer_3" / "width_16k" / "average_l0_82", found)
    capsys.readouterr()
    with pytest.raises(BadFile, match=r"params\.npz"):
        read_dictionaries(tmp_path)
    assert "code ran" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"threshold": None}, "lacks threshold"),
        ({"extra": np.zeros(2)}, "extra"),
        ({"b_dec": np.zeros(WIDTH + 1)}, "shape"),
        ({"W_enc": np.zeros((FEATURES, WIDTH))}, "w_enc has shape"),
    ],
)
def test_arrays_that_do_not_fit_are_named(tmp_path, change, says):
    found = {name: value for name, value in {**arrays(), **change}.items() if value is not None}
    put(tmp_path / RES / "layer_3" / "width_16k" / "average_l0_82", found)
    with pytest.raises(BadDictionary, match=says) as error:
        read_dictionaries(tmp_path)
    assert "params.npz" in error.value.got
