"""load_dictionaries: from a folder, a hub id or ``identity`` to dictionaries that fit a model."""

from __future__ import annotations

from pathlib import Path

from circuitscope.dictionaries.collection import (
    Dictionaries,
    check_fit,
    mlp_hidden_dictionaries,
    neuron_dictionaries,
    to_model,
)
from circuitscope.dictionaries.readers import read_dictionaries
from circuitscope.errors import BadFile
from circuitscope.model import LanguageModel

IDENTITY = "identity"
IDENTITY_MLP_HIDDEN = "identity:mlp-hidden"


def load_dictionaries(source: str | Path | Dictionaries, model: LanguageModel) -> Dictionaries:
    """Load the dictionaries of a model, check that they fit it, and put them where it is.

    Args:
        source: a folder (circuitscope's own, or dictionary_learning's tree), a HuggingFace hub id of such a
            folder, ``identity`` (the neurons of every site), ``identity:mlp-hidden`` (the hidden neurons of
            every MLP), or dictionaries that are already loaded.
        model: the model that they read and write.

    Raises:
        BadFile: there is no such folder, or a file is truncated or damaged.
        BadDictionary: one has the wrong width, belongs to a site that the model lacks, or holds NaN.
    """
    if isinstance(source, Dictionaries):
        check_fit(source, model)
        return source
    if str(source) == IDENTITY:
        return neuron_dictionaries(model)
    if str(source) == IDENTITY_MLP_HIDDEN:
        return mlp_hidden_dictionaries(model)
    found = read_dictionaries(_local(str(source)))
    check_fit(found, model)
    return Dictionaries(
        {site: to_model(dictionary, model) for site, dictionary in found.items()},
        name=Path(source).resolve().name if Path(source).is_dir() else str(source),
        prepend_bos=found.prepend_bos,
        content_hash=found.content_hash,
    )


def _local(source: str) -> Path:
    """A folder on this disk: the one named, or a download of a hub repository."""
    path = Path(source).expanduser()
    if path.exists() or source.startswith((".", "/", "~")) or source.count("/") != 1:
        return path
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(source))
    except Exception as error:
        raise BadFile(
            f"there is no folder {source}, and the hub did not give {source!r}: "
            f"{(str(error).splitlines() or [''])[0]}",
            expected="a folder on this disk, or the id of a hub repository and a network",
            mend="check the spelling",
        ) from error
