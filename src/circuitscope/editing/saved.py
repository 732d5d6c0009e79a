"""Classifiers and removed features as folders: safetensors and a manifest, no pickle."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from circuitscope.dictionaries import Dictionaries
from circuitscope.editing.classifier import Classifier
from circuitscope.errors import BadFile, BadInput
from circuitscope.interventions import FeatureSet, Means, edits_of
from circuitscope.model import EditsOf, LanguageModel, fingerprint
from circuitscope.runs import CLASSIFIER, REMOVED, read_arrays, read_manifest, write_arrays
from circuitscope.terms import Site

_MEANS = "mean of "


def write_classifier(draft: Path, classifier: Classifier) -> dict[str, Any]:
    """Fill a folder that is being written, and return what its manifest has to say.

    The model itself is named by its hash and is not in the folder.
    """
    probe = {"weight": classifier.weight, "bias": classifier.bias}
    write_arrays(draft / CLASSIFIER.file, {name: value.cpu().numpy() for name, value in probe.items()})
    return {
        "site": classifier.site.name,
        "pooling": classifier.pooling,
        "bos": classifier.bos,
        "model": classifier.model.name,
        "model_hash": fingerprint(classifier.model),
    }


def read_classifier(folder: Path, model: LanguageModel) -> Classifier:
    """A saved classifier on its model.

    Raises:
        BadFile: the folder is damaged, or is not that of a classifier.
        BadInput: it was trained on another model.
    """
    manifest = read_manifest(folder, CLASSIFIER.kind)
    if manifest["model_hash"] != fingerprint(model):
        raise BadInput(
            f"the classifier in {folder} was not trained on the weights of {model.name}",
            expected=f"{manifest['model']}, weights {manifest['model_hash'][:12]}…",
            mend="load that model in that number format, or train again",
        )
    arrays = read_arrays(folder / CLASSIFIER.file)
    if {name: value.shape for name, value in arrays.items()} != {"weight": (model.width,), "bias": ()}:
        raise BadFile(
            f"{folder / CLASSIFIER.file} contains {', '.join(arrays)}",
            expected=f"weight, with {model.width} numbers, and bias, with one",
            mend="train again",
        )
    weight, bias = (torch.from_numpy(arrays[name]).to(model.device) for name in ("weight", "bias"))
    return Classifier(
        model, Site.parse(manifest["site"]), manifest["pooling"], weight, bias, bool(manifest["bos"])
    )


@dataclass(frozen=True, eq=False)
class Removal:
    """Features that are taken out of a model, and what they are set to."""

    features: FeatureSet
    how: str = "zero"
    means: Means | None = None

    def __len__(self) -> int:
        return sum(len(some) for some in self.features.values())

    def edits_of(self, model: LanguageModel, dictionaries: Dictionaries) -> EditsOf:
        """The edits of any batch of tokens."""
        return edits_of(model, dictionaries, self.features, self.how, self.means)


def write_removal(draft: Path, removal: Removal) -> dict[str, Any]:
    """Fill a folder that is being written, and return what its manifest has to say."""
    arrays = {site.name: some.cpu().numpy() for site, some in removal.features.items()}
    for site, means in (removal.means or {}).items():
        arrays[_MEANS + site.name] = (
            means.float().cpu().numpy() if means.dtype == torch.bfloat16 else means.cpu().numpy()
        )
    write_arrays(draft / REMOVED.file, arrays)
    return {"how": removal.how, "count": len(removal)}


def read_removal(folder: Path) -> Removal:
    """Removed features as they were saved."""
    manifest = read_manifest(folder, REMOVED.kind)
    arrays = read_arrays(folder / REMOVED.file)
    sites = sorted(Site.parse(name) for name in arrays if not name.startswith(_MEANS))
    features = {site: torch.from_numpy(arrays[site.name].astype(np.int64)) for site in sites}
    means = {
        site: torch.from_numpy(arrays[_MEANS + site.name]) for site in sites if manifest["how"] == "mean"
    }
    return Removal(features, manifest["how"], means or None)
