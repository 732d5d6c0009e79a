"""train_dictionaries from end to end: results, resuming after a kill, refusals."""

from __future__ import annotations

import logging
import signal
import subprocess
import sys
from concurrent.futures import Executor
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from circuitscope.dictionaries import Dictionaries, load_dictionaries
from circuitscope.dictionaries.training import TrainConfig, train_dictionaries
from circuitscope.dictionaries.training.trainer import Trainer
from circuitscope.errors import BadInput
from circuitscope.model import LanguageModel
from circuitscope.runs import read_manifest

QUICK = TrainConfig(
    k=4, features=48, tokens=12_000, batch=64, context=16, buffer=40, learning_rate=6e-3, save_every=25
)


def weights(dictionaries: Dictionaries) -> dict[str, torch.Tensor]:
    return {
        f"{site}/{name}": weight
        for site, dictionary in dictionaries.items()
        for name, weight in dictionary.weights().items()
    }


@pytest.mark.parametrize("kind", ["topk", "batchtopk", "relu"])
def test_every_kind_learns_at_every_site(model: LanguageModel, text: str, tmp_path: Path, kind: str) -> None:
    out = tmp_path / "dictionaries"
    # The L1 weight of relu needs time to find the one that gives L0 = k.
    config = replace(QUICK, kind=kind, tokens=24_000 if kind == "relu" else QUICK.tokens)
    seen: list[tuple[int, int, str]] = []
    dictionaries, quality = train_dictionaries(
        model, text, out, config, progress=lambda *report: seen.append(report)
    )
    assert list(dictionaries) == model.sites
    assert dictionaries.prepend_bos is True
    for entry in quality:
        assert entry.variance_unexplained < 0.6, entry
        assert 2 < entry.l0 < 6.5, entry
    assert seen[0] == (1, config.steps, "training")
    manifest = read_manifest(out, "dictionaries")
    assert manifest["training"]["kind"] == kind
    assert [entry["site"] for entry in manifest["quality"]] == [site.name for site in model.sites]
    again = load_dictionaries(out, model)
    assert again.content_hash == dictionaries.content_hash
    assert (out / "saelens" / "resid_1" / "sae_weights.safetensors").is_file()
    assert [path.name for path in tmp_path.iterdir()] == ["dictionaries"]  # no draft, no checkpoint


def test_longer_training_explains_more(model: LanguageModel, text: str, tmp_path: Path) -> None:
    config = replace(QUICK, sites="mlp_0,resid_1")
    _, short = train_dictionaries(model, text, tmp_path / "short", replace(config, tokens=640))
    _, long = train_dictionaries(model, text, tmp_path / "long", config)
    assert [entry.site for entry in long] == ["mlp_0", "resid_1"]
    for little, much in zip(short, long, strict=True):
        assert much.variance_unexplained < 0.7 * little.variance_unexplained


KILLED = """
import os, signal, sys
import torch
from circuitscope.dictionaries.training import TrainConfig, train_dictionaries
from circuitscope.model import load_model

torch.set_num_threads(2)  # the number of threads must not matter
folder, text, out = sys.argv[1:]

def progress(done, total, message):
    if done == 130:
        os.kill(os.getpid(), signal.SIGKILL)

config = TrainConfig(kind="batchtopk", k=4, features=48, tokens=12_000, batch=64, context=16, buffer=40,
                     learning_rate=6e-3, save_every=25, sites="embed,mlp_0")
train_dictionaries(load_model(folder, device="cpu"), open(text).read(), out, config, progress=progress)
"""


def test_a_killed_run_goes_on_to_the_same_weights(
    model: LanguageModel,
    model_folder: Path,
    text: str,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    (tmp_path / "text.txt").write_text(text)
    out = tmp_path / "killed"
    child = subprocess.run(
        [sys.executable, "-c", KILLED, str(model_folder), str(tmp_path / "text.txt"), str(out)],
        capture_output=True,
        check=False,
    )
    assert child.returncode == -signal.SIGKILL, child.stderr.decode()
    assert not out.exists()
    assert (tmp_path / ".killed.training" / "state.safetensors").is_file()

    config = replace(QUICK, kind="batchtopk", sites="embed,mlp_0")
    with pytest.raises(BadInput, match="has k = 4"):
        train_dictionaries(model, text, out, replace(config, k=3))
    with pytest.raises(BadInput, match="has another text"):
        train_dictionaries(model, text + " w1 w2 w3" * 40, out, config)
    started: list[int] = []
    with caplog.at_level(logging.INFO, "circuitscope"):
        resumed, _ = train_dictionaries(
            model, text, out, config, progress=lambda done, total, message: started.append(done)
        )
    assert started[0] == 126  # the last checkpoint before the kill was after step 125
    assert "continuing the unfinished run" in caplog.text
    assert not (tmp_path / ".killed.training").exists()
    whole, _ = train_dictionaries(model, text, tmp_path / "whole", config)
    for name, weight in weights(whole).items():
        assert torch.equal(weight, weights(resumed)[name]), name
    assert whole.content_hash == resumed.content_hash


def test_overwrite_discards_another_runs_checkpoint(
    model: LanguageModel, text: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    config = replace(QUICK, tokens=6400, sites="embed", save_every=10)

    def stop(done: int, total: int, message: str) -> None:
        if done == 30:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_dictionaries(model, text, tmp_path / "out", config, progress=stop)
    other = replace(config, kind="relu")
    with caplog.at_level(logging.WARNING, "circuitscope"):
        train_dictionaries(model, text, tmp_path / "out", other, overwrite=True)
    assert "starting afresh" in caplog.text
    with pytest.raises(BadInput, match="already exists"):
        train_dictionaries(model, text, tmp_path / "out", other)


def test_a_damaged_checkpoint_is_named(model: LanguageModel, text: str, tmp_path: Path) -> None:
    folder = tmp_path / ".out.training"
    folder.mkdir()
    (folder / "state.safetensors").write_bytes(b"broken")
    (folder / "run.json").write_text("{}")
    with pytest.raises(BadInput, match=r"\.out\.training has another text"):
        train_dictionaries(model, text, tmp_path / "out", QUICK)
    (folder / "run.json").write_text("{")
    with pytest.raises(BadInput, match="cannot be read"):
        train_dictionaries(model, text, tmp_path / "out", QUICK)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"sites": "resid_7"}, "has no site resid_7"),
        ({"context": 65}, "context=65"),
        ({"features": 0, "k": 200}, "k = 200 at embed, whose dictionary has 128 features"),
    ],
)
def test_what_does_not_fit_the_model_is_refused(
    model: LanguageModel, text: str, tmp_path: Path, settings: dict[str, object], message: str
) -> None:
    with pytest.raises(BadInput, match=message):
        train_dictionaries(model, text, tmp_path / "out", replace(QUICK, **settings))  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []


def test_divergence_names_the_site(model: LanguageModel, pool: Executor) -> None:
    first = {site: torch.randn(64, 16) for site in model.sites[:2]}
    trainer = Trainer(first, QUICK)
    trainer.step(first, 0, pool)
    trainer.check_finite(0)
    trainer.step({**first, model.sites[1]: torch.full((64, 16), torch.nan)}, 1, pool)
    with pytest.raises(BadInput, match="training of attn_0 diverged: its loss is nan at step 1"):
        trainer.check_finite(1)
