"""What a run is about, from its manifest alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class About:
    """What a run is about, as it is shown; ``?`` where the manifest does not say."""

    task: str
    """The task of a circuit, the data of a SHIFT, or the text that behaviours are looked for in."""
    model: str
    dictionaries: str

    def __str__(self) -> str:
        return f"{self.task} on {self.model} with {self.dictionaries}"


def about_of(manifest: Mapping[str, Any]) -> About:
    """What a run's manifest says it is about, in whichever version of the schema."""
    recipe = _mapping(manifest.get("recipe"))
    if recipe:
        names = {key: _mapping(recipe.get(key)).get("name") for key in ("task", "model", "dictionaries")}
    else:
        names = {**_mapping(manifest.get("config")), **_mapping(manifest.get("info"))}
        names["task"] = names.get("task") or names.get("data") or _joined(names.get("text"))
    return About(*(str(names.get(key) or "?") for key in ("task", "model", "dictionaries")))


def _joined(names: Any) -> str:
    return ", ".join(map(str, names)) if isinstance(names, list | tuple) else str(names or "")


def _mapping(value: Any) -> dict[str, Any]:
    return dict(value) if isinstance(value, Mapping) else {}
