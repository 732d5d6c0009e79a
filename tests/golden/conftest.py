"""Golden folders: numbers of the published code, with the model and dictionaries they were made on."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from circuitscope.dictionaries import Dictionaries, load_dictionaries
from circuitscope.model import LanguageModel, TokenBatch, load_model
from circuitscope.tasks import Inputs
from circuitscope.terms import Site


def golden_folders() -> list[Path]:
    named = os.environ.get("CIRCUITSCOPE_SHARED")
    shared = Path(named) if named else Path(__file__).resolve().parents[3] / "shared"
    folders = sorted(folder for folder in (shared / "goldens").glob("*") if folder.is_dir())
    more = [Path(name) for name in os.environ.get("CIRCUITSCOPE_GOLDENS", "").split(":") if name]
    return folders + more


@dataclass(frozen=True)
class Golden:
    folder: Path
    model: LanguageModel
    dictionaries: Dictionaries
    clean: Tensor
    patch: Tensor
    clean_answers: Tensor
    patch_answers: Tensor

    @property
    def tolerance(self) -> float:
        """Of the largest entry; Gemma's norms compute in float32 inside a float64 model."""
        return 1e-5 if self.model.config.model_type == "gemma2" else 2e-6

    def inputs(self, pair: bool = True) -> Inputs:
        def batch(ids: Tensor) -> TokenBatch:
            return TokenBatch(ids, torch.ones_like(ids, dtype=torch.bool), has_bos=False)

        clean_answers, patch_answers = self.clean_answers[:, None], self.patch_answers[:, None]
        some = torch.ones_like(clean_answers, dtype=torch.bool)
        return Inputs(
            batch(self.clean),
            batch(self.patch) if pair else None,
            clean_answers,
            some,
            patch_answers if pair else patch_answers[:, :0],
            some if pair else some[:, :0],
        )

    def tensors(self, name: str) -> dict[str, Tensor]:
        return load_file(self.folder / f"{name}-f64.safetensors")

    def records(self, name: str) -> list[dict]:
        return json.loads((self.folder / f"{name}-f64.json").read_text())

    def thresholds(self) -> dict:
        return json.loads((self.folder / "thresholds.json").read_text())

    def assert_close(self, ours: Tensor, theirs: Tensor, what: str, scale: float | None = None) -> None:
        scale = float(theirs.abs().max()) if scale is None else scale
        gap = float((ours - theirs).abs().max()) / scale
        assert gap <= self.tolerance, f"{what} differs by {gap:.1e} of the largest entry"

    @property
    def sites(self) -> list[Site]:
        return list(self.dictionaries)


@pytest.fixture(scope="session", params=golden_folders(), ids=lambda folder: folder.name)
def golden(request, tmp_path_factory) -> Golden:
    source: Path = request.param
    # The dictionaries as dictionary_learning lays them out, so that its reader is what the goldens go through.
    tree = tmp_path_factory.mktemp(source.name)
    for path in (source / "saes").glob("*.pt"):
        (tree / path.stem).mkdir()
        shutil.copy(path, tree / path.stem / "ae.pt")
    model = load_model(source / "model", dtype="float64", device="cpu")
    inputs = load_file(source / "inputs.safetensors")
    return Golden(
        source,
        model,
        load_dictionaries(tree, model),
        inputs["clean"],
        inputs["patch"],
        inputs["clean_ans"],
        inputs["patch_ans"],
    )


def pytest_generate_tests(metafunc) -> None:
    if "golden" in metafunc.fixturenames and not golden_folders():
        if os.environ.get("CIRCUITSCOPE_REQUIRE_SHARED") == "1":
            pytest.fail("there are no golden folders (CIRCUITSCOPE_SHARED)")
        metafunc.parametrize("golden", [pytest.param(None, marks=pytest.mark.skip("no golden folders"))])
