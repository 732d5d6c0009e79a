"""Dictionaries: the dictionaries of a model by site, and what is known about where they come from."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor

from circuitscope.dictionaries.base import Dictionary
from circuitscope.dictionaries.identity import IdentityDictionary
from circuitscope.errors import BadDictionary, BadInput
from circuitscope.model import LanguageModel, Tap
from circuitscope.results import DictionariesSource
from circuitscope.terms import Site


class Dictionaries(Mapping[Site, Dictionary]):
    """The dictionaries of one model, in the order of computation."""

    def __init__(
        self,
        by_site: Mapping[Site, Dictionary],
        *,
        name: str,
        prepend_bos: bool | None = None,
        content_hash: str | None = None,
        files: Mapping[Site, Path] | None = None,
        source: str | None = None,
    ) -> None:
        self._by_site = {site: by_site[site] for site in sorted(by_site)}
        self.name = name
        """Where they come from, as the user named it."""
        self.source = source
        """What ``load_dictionaries`` takes to load them again; None if they were made in Python."""
        self.prepend_bos = prepend_bos
        """Whether they were trained on texts with BOS in front; None where nothing says so."""
        self._content_hash = content_hash
        self._site_hashes: dict[Site, str] = {}
        self._files = dict(files or {})

    def __repr__(self) -> str:
        kinds = Counter(dictionary.kind for dictionary in self.values())
        count = sum(dictionary.n_features for dictionary in self.values())
        what = ", ".join(f"{number} × {kind}" for kind, number in kinds.items())
        first, last = next(iter(self), ""), next(reversed(self._by_site), "")
        return (
            f"Dictionaries({self.name}: {what}; {count:,} features at {len(self)} sites, {first} to {last})"
        )

    def __getitem__(self, site: Site) -> Dictionary:
        return self._by_site[site]

    def __iter__(self) -> Iterator[Site]:
        return iter(self._by_site)

    def __len__(self) -> int:
        return len(self._by_site)

    def origin(self, site: Site) -> str:
        """The file that a site's dictionary was read from, for messages; else where all come from."""
        return str(self._files.get(site, self.name))

    def taps(self, model: LanguageModel) -> dict[Site, Tap]:
        """The tensor that each dictionary reads."""
        return {site: model.tap(site, dictionary.tensor) for site, dictionary in self.items()}

    def only(self, sites: Sequence[Site]) -> Dictionaries:
        """The dictionaries of some sites."""
        if set(sites) == set(self):
            return self  # with the content hash that it came with
        return Dictionaries(
            {site: self[site] for site in sites},
            name=self.name,
            prepend_bos=self.prepend_bos,
            files=self._files,
            source=self.source,
        )

    def as_source(self) -> DictionariesSource:
        """What a recipe says about them, so that they can be loaded again and recognised."""
        kinds = Counter(dictionary.kind for dictionary in self.values())
        return DictionariesSource(self.name, self.source, self.content_hash, {}, dict(kinds))

    @property
    def content_hash(self) -> str:
        """SHA-256 over sites, kinds and weights: what labels and judgements belong to."""
        if self._content_hash is None:
            digest = hashlib.sha256()
            for site, dictionary in self.items():
                _update(digest, site, dictionary)
            self._content_hash = digest.hexdigest()
        return self._content_hash

    def site_hash(self, site: Site) -> str:
        """SHA-256 over one site's own dictionary, whatever other sites there are and whatever file it is in."""
        if site not in self._site_hashes:
            digest = hashlib.sha256()
            _update(digest, site, self[site])
            self._site_hashes[site] = digest.hexdigest()
        return self._site_hashes[site]


def _update(digest: hashlib._Hash, site: Site, dictionary: Dictionary) -> None:
    digest.update(f"{site} {dictionary.kind} {dictionary.settings()}".encode())
    for name, weight in dictionary.weights().items():
        digest.update(name.encode())
        digest.update(_bytes(weight))


def _bytes(weight: Tensor) -> memoryview:
    """A tensor's memory on the CPU, without a copy if it is there already."""
    return weight.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().data


def neuron_dictionaries(
    model: LanguageModel, sites: Sequence[Site] | None = None, *, tensor: str | None = None
) -> Dictionaries:
    """The identity at each site: its neurons as features. ``tensor`` picks a tensor other than the usual one."""
    chosen = model.sites if sites is None else sites
    by_site: dict[Site, Dictionary] = {}
    for site in chosen:
        width = model.tap_width(site, model.tap(site, tensor))
        by_site[site] = IdentityDictionary(width, dtype=model.dtype, device=model.device, tensor=tensor)
    name = "identity" if tensor is None else f"identity of {tensor}"
    return Dictionaries(by_site, name=name)


def neurons_like(dictionaries: Dictionaries, model: LanguageModel) -> Dictionaries:
    """The neurons of exactly the tensors that some dictionaries read."""
    by_site: dict[Site, Dictionary] = {}
    for site, dictionary in dictionaries.items():
        by_site |= neuron_dictionaries(model, [site], tensor=dictionary.tensor)
    return Dictionaries(by_site, name="identity", prepend_bos=dictionaries.prepend_bos)


MLP_HIDDEN = "hidden neurons of the MLP"


def mlp_hidden_dictionaries(model: LanguageModel) -> Dictionaries:
    """The hidden neurons of every MLP (the input of its down-projection) as features."""
    layers = [site for site in model.sites if site.kind == "mlp"]
    return neuron_dictionaries(model, layers, tensor=MLP_HIDDEN)


def check_fit(dictionaries: Dictionaries, model: LanguageModel) -> None:
    """Raise BadDictionary where a dictionary does not fit the model or holds NaN; names site and file."""
    if not dictionaries:
        raise BadDictionary(
            f"no dictionary was found in {dictionaries.name}", expected="at least one site's dictionary"
        )
    have = set(model.sites)
    for site, dictionary in dictionaries.items():
        origin = dictionaries.origin(site)
        if site not in have:
            raise BadDictionary(
                f"{origin} has a dictionary for {site}, a site that {model.name} lacks",
                expected=f"embed, or attn, mlp, resid with a layer from 0 to {model.n_layers - 1}",
                mend="these dictionaries belong to another model",
            )
        try:
            tap = model.tap(site, dictionary.tensor)
        except BadInput as error:
            raise BadDictionary(
                f"the dictionary for {site} in {origin} reads {dictionary.tensor!r}; {error.got}",
                expected=error.expected,
                mend=error.mend,
            ) from error
        width = model.tap_width(site, tap)
        if dictionary.width != width:
            raise BadDictionary(
                f"the dictionary for {site} in {origin} has width {dictionary.width}",
                expected=f"{width}, the width of that tensor in {model.name}",
                mend="these dictionaries belong to another model, or to another tensor of that module",
            )
        for name, weight in dictionary.weights().items():
            if not bool(torch.isfinite(weight.sum())) and not bool(torch.isfinite(weight).all()):
                raise BadDictionary(
                    f"the dictionary for {site} in {origin} has NaN or infinite numbers in {name}",
                    expected="finite weights",
                    mend="the training diverged or the file is damaged; fetch or train it again",
                )


def to_model(dictionary: Dictionary, model: LanguageModel) -> Dictionary:
    """The same dictionary with its weights where the model's are."""
    dictionary.move(model.device, model.dtype)
    return dictionary
