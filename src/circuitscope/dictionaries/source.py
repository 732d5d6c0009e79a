"""What a user names as dictionaries, taken apart.

source  = entry, entry, …                        merged; or one YAML file that maps sites to entries
entry   = place  or  place:folder/inside
place   = a folder or file on this disk, the id of a hub repository, or a word: identity, identity:mlp-hidden,
          bundled
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

import yaml

from circuitscope.bundled import BUNDLED
from circuitscope.errors import BadFile, BadInput
from circuitscope.runs import looks_like_path
from circuitscope.terms import Site

IDENTITY = "identity"
IDENTITY_MLP_HIDDEN = "identity:mlp-hidden"
WORDS = (IDENTITY, IDENTITY_MLP_HIDDEN, BUNDLED)
"""What is not a place on a disk; a word wins over a folder of that name."""
_YAML = (".yaml", ".yml")


@dataclass(frozen=True)
class Part:
    """One entry of a source."""

    place: str
    """A path, a hub id, or a word."""
    inside: str = ""
    """A folder below it."""
    site: Site | None = None
    """The only site to read from it; None for all that are there."""

    @property
    def on_hub(self) -> bool:
        """Whether the place is the id of a hub repository."""
        return self.place not in WORDS and "/" in self.place and not looks_like_path(self.place)

    def __str__(self) -> str:
        """As in a result: a folder by its own name, since where it is does not belong there."""
        place = Path(self.place).resolve().name if Path(self.place).exists() else self.place
        return f"{place}:{self.inside}" if self.inside else place


def parts(source: str) -> list[Part]:
    """The entries of a source, in order.

    Raises:
        BadFile: a YAML file cannot be read, or maps something other than sites to entries.
    """
    found: list[Part] = []
    for entry in _split(source):
        part = _part(entry)
        path = Path(part.place)
        found += _yaml(path) if path.suffix in _YAML and path.is_file() else [part]
    return found


def portable_source(source: str) -> str:
    """A source with its local paths in full, so that it means the same from any folder."""
    entries = []
    for entry in _split(source):
        part = _part(entry)
        path = Path(part.place)
        place = str(path.resolve()) if path.exists() and part.place not in WORDS else part.place
        entries.append(f"{place}:{part.inside}" if part.inside else place)
    return ",".join(entries)


def _split(source: str) -> list[str]:
    if source and Path(source).expanduser().exists():  # a path may have a comma in it
        return [source]
    entries = [entry.strip() for entry in source.split(",")]
    if not all(entries):
        raise BadInput(
            f"dictionaries {source!r} has an empty entry",
            expected="sources separated by commas",
            mend="remove the extra comma",
        )
    return entries


def _part(entry: str, base: Path | None = None) -> Part:
    """One entry; a relative path is looked for below ``base``."""
    if entry in WORDS:
        return Part(entry)
    if _exists(entry, base):
        return Part(_path(entry, base))
    place, colon, inside = entry.rpartition(":")
    if not colon:
        return Part(_path(entry, base))
    if place in WORDS:
        raise BadInput(
            f"dictionaries {entry!r}: {place} has no folder {inside!r}",
            expected=", ".join(WORDS),
            mend="check the spelling",
        )
    if PurePosixPath(inside).is_absolute() or ".." in PurePosixPath(inside).parts:
        raise BadInput(
            f"dictionaries {entry!r}", expected="a folder inside after the colon", mend="correct it"
        )
    return Part(_path(place, base), inside.rstrip("/"))


def _exists(place: str, base: Path | None) -> bool:
    return ((base or Path()) / Path(place).expanduser()).exists()


def _path(place: str, base: Path | None) -> str:
    """A place that exists, as a path from the working folder; any other one as it is written."""
    if place.startswith("~") or _exists(place, base) or (base is not None and place.startswith(".")):
        return str((base or Path()) / Path(place).expanduser())
    return place


def _yaml(path: Path) -> list[Part]:
    try:
        entries = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise BadFile(f"{path} cannot be read: {error}", expected="a YAML file of sites") from error
    if not isinstance(entries, dict) or not entries:
        raise BadFile(
            f"{path} maps no sites to dictionaries",
            expected="lines like resid_3: a folder, or a hub id, optionally with :folder/inside",
            mend="correct the file",
        )
    found = []
    for name, entry in entries.items():
        try:
            site = Site.parse(str(name))
        except BadInput as error:
            raise BadFile(f"{path}: {error.got}", expected=error.expected, mend="correct the file") from error
        if not isinstance(entry, str) or entry in WORDS:
            raise BadFile(
                f"{path}: {name} is {entry!r}",
                expected="a folder, or a hub id, optionally with :folder/inside",
                mend="correct the file",
            )
        found.append(replace(_part(entry, path.parent), site=site))
    return found
