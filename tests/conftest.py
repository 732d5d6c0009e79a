"""Where tests find models, data and goldens that are not part of the repository."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import shape_checks
import torch
from hypothesis import settings

shape_checks.install()  # before any test imports the package

# The first example of a test pays for imports: a deadline would fail it on a busy machine.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")

# The models are tiny: threads would only get in each other's way, here and in the processes that tests start.
torch.set_num_threads(1)
os.environ["OMP_NUM_THREADS"] = "1"


@pytest.fixture(scope="session", autouse=True)
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A workspace of the tests' own, here and in processes that they start: the user's is left alone."""
    with pytest.MonkeyPatch.context() as patched:
        home = tmp_path_factory.mktemp("workspace")
        patched.setenv("CIRCUITSCOPE_HOME", str(home))
        yield home


def shared_folder() -> Path:
    named = os.environ.get("CIRCUITSCOPE_SHARED")
    return Path(named) if named else Path(__file__).resolve().parents[2] / "shared"


def _absent(what: str) -> None:
    """Skip with a reason, or fail where the shared folder is required."""
    reason = f"{what} is not there (CIRCUITSCOPE_SHARED)"
    if os.environ.get("CIRCUITSCOPE_REQUIRE_SHARED") == "1":
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def shared() -> Path:
    folder = shared_folder()
    if not folder.is_dir():
        _absent(str(folder))
    return folder
