"""The house is built as it is drawn: which way imports go, what is torch-free, how long a function may be."""

from __future__ import annotations

import ast
import inspect
import json
import re
import subprocess
import sys
import types
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import circuitscope as cs

SRC = Path(__file__).resolve().parents[1] / "src"
PACKAGE = SRC / "circuitscope"
CONTRIBUTING = SRC.parent / "CONTRIBUTING.md"

# Each line may import from the lines above it. Rooms on one line do not see each other.
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
    ("shift",),
    ("web", "cli"),
    ("__main__",),
)
LINE = {room: number for number, rooms in enumerate(ORDER) for room in rooms}
NO_TORCH = (
    "errors",
    "lazy",
    "terms",
    "bundled",
    "config",
    "runs",
    "results",
    "work",
    "workspace",
    "pages",
    "cli",
)

MOST_LINES = 60
MOST_PARAMETERS = 8


# -- the source as a reader sees it ------------------------------------------------------------------------


@cache
def trees() -> dict[str, ast.Module]:
    """Every module but the package's own ``__init__``, whose names are the public ones, with its syntax tree."""
    files = sorted(path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py")
    return {module_name(path): ast.parse(path.read_text(encoding="utf-8")) for path in files}


def module_name(path: Path) -> str:
    parts = path.relative_to(SRC).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def file_of(module: str) -> Path | None:
    """The file of a module or package; None where there is none."""
    path = SRC.joinpath(*module.split("."))
    found = [file for file in (path / "__init__.py", path.with_suffix(".py")) if file.is_file()]
    return found[0] if found else None


def is_package(module: str) -> bool:
    return file_of(module) == SRC.joinpath(*module.split("."), "__init__.py")


def room_of(module: str) -> str:
    """``pages`` for ``circuitscope.pages.words``; nothing for ``circuitscope`` itself."""
    return [*module.split("."), ""][1]


def imports_of(tree: ast.AST) -> Iterator[tuple[str, str | None]]:
    """Each imported module of this package, with the name that is taken from it, if one is."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            module = "." * node.level + (node.module or "")
            yield from ((module, alias.name) for alias in node.names if in_package(module))
        elif isinstance(node, ast.Import):
            yield from ((alias.name, None) for alias in node.names if in_package(alias.name))


def in_package(module: str) -> bool:
    return module.startswith(".") or module.split(".")[0] == "circuitscope"


def given_by(module: str) -> set[str]:
    """What may be taken from a module by another room: ``__all__`` of a package, all public names of a file."""
    file = file_of(module)
    assert file is not None, f"{module} is imported, but does not exist"
    tree = ast.parse(file.read_text(encoding="utf-8"))
    if file.name == "__init__.py":
        listed = [
            node.value
            for node in tree.body
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__"
        ]
        if listed:
            return set(ast.literal_eval(listed[0]))
    return {name for name in names_bound_in(tree) if not name.startswith("_")}


def names_bound_in(tree: ast.Module) -> Iterator[str]:
    """What a file defines itself; what it imports is another's."""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            for part in (part for target in targets for part in ast.walk(target)):
                if isinstance(part, ast.Name):
                    yield part.id


# -- which way imports go ----------------------------------------------------------------------------------


def imported_rooms(tree: ast.AST) -> set[str]:
    found = set()
    for module, name in imports_of(tree):
        full = f"{module}.{name}" if module == "circuitscope" and name else module
        found.add(room_of(full))
    return found & set(LINE)


def test_every_room_has_its_place_in_the_order():
    strangers = {room_of(module) for module in trees()} - set(LINE)
    assert not strangers, f"add them to ORDER and to CONTRIBUTING.md: {sorted(strangers)}"


def test_imports_flow_down():
    wrong = []
    for module, tree in trees().items():
        own = room_of(module)
        others = imported_rooms(tree) - {own}
        wrong += [f"{module} imports from {other}" for other in sorted(others) if LINE[other] >= LINE[own]]
    assert not wrong, "later in ORDER, or on the same line:\n" + "\n".join(wrong)


def test_imports_across_rooms_take_what_a_room_gives():
    """``from circuitscope.results import Circuit``, never from a module inside another room."""
    wrong = []
    for module, tree in trees().items():
        for source, name in imports_of(tree):
            if room_of(source) != room_of(module) or source.startswith("."):
                reason = fault_of(source, name)
                wrong += [f"{module}: {source} {name or ''}: {reason}"] if reason else []
    assert not wrong, "\n".join(wrong)


def fault_of(source: str, name: str | None) -> str | None:
    """Why another room may not import this; None where it may."""
    if source.startswith("."):
        return "write imports in full"
    if source == "circuitscope":
        named = name == "__version__" or (name in LINE and file_of(f"circuitscope.{name}") is not None)
        return None if named else "name the room, not the package, whose names are for its users"
    file = file_of(source)
    if file is None:
        return "there is no such module"
    if file.name != "__init__.py" and source.count(".") > 1:
        return f"a module inside another room: take it from {source.rpartition('.')[0]}"
    if name is None:
        return "write from … import …"
    given = is_package(f"{source}.{name}") or name in given_by(source)
    return None if given else "that room does not give this name"


# -- no way round it ---------------------------------------------------------------------------------------


IMPORTERS = {"import_module", "__import__", "importlib", "runpy", "exec", "eval"}
"""What imports a module, or runs code, that is named by a string."""
FACES = ("circuitscope", "circuitscope.shift")
"""What only gathers names from the rooms for whoever imports circuitscope."""
HARMLESS = {"importlib.metadata", "importlib.resources"}


def test_no_string_import_goes_round_the_order():
    """Only lazy.py imports by name, and it is called by packages for modules of their own."""
    wrong = []
    for module, tree in trees().items():
        if module not in (
            "circuitscope.lazy",
            "circuitscope.work.worker",
        ):  # which clears up after its own imports
            wrong += [f"{module}: {name}" for name in sorted(importers_in(tree))]
        wrong += [
            f"{module}: {text!r}" for text in rooms_in_strings(tree) if room_of(text) != room_of(module)
        ]
        wrong += [f"{module}: lazily({said})" for said in lazy_faults(module, tree)]
    assert not wrong, "imported by name:\n" + "\n".join(wrong)


def importers_in(tree: ast.AST) -> set[str]:
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            found.add(node.id)
        elif isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names if alias.name not in HARMLESS}
        elif isinstance(node, ast.ImportFrom) and node.module not in HARMLESS:
            found |= {(node.module or "").split(".")[0], *(alias.name for alias in node.names)}
        elif isinstance(node, ast.Attribute) and ast.unparse(node) == "sys.modules":
            found.add("sys.modules")
    return found & {*IMPORTERS, "sys.modules"}


