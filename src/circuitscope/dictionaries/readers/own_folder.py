"""circuitscope's own folder of dictionaries: ``manifest.json`` and one safetensors file per site."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save

from circuitscope.dictionaries.base import Dictionary
from circuitscope.dictionaries.collection import Dictionaries
from circuitscope.dictionaries.identity import IdentityDictionary
from circuitscope.dictionaries.kinds import KINDS, build
from circuitscope.errors import BadFile, BadInput
from circuitscope.runs import (
    MANIFEST,
    hash_json,
    new_folder,
    read_json,
    read_manifest,
    write_file,
    write_manifest,
)
from circuitscope.terms import Site

KIND = "dictionaries"
NAME = "circuitscope's own"
LAYOUT = f"{MANIFEST} of kind {KIND!r} beside SITE.safetensors (circuitscope's own)"
HOLDS = (*KINDS, IdentityDictionary.kind)


def recognises(folder: Path) -> bool:
    path = folder / MANIFEST
    manifest = read_json(path) if path.is_file() else None
    return isinstance(manifest, dict) and manifest.get("kind") == KIND


def read(folder: Path, site: Site | None = None) -> Dictionaries:
    manifest = read_manifest(folder, KIND)
    _check_manifest(manifest, folder)
    by_site: dict[Site, Dictionary] = {}
    files = {Site.parse(name): folder / f"{name}.safetensors" for name in manifest["sites"]}
    if site is not None and site not in files:
        raise BadFile(
            f"{folder} has no dictionary for {site}",
            expected=", ".join(manifest["sites"]),
            mend="check the site",
        )
    for name, entry in manifest["sites"].items():
        path = files[Site.parse(name)]
        if site is not None and Site.parse(name) != site:
            continue
        try:
            weights = load_file(path)
        except (OSError, SafetensorError) as error:
            raise BadFile(f"{path} cannot be read: {error}", mend="make the folder again") from error
        by_site[Site.parse(name)] = build(
            entry["kind"], weights, entry["settings"], where=str(path), tensor=entry["tensor"]
        )
    read_sites = {name: entry for name, entry in manifest["sites"].items() if Site.parse(name) in by_site}
    return Dictionaries(
        by_site,
        name=str(folder),
        prepend_bos=manifest["prepend_bos"],
        content_hash=hash_json({"sites": read_sites, "files": _weight_files(manifest, site)}),
        files=files,
    )


def _check_manifest(manifest: Mapping[str, Any], folder: Path) -> None:
    """Refuse a manifest that someone has edited; a missing hash would let changed weights pass unseen."""
    wrong = None if isinstance(manifest.get("prepend_bos", ""), bool | None) else "prepend_bos"
    sites = manifest.get("sites")
    if not isinstance(sites, dict) or not sites:
        wrong, sites = "sites", {}
    for name, entry in sites.items():
        try:
            Site.parse(name)
        except BadInput:
            wrong = f"the site {name!r}"
        whole = isinstance(entry, dict) and {"kind", "settings", "tensor"} <= set(entry)
        typed = whole and isinstance(entry["kind"], str) and isinstance(entry["settings"], dict)
        if not typed or not isinstance(entry["tensor"], str | None):
            wrong = f"the site {name!r}"
        if f"{name}.safetensors" not in manifest["files"]:
            wrong = f"the hash of {name}.safetensors"
    if wrong is not None:
        raise BadFile(
            f"{folder / MANIFEST} does not describe dictionaries: it has {wrong} in another form, or lacks it",
            expected="the manifest that circuitscope wrote",
            mend="copy the folder again, or make it again",
        )


def _weight_files(manifest: Mapping[str, Any], site: Site | None) -> dict[str, str]:
    """Hashes of the weights alone: a report beside them must not change what labels belong to."""
    wanted = ".safetensors" if site is None else f"{site}.safetensors"
    return {name: digest for name, digest in manifest["files"].items() if name.endswith(wanted)}


def write(
    dictionaries: Dictionaries,
    folder: str | Path,
    *,
    overwrite: bool = False,
    extra: Mapping[str, Any] | None = None,
) -> None:
    """Write dictionaries as a folder that ``read`` takes; ``extra`` goes into the manifest."""
    with new_folder(Path(folder), overwrite=overwrite) as draft:
        for site, dictionary in dictionaries.items():
            weights = {
                name: weight.detach().cpu().clone().contiguous()  # one tensor may have two names
                for name, weight in dictionary.weights().items()
            }
            write_file(draft / f"{site}.safetensors", save(weights))
        sites = {
            site.name: {
                "kind": dictionary.kind,
                "settings": dictionary.settings(),
                "tensor": dictionary.tensor,
                "features": dictionary.n_features,
                "width": dictionary.width,
            }
            for site, dictionary in dictionaries.items()
        }
        write_manifest(
            draft, KIND, {"sites": sites, "prepend_bos": dictionaries.prepend_bos, **(extra or {})}
        )
