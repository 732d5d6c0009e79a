"""Shell completion: it can be installed, and what it installs completes verbs and options."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

NO_DETECTION = {"_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"}
"""Then the shell is named instead of found out from the process that started this one."""


@pytest.fixture
def home(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def run(*words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(words, capture_output=True, text=True, env=os.environ | variables, check=False)


def test_what_is_installed_completes(home):
    """Installed by the module, it completes the program."""
    made = run(sys.executable, "-m", "circuitscope", "--install-completion", "bash", **NO_DETECTION)
    assert (made.returncode, made.stderr) == (0, "")
    script = home / ".bash_completions" / "circuitscope.sh"
    assert str(script) in (home / ".bashrc").read_text()
    program = home / "circuitscope"
    program.write_text(f"#!{sys.executable}\nfrom circuitscope.cli.app import main\nmain()\n")
    program.chmod(0o755)
    for typed, wanted in (
        ("circuitscope sta", {"status"}),
        ("circuitscope sh", {"shift", "show"}),
        ("circuitscope plot --err", {"--errors-in-picture"}),
    ):
        words = typed.split()
        ask = (
            f"source '{script}'; COMP_WORDS=({typed}); COMP_CWORD={len(words) - 1}; "
            f"_circuitscope_completion '{program}'; echo ${{COMPREPLY[@]}}"
        )
        assert set(run("bash", "-c", ask).stdout.split()) == wanted, typed
    assert "complete -o default -F _circuitscope_completion circuitscope" in script.read_text()


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_it_can_be_shown_for_other_shells(home, shell):
    shown = run(sys.executable, "-m", "circuitscope", "--show-completion", shell, **NO_DETECTION)
    assert shown.returncode == 0
    assert "_CIRCUITSCOPE_COMPLETE=complete_" in shown.stdout
    assert not list(home.iterdir())
