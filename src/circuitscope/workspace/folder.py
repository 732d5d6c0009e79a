"""The workspace: where what was learned about dictionaries is kept, across runs."""

from __future__ import annotations

import os
import sys
from pathlib import Path

FILE = "circuitscope.sqlite"
"""What people said."""
DASHBOARDS = "dashboards.sqlite"
"""What features were found to mean, a cache."""


def workspace_folder() -> Path:
    """``CIRCUITSCOPE_HOME``, or else circuitscope's place in the user's data folder."""
    home = os.environ.get("CIRCUITSCOPE_HOME")
    return Path(home).expanduser() if home else _data_folder() / "circuitscope"


def _data_folder() -> Path:
    if sys.platform == "darwin":
        return Path("~/Library/Application Support").expanduser()
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or "~/AppData/Local").expanduser()
    return Path(os.environ.get("XDG_DATA_HOME") or "~/.local/share").expanduser()
