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


def public(face: str, places: Mapping[str, str]) -> Callable[[str], Any]:
    """A ``__getattr__`` for a public face: a module that only gathers names from the rooms.

    Args:
        face: the module's ``__name__``.
        places: each public name, and the room that has it, as ``room``, or ``room:name`` if its name there differs.
    """

    def find(name: str) -> Any:
        if name not in places:
            raise AttributeError(f"{face} has no {name!r}")
        place, _, inside = places[name].partition(":")
        return getattr(import_module(f"{__package__}.{place}"), inside or name)

    return find
