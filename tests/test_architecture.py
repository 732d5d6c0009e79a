"""Data flows down one list of rooms: a module imports from earlier lines, never from later ones."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "src" / "circuitscope"

# Each entry may import from the entries above it. Rooms on one line do not see each other.
ORDER = (
    ("errors",),
    ("lazy",),
    ("terms",),
    ("bundled",),
    ("config",),
    ("runs",),
    ("results",),
    ("work",),
    ("workspace",),
    ("sparse",),
    ("model",),
    ("dictionaries",),
    ("tasks",),
    ("sources",),
    ("activations",),
    ("effects",),
    ("discovery",),
    ("evaluation",),
    ("interventions",),
    ("pruning",),
    ("dashboards",),
    ("grouping",),
    ("editing", "behaviours"),
    ("pages",),
    ("pipeline",),
    ("web", "cli"),
    ("__main__",),
)
LINE = {room: number for number, rooms in enumerate(ORDER) for room in rooms}
NO_TORCH = ("errors", "terms", "bundled", "config", "runs", "results", "work", "workspace", "pages", "cli")


def modules() -> list[Path]:
    return sorted(path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py")


def room(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported_rooms(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        names = []
        if isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{path}: write imports in full"
            names = [node.module] + [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        for name in names:
            parts = name.split(".")
            if parts[0] == "circuitscope" and len(parts) > 1 and parts[1] in LINE:
                found.add(parts[1])
    return found


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_flow_down(path):
    own = room(path)
    assert own in LINE, f"{own} has no place in the order of rooms: add it to ORDER and to CONTRIBUTING.md"
    for other in imported_rooms(path) - {own}:
        assert LINE[other] < LINE[own], f"{path.relative_to(PACKAGE)} imports from {other}, which comes after"


def test_the_contributing_page_shows_the_order():
    page = (PACKAGE.parents[1] / "CONTRIBUTING.md").read_text()
    places = [page.index(f"`{rooms[0]}`") for rooms in ORDER if (PACKAGE / rooms[0]).exists()]
    assert places == sorted(places), "CONTRIBUTING.md lists the rooms in another order"


def test_saved_runs_open_without_torch():
    """A saved circuit opens on a machine without torch, and so does the command line's help."""
    rooms = [name for name in NO_TORCH if (PACKAGE / name).exists() or (PACKAGE / f"{name}.py").exists()]
    code = "import sys; sys.modules['torch'] = None; sys.modules['transformers'] = None\n" + "\n".join(
        f"import circuitscope.{name}" for name in rooms
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
