"""Paths and hub ids: whatever looks like a path is a path."""

from __future__ import annotations

import pytest

import circuitscope as cs
from circuitscope.dictionaries.source import Part
from circuitscope.runs import looks_like_path


@pytest.mark.parametrize(
    "name", ["gpt2", "EleutherAI/pythia-70m-deduped", "google/gemma-scope-2b-pt-res", "a/b.c_d"]
)
def test_hub_ids(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert not looks_like_path(name)


@pytest.mark.parametrize(
    "name",
    [
        "my models/one",
        "a/b/c",
        "a/",
        "./a",
        "/a",
        "~/a",
        "a/ae.pt",
        "here/typo",
        "here",
        "x\\y",
        "a//b",
        "-a/b",
        "ü/a",
    ],
)
def test_paths(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "here").mkdir()
    assert looks_like_path(name)


@pytest.mark.parametrize("name", ["my models/one", "here/typo", "one/two/three"])
def test_a_missing_folder_is_said_to_be_missing_without_asking_the_hub(name, tmp_path, monkeypatch):
    import huggingface_hub

    monkeypatch.chdir(tmp_path)
    (tmp_path / "here").mkdir()
    monkeypatch.setattr(huggingface_hub, "HfApi", lambda: pytest.fail("the hub was asked"))
    assert not Part(name).on_hub
    with pytest.raises(cs.CircuitscopeError, match="there is no model folder"):
        cs.load_model(name)
    model = cs.load_model("bundled", device="cpu")
    with pytest.raises(cs.CircuitscopeError, match="there is no folder"):
        cs.load_dictionaries(name, model)


def test_a_million_points_are_refused():
    with pytest.raises(cs.CircuitscopeError, match="at most 512"):
        cs.discover(cs.load_model("bundled", device="cpu"), cs.load_dictionaries("bundled", cs.load_model("bundled")),
                    "agreement/simple", points=1_000_000)  # fmt: skip
