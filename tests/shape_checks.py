"""Shapes and types are checked while tests run: every function of the package checks what it is given and gives.

What ``jaxtyping.install_import_hook`` does, but for the time that it takes:

1. a function whose annotations have shapes is checked by jaxtyping, as there;
2. any other is checked by beartype alone, which costs a tenth;
3. functions inside functions are checked if they have shapes, and otherwise left to mypy: there they would be
   decorated anew, at a millisecond each, whenever the outer one is called.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from types import CodeType, FunctionType, ModuleType
from typing import Any

import jaxtyping
from beartype import beartype

PACKAGE = "circuitscope"
SHAPED = frozenset(name for name, item in vars(jaxtyping).items() if isinstance(item, type(jaxtyping.Float)))
"""``Float``, ``Int``, ``Bool`` …"""

shaped = jaxtyping.jaxtyped(typechecker=beartype)


def typed(function: FunctionType) -> FunctionType:
    """Checked by beartype; a hint that cannot be read yet, such as one imported for mypy only, says nothing."""
    hints = function.__annotations__
    function.__annotations__ = {name: _read(hint, function.__globals__) for name, hint in hints.items()}
    checked: FunctionType = beartype(function)
    function.__annotations__ = checked.__annotations__ = hints
    return checked


def _read(hint: object, names: dict[str, Any]) -> object:
    try:
        return eval(hint, names) if isinstance(hint, str) else hint
    except (NameError, TypeError, AttributeError):
        return Any


def install() -> None:
    """From here on, modules of the package are imported with their checks."""
    assert PACKAGE not in sys.modules, "the package was imported before its checks"
    sys.meta_path.insert(0, _Finder())


class _Finder(MetaPathFinder):
    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname.split(".")[0] != PACKAGE:
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is not None and isinstance(spec.loader, SourceFileLoader):
            spec.loader = _Loader(spec.loader.name, spec.loader.path)
        return spec


class _Loader(SourceFileLoader):
    def get_code(self, fullname: str) -> CodeType:
        """Without the cache of compiled files, which belongs to the plain source."""
        path = self.get_filename(fullname)
        tree = _Checks().visit(ast.parse(self.get_data(path), path))
        return compile(ast.fix_missing_locations(tree), path, "exec", dont_inherit=True)


class _Checks(ast.NodeTransformer):
    """Decorates the functions and classes of a module."""

    inside = 0
    """How many functions are around the one that is visited."""

    def visit_Module(self, node: ast.Module) -> ast.Module:
        self.generic_visit(node)
        first = next((i for i, part in enumerate(node.body) if not _must_come_first(part)), len(node.body))
        node.body.insert(first, ast.Import([ast.alias(__name__)]))
        return node

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.ClassDef:
        self.generic_visit(node)
        node.decorator_list.insert(
            0, _decorator("shaped", node)
        )  # outermost: it looks at what @dataclass made
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.FunctionDef:
        self.inside += 1
        self.generic_visit(node)
        self.inside -= 1
        if _has_shapes(node):
            node.decorator_list.append(_decorator("shaped", node))
        elif not self.inside:
            node.decorator_list.append(_decorator("typed", node))
        return node


def _must_come_first(part: ast.stmt) -> bool:
    docstring = isinstance(part, ast.Expr) and isinstance(part.value, ast.Constant)
    return docstring or (isinstance(part, ast.ImportFrom) and part.module == "__future__")


def _has_shapes(function: ast.FunctionDef) -> bool:
    given = function.args
    arguments = [*given.posonlyargs, *given.args, *given.kwonlyargs, given.vararg, given.kwarg]
    hints = [function.returns, *(argument.annotation for argument in arguments if argument is not None)]
    names = (part for hint in hints if hint is not None for part in ast.walk(hint))
    return any(isinstance(name, ast.Name) and name.id in SHAPED for name in names)


def _decorator(name: str, place: ast.stmt) -> ast.expr:
    return ast.copy_location(ast.Attribute(ast.Name(__name__, ast.Load()), name, ast.Load()), place)
