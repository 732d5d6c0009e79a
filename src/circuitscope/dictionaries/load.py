"""load_dictionaries: from what the user names to dictionaries that fit a model."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import load_file

from circuitscope.bundled import BUNDLED, BUNDLED_DICTIONARIES, BUNDLED_MODEL
from circuitscope.dictionaries import hub
from circuitscope.dictionaries.collection import (
    Dictionaries,
    check_fit,
    mlp_hidden_dictionaries,
    neuron_dictionaries,
    to_model,
)
from circuitscope.dictionaries.readers import read_dictionaries
from circuitscope.dictionaries.source import (
    IDENTITY,
    IDENTITY_MLP_HIDDEN,
    WORDS,
    Part,
    parts,
    portable_source,
)
from circuitscope.errors import BadDictionary, argument
from circuitscope.model import LanguageModel
from circuitscope.runs import hash_json
from circuitscope.terms import Site


def load_dictionaries(source: str | Path | Dictionaries, model: LanguageModel) -> Dictionaries:
    """Load the dictionaries of a model, check that they fit it, and put them where it is.

    Args:
        source: ``bundled`` (those of the bundled model); a folder or file in a supported format; the id of a
            HuggingFace hub repository of such a folder; one of these with ``:folder/inside``; several separated
            by commas, which are merged; a YAML file that maps sites to these; ``identity`` (the neurons of every
            site); ``identity:mlp-hidden`` (the hidden neurons of every MLP); or dictionaries that are already
            loaded.
        model: the model that they read and write.

    Raises:
        BadFile: there is no such folder, its format is not known, or a file is truncated or damaged.
        BadDictionary: one has the wrong width, is of a kind that is not supported, belongs to a site that the
            model lacks or to a tensor that it cannot tap, or holds NaN; or two are for one site.
    """
    if isinstance(source, Dictionaries):
        check_fit(source, model)
        return source
    found = _merged([(str(part), _load(part, model)) for part in parts(str(source))])
    found.source = portable_source(str(source))
    return found


def refuse_missing_dictionaries(source: str) -> None:
    """Raise what loading would raise for a source that cannot be read at all, before a model is loaded for it."""
    for part in parts(source):
        if part.place not in WORDS and not part.on_hub and not (Path(part.place) / part.inside).exists():
            read_dictionaries(_folder(part))


def _load(part: Part, model: LanguageModel) -> Dictionaries:
    if part.place == IDENTITY:
        return neuron_dictionaries(model)
    if part.place == IDENTITY_MLP_HIDDEN:
        return mlp_hidden_dictionaries(model)
    if part.place == BUNDLED:
        _refuse_other_model(model)
    found = read_dictionaries(_folder(part), part.site)
    check_fit(found, model)
    for site, dictionary in found.items():
        to_model(dictionary, model)
        # From here on a tensor has the family's own name, or none if it is the site's usual one.
        tap = model.tap(site, dictionary.tensor)
        dictionary.tensor = None if tap == model.tap(site) else tap.name
    return Dictionaries(
        dict(found), name=str(part), prepend_bos=found.prepend_bos, content_hash=found.content_hash
    )


def _refuse_other_model(model: LanguageModel) -> None:
    """The bundled dictionaries fit any model of the bundled one's shape, but mean something in that one only."""
    own = load_file(BUNDLED_MODEL / "model.safetensors")["gpt_neox.embed_in.weight"]
    weight = model.whole.embedding.detach()
    if weight.shape == own.shape and torch.allclose(weight.float().cpu(), own.float(), rtol=1e-2, atol=1e-3):
        return
    raise BadDictionary(
        f"the bundled dictionaries with {model.name}",
        expected="the bundled model, whose features they are",
        mend=f"use {argument('model', BUNDLED)}, or train dictionaries: circuitscope train-dictionaries",
    )


def _folder(part: Part) -> Path:
    """Where a part is on this disk, downloaded if need be."""
    if part.place == BUNDLED:
        return BUNDLED_DICTIONARIES
    if part.on_hub:
        return hub.fetch(part.place, part.inside)
    path = Path(part.place) / part.inside
    is_weights = path.is_file() and path.suffix != ".zip"
    return path.parent if is_weights else path


def _merged(loaded: list[tuple[str, Dictionaries]]) -> Dictionaries:
    """All dictionaries together; each site may come from one source only."""
    if len(loaded) == 1:
        return loaded[0][1]
    origin: dict[Site, str] = {}
    for name, dictionaries in loaded:
        for site in dictionaries:
            if site in origin:
                raise BadDictionary(
                    f"both {origin[site]} and {name} have a dictionary for {site}",
                    expected="each site in one source",
                    mend="leave one out, or choose site by site in a YAML file (resid_3: its folder)",
                )
            origin[site] = name
    said = {dictionaries.prepend_bos for _, dictionaries in loaded} - {None}
    content = sorted([found.content_hash, [str(site) for site in found]] for _, found in loaded)
    return Dictionaries(
        {site: dictionary for _, found in loaded for site, dictionary in found.items()},
        name=",".join(dict.fromkeys(name for name, _ in loaded)),
        prepend_bos=said.pop() if len(said) == 1 else None,
        content_hash=hash_json(content),
    )
