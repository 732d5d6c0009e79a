"""The wheel is what people install: it is built once, unpacked outside the repository, and used from there."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import circuitscope as cs

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "src"

WITHOUT_TORCH = """
import json, sys
sys.modules["torch"] = sys.modules["transformers"] = None
import circuitscope
circuit = circuitscope.load(sys.argv[1])
print(json.dumps({"from": circuitscope.__file__, "nodes": len(circuit), "task": circuit.info["task"]}))
"""

WITH_TORCH = """
import json, sys
import circuitscope
from circuitscope.cli import main
missing = [name for name in circuitscope.__all__ if getattr(circuitscope, name, None) is None]
model = circuitscope.load_model("bundled", device="cpu")
dictionaries = circuitscope.load_dictionaries("bundled", model)
found = {"from": circuitscope.__file__, "missing": missing, "layers": model.n_layers}
print(json.dumps({**found, "sites": [str(site) for site in dictionaries]}))
sys.argv = ["circuitscope", *sys.argv[1:]]
main()
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The unpacked wheel."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "pip", "wheel", str(ROOT), "--no-deps", "--no-build-isolation", "--quiet"]
    made = subprocess.run(
        [*build, "--wheel-dir", str(folder)], capture_output=True, text=True, timeout=120, check=False
    )
    assert made.returncode == 0, made.stderr
    (file,) = folder.glob("circuitscope-*.whl")
    assert file.name == f"circuitscope-{cs.__version__}-py3-none-any.whl"
    with zipfile.ZipFile(file) as packed:
        packed.extractall(folder / "unpacked")
    return folder / "unpacked"


@pytest.fixture(scope="module")
def python(wheel):
    """Python in a folder of its own, with the package from the wheel."""

    def run(*words):
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        environment |= {"PYTHONPATH": str(wheel), "HF_HUB_OFFLINE": "1"}
        said = subprocess.run(
            [sys.executable, *map(str, words)],
            cwd=wheel.parent, env=environment, capture_output=True, text=True, timeout=300, check=False,
        )  # fmt: skip
        assert said.returncode == 0, said.stderr
        return said.stdout

    return run


@pytest.fixture(scope="module")
def made(python, wheel):
    """What the package found, and the run folder that it made of the bundled model."""
    run = wheel.parent / "run"
    discover = ["discover", "--task", "agreement/simple", "--nodes", 10, "--examples", 4, "--device", "cpu"]
    said = python("-c", WITH_TORCH, *discover, "--out", run)
    return json.loads(said.splitlines()[0]), run


def test_everything_in_the_source_is_in_the_wheel(wheel):
    """Modules, ``py.typed``, templates, the bundled model, dictionaries and verdicts."""
    written = {file.relative_to(SOURCE) for file in SOURCE.rglob("*") if file.is_file()}
    written = {file for file in written if "__pycache__" not in file.parts}
    packed = {file.relative_to(wheel) for file in wheel.glob("circuitscope/**/*") if file.is_file()}
    assert sorted(written - packed) == []
    assert sorted(packed - written) == []
    for name in ("py.typed", "bundled/shift_verdicts.csv", "bundled/model/model.safetensors"):
        assert Path("circuitscope", name) in packed
    assert sum(file.parent.name == "templates" for file in packed) > 5


def test_the_command_line_says_its_version(python):
    assert cs.__version__ in python("-m", "circuitscope", "--version")


def test_public_names_and_the_bundled_weights_are_found(made, wheel):
    found, _ = made
    assert Path(found["from"]).is_relative_to(wheel), "the package came from somewhere else"
    assert found["missing"] == []
    assert found["layers"] == 4
    assert len(found["sites"]) == 13


def test_a_saved_run_opens_without_torch(made, python, wheel):
    _, run = made
    opened = json.loads(python("-c", WITHOUT_TORCH, run))
    assert Path(opened["from"]).is_relative_to(wheel)
    assert opened["nodes"] == 10
    assert opened["task"] == "agreement/simple"