def rooms_in_strings(tree: ast.AST) -> Iterator[str]:
    """Strings that are the name of a room or of a module in one, or that wait for it (``"circuitscope."``)."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            named = re.fullmatch(r"(circuitscope\.[\w.]*)(:\w+)?", node.value)
            if named and room_of(named[1]) in {*LINE, ""}:
                yield named[1]


def lazy_faults(module: str, tree: ast.AST) -> Iterator[str]:
    """Calls of ``lazily`` that are not a package's own, or that name a module which is not the package's."""
    for node in ast.walk(tree):
        called = ast.unparse(node.func).split(".")[-1] if isinstance(node, ast.Call) else ""
        if called == "public" and module not in FACES:
            yield "public names of a module that is not a public face"
        if not (isinstance(node, ast.Call) and called == "lazily"):
            continue
        file = file_of(module)
        if file is None or file.name != "__init__.py" or ast.unparse(node.args[0]) != "__name__":
            yield f"{ast.unparse(node.args[0])}, …): not a package's own names"
            continue
        strings = [part.value for part in ast.walk(node.args[1]) if isinstance(part, ast.Constant)]
        names = given_by(module)
        modules = [text for text in strings if text not in names]
        yield from (text for text in modules if file_of(f"{module}.{text}") is None)


# -- torch-free rooms --------------------------------------------------------------------------------------


WITHOUT_TORCH = """
import importlib, json, sys, traceback
sys.modules["torch"] = sys.modules["transformers"] = None
failed = {}
for name, is_package in json.loads(sys.argv[1]):
    if is_package:  # each is imported as the first one, which finds circles
        for loaded in [other for other in sys.modules if other.partition(".")[0] == "circuitscope"]:
            del sys.modules[loaded]
    try:
        importlib.import_module(name)
    except ImportError:
        failed[name] = traceback.format_exc().splitlines()[-1]
