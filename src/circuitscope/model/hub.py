"""Models on the HuggingFace hub: whether there is such a repository, before transformers asks for its files.

transformers asks for every file five times, with pauses, before it says that there is no network or no such
repository; here one question is enough. Without an answer, what an earlier download left is used.
"""

from __future__ import annotations

import logging
from pathlib import Path

from circuitscope.errors import BadFile

_log = logging.getLogger("circuitscope")
_TIMEOUT = 10.0
"""Seconds that the hub may take to answer."""


def find_repository(repository: str) -> str:
    """What transformers is given for a repository: its id, or the folder of an earlier download.

    Raises:
        BadFile: the hub does not have it or does not answer, and nothing was downloaded before.
    """
    from huggingface_hub import HfApi
    from huggingface_hub.constants import HF_HUB_OFFLINE

    try:
        HfApi().model_info(repository, timeout=_TIMEOUT)
    except Exception as error:  # whatever it is, the hub has nothing for us
        earlier = downloaded(repository)
        if earlier is None:
            raise _unreachable(repository, error) from error
        if not HF_HUB_OFFLINE:
            _log.warning("the hub did not answer for %s: using what was downloaded earlier", repository)
        return str(earlier)
    return repository


def downloaded(repository: str) -> Path | None:
    """The folder of an earlier download of a model; None if there is none."""
    from huggingface_hub import try_to_load_from_cache

    config = try_to_load_from_cache(repository, "config.json")
    return Path(config).parent if isinstance(config, str) else None


def _unreachable(repository: str, error: Exception) -> BadFile:
    first = (str(error).strip().splitlines() or [type(error).__name__])[0]
    return BadFile(
        f"there is no model folder {repository}, and the hub returned no such model: {first}",
        expected="a folder on this disk, or the id of a hub repository and a network connection",
        mend="check the spelling",
    )
