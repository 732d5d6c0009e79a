"""What every reader does once it has found the weight files: one dictionary per site, or a reason why not."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from circuitscope.dictionaries.base import Dictionary
from circuitscope.dictionaries.collection import Dictionaries
from circuitscope.dictionaries.readers.shapes import check_tensors
from circuitscope.errors import BadDictionary, BadFile
from circuitscope.runs import hash_file, hash_json
from circuitscope.terms import Site

_LEFT_BEHIND = ("__MACOSX", ".ipynb_checkpoints")
"""Folders that are copies of something else."""
_READ = (".pt", ".safetensors", ".npz", ".json")
"""Endings of files whose readers refuse them where they are links that lead nowhere."""
_log = logging.getLogger("circuitscope")


@dataclass(frozen=True)
class FoundDictionary:
    """One published dictionary on this disk, not read yet."""

    path: Path
    """The file with its weights."""
    site: Site | None
    """Where it belongs; None where neither its config nor a folder's name says so."""
    read: Callable[[], Dictionary]
    hint: str = "a folder named like the site, such as resid_3"
    """What would have identified the site."""
    prepend_bos: bool | None = None
    """Whether it was trained on texts with BOS in front; None where nothing says so."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """What, besides the weights, determines what it computes; it enters the content hash."""
    layer: int | None = None
    """The layer that its place names, where that does not name a kind of site."""


def gather(folder: Path, found: Sequence[FoundDictionary], wanted: Site | None = None) -> Dictionaries:
    """Read what was found.

    Args:
        wanted: read only the dictionary of this site; a single one that names no site is taken to be it.

    Raises:
        BadFile: a site is not known, has two dictionaries, or is wanted but not there.
    """
    if wanted is not None:
        found = [_pick(folder, found, wanted)]
    by_site: dict[Site, FoundDictionary] = {}
    for one in found:
        site = one.site if wanted is None else wanted
        if site is None:
            raise BadFile(
                f"nothing says which site {one.path} belongs to",
                expected=one.hint,
                mend="rename its folder to the site's name, or name it in a YAML file (resid_3: its folder)",
            )
        if site in by_site:
            if by_site[site].path.resolve() == one.path.resolve():  # a link beside what it leads to
                continue
            raise BadFile(
                f"two dictionaries for {site}: {by_site[site].path} and {one.path}",
                expected="one dictionary per site",
                mend="name a folder that holds one run of each site",
            )
        by_site[site] = one
    return Dictionaries(
        {site: one.read() for site, one in by_site.items()},
        name=str(folder),
        prepend_bos=agreed(one.prepend_bos for one in by_site.values()),
        content_hash=_hash(by_site),
        files={site: one.path for site, one in by_site.items()},
    )


def _pick(folder: Path, found: Sequence[FoundDictionary], wanted: Site) -> FoundDictionary:
    fitting = [one for one in found if one.site == wanted]
    if not fitting and len(found) == 1 and found[0].site is None and found[0].layer in (None, wanted.layer):
        return found[0]
    if len({one.path.resolve() for one in fitting}) == 1:
        return fitting[0]
    there = ", ".join(sorted({_said(one) for one in found}))
    raise BadFile(
        f"{folder} has {len(fitting)} dictionaries for {wanted}",
        expected="one",
        mend=f"name the folder of one dictionary; there are dictionaries for {there}",
    )


def _said(one: FoundDictionary) -> str:
    """What is known of the site of a dictionary."""
    if one.site is not None:
        return str(one.site)
    return "a site that nothing names" if one.layer is None else f"a site of layer {one.layer}"


def agreed(said: Any) -> bool | None:
    """What all say about BOS; None where they disagree or one does not say."""
    answers = set(said)
    answer = answers.pop() if len(answers) == 1 else None
    return answer if isinstance(answer, bool) else None


def _hash(by_site: Mapping[Site, FoundDictionary]) -> str:
    parts: dict[str, Any] = {}
    for site, one in by_site.items():
        parts[str(site)] = hash_file(one.path)
        if one.settings:
            parts[f"{site} settings"] = dict(one.settings)
    return hash_json(parts)


# -- reading files --------------------------------------------------------------------------------------


def is_there(path: Path) -> bool:
    """Whether a file is there or should be: a link that leads nowhere is an error for whoever reads it."""
    return path.is_file() or path.is_symlink()


def read_object(path: Path) -> dict[str, Any]:
    """A JSON file that holds an object."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise BadFile(f"{path} is not JSON: {error}", mend="fetch the file again") from error
    if not isinstance(value, dict):
        raise BadFile(f"{path} contains a {type(value).__name__}", expected="a JSON object")
    return value