print(json.dumps(failed))
"""


def test_torch_free_rooms_open_without_torch_whichever_is_first():
    """Saved results open on a machine without torch, and so do their pages and the command line's help."""
    there = [(name, is_package(name)) for name in trees() if room_of(name) in NO_TORCH]
    assert {room_of(name) for name, _ in there} == set(NO_TORCH)
    code = [sys.executable, "-c", WITHOUT_TORCH, json.dumps(there)]
    answer = subprocess.run(code, check=True, timeout=200, capture_output=True, text=True)
    failed = json.loads(answer.stdout)
    assert not failed, "\n".join(f"{name}: {error}" for name, error in failed.items())


# -- one name, one thing -----------------------------------------------------------------------------------


def test_no_two_public_classes_share_a_name():
    """Nor does a class share its name with another module's type alias, such as ``Edges = dict[…]``."""
    classes: dict[str, list[str]] = {}
    aliases: list[tuple[str, str]] = []
    for module, tree in trees().items():
        for node in tree.body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                classes.setdefault(node.name, []).append(module)
            elif isinstance(node, ast.Assign) and isinstance(node.value, ast.Subscript | ast.BinOp):
                aliases += [(target.id, module) for target in node.targets if isinstance(target, ast.Name)]
    wrong = [f"class {name}: {', '.join(found)}" for name, found in classes.items() if len(found) > 1]
    wrong += [f"class {name}: {classes[name][0]}, alias in {at}" for name, at in aliases if name in classes]
    assert not wrong, "\n".join(wrong)


# -- small functions ---------------------------------------------------------------------------------------


def public_functions() -> set[tuple[str, str]]:
    """Module and name of each function that users call: their keyword arguments are settings, one by one."""
    spaces = [cs, *(item for item in (getattr(cs, name) for name in dir(cs)) if is_own_space(item))]
    found = set()
    for space in spaces:
        for item in (inspect.unwrap(getattr(space, name)) for name in space.__all__):
            if inspect.isfunction(item):
                found.add((item.__module__, item.__name__))
    return found


def is_own_space(item: object) -> bool:
    return isinstance(item, types.ModuleType) and hasattr(item, "__all__") and in_package(item.__name__)


def parameters_of(function: ast.FunctionDef, *, public: bool) -> int:
    """How many values a caller must think of; a public function's optional keywords are settings."""
    given = function.args
    names = [item.arg for item in (*given.posonlyargs, *given.args)]
    keywords = [item for item, default in zip(given.kwonlyargs, given.kw_defaults, strict=True)
                if default is None or not public]  # fmt: skip
    return len(names) - (names[:1] in (["self"], ["cls"])) + len(keywords)


def lines_of(function: ast.FunctionDef, *, public: bool) -> int:
    """From ``def`` to the end; of a public function, which explains each setting, the lines after that."""
    body = function.body
    first = function.lineno
    if public and ast.get_docstring(function) is not None:
        first = (body[0].end_lineno or first) + 1
    return (function.end_lineno or first) - first + 1


def test_functions_are_small():
    public = public_functions()
    assert ("circuitscope.discovery.discover", "discover") in public
    wrong = []
    for module, tree in trees().items():
        top = {id(node) for node in tree.body}
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                is_public = id(node) in top and (module, node.name) in public
                lines, parameters = lines_of(node, public=is_public), parameters_of(node, public=is_public)
                if lines > MOST_LINES or parameters > MOST_PARAMETERS:
                    wrong.append(f"{module}.{node.name}: {lines} lines, {parameters} parameters")
    assert not wrong, f"over {MOST_LINES} lines or {MOST_PARAMETERS} parameters:\n" + "\n".join(wrong)


# -- the map -----------------------------------------------------------------------------------------------


def test_the_contributing_page_shows_the_house():
    """One row per room, in the order of ``ORDER``; the rooms without torch are marked."""
    rows = re.findall(r"^\| `(\w+)` \| (.+) \|$", CONTRIBUTING.read_text(encoding="utf-8"), re.MULTILINE)
    there = [room for rooms in ORDER for room in rooms if file_of(f"circuitscope.{room}") is not None]
    assert [room for room, _ in rows] == [room for room in there if room != "__main__"]
    assert [room for room, text in rows if "no torch" in text] == list(NO_TORCH)
