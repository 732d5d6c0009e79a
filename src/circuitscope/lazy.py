"""Names of a package that are imported when first used, so that opening it needs neither torch nor a model."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any


def lazily(package: str, modules: Mapping[str, str]) -> Callable[[str], Any]:
    """A ``__getattr__`` for a package.

    Args:
        package: the package's ``__name__``.
        modules: each public name, and the module of the package that has it.
    """

    def find(name: str) -> Any:
        if name not in modules:
            raise AttributeError(f"{package} has no {name!r}")
        return getattr(import_module(f"{package}.{modules[name]}"), name)

    return find