def in_float32(tensors: Mapping[str, Tensor], where: str) -> dict[str, Tensor]:
    """Half precision as float32, in which the weights are brought into our form; refuses formats of eight bits."""
    coarse = sorted(
        name for name, value in tensors.items() if value.is_floating_point() and value.itemsize < 2
    )
    if coarse:
        raise BadDictionary(
            f"{where} holds {coarse[0]} as {str(tensors[coarse[0]].dtype).removeprefix('torch.')}",
            expected="weights of 16 bits or more",
            mend="fetch the dictionary in bfloat16 or float32",
        )
    return {
        name: value.float() if value.is_floating_point() and value.itemsize < 4 else value
        for name, value in tensors.items()
    }


def files_named(folder: Path, name: str) -> list[Path]:
    """Every file of a name below a folder, links followed, without what archives and notebooks leave behind."""
    return sorted(place / name for place, names in _places(folder, ()) if name in names)


def name_skipped(folder: Path) -> None:
    """Say which folders and links below a folder no reader looks into."""
    for place, names in _places(folder, ()):
        for name in sorted(names):
            path = place / name
            if name in _LEFT_BEHIND and path.is_dir():
                _log.info("%s is left out: it holds copies", path)
            elif (
                path.is_symlink() and not path.exists() and path.suffix not in _READ
            ):  # what is read is refused, not left out
                _log.warning(
                    "%s is left out: it is a link to %s, which is not there", path, os.readlink(path)
                )


def _places(folder: Path, above: tuple[Path, ...]) -> Iterator[tuple[Path, set[str]]]:
    """A folder and all below it, each with the names in it; a link is not followed to a folder that it lies in."""
    here = folder.resolve()
    if here in above:
        return
    try:
        names = {path.name for path in folder.iterdir()}
    except OSError as error:
        raise BadFile(f"{folder} cannot be read: {error}", expected="a folder that may be read") from error
    yield folder, names
    for name in sorted(names):
        if name not in _LEFT_BEHIND and (folder / name).is_dir():
            yield from _places(folder / name, (*above, here))


def read_tensors(path: Path) -> dict[str, Tensor]:
    """A safetensors file, in float32 or better."""
    try:
        tensors = load_file(path)
    except (OSError, SafetensorError) as error:
        raise BadFile(
            f"{path} cannot be read: {error}",
            expected="a complete safetensors file",
            mend="the file is truncated or damaged; fetch it again",
        ) from error
    whole = in_float32(tensors, str(path))
    check_tensors(whole, str(path))
    return whole


# -- bringing weights into our form ---------------------------------------------------------------------


def rows(matrix: Tensor) -> Tensor:
    """A (width, features) matrix as (features, width), with each feature's vector contiguous in memory."""
    return matrix.T.contiguous()


def unit_write_vectors(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Move each write vector's length into its feature; x̂ stays the same. Zero vectors stay zero."""
    norm = torch.linalg.vector_norm(weights["w_dec"], dim=1)
    norm = torch.where(norm == 0, 1.0, norm)
    return {
        **weights,
        "w_enc": weights["w_enc"] * norm[:, None],
        "b_enc": weights["b_enc"] * norm,
        "w_dec": weights["w_dec"] / norm[:, None],
    }


def refuse_transcoder(where: str) -> BadDictionary:
    """The error for a transcoder."""
    return BadDictionary(
        f"{where} is a transcoder: it reads one tensor and writes another",
        expected="a dictionary that rebuilds the tensor it reads (a sparse autoencoder)",
        mend="transcoders are not supported yet",
    )
