"""How many bytes of activations may go through a model at a time."""

from __future__ import annotations

import torch

from circuitscope.config import parse_bytes

DEFAULT_BUDGET = 2 * 2**30
"""On a CPU, where larger batches gain nothing."""

SHARE = 0.5
"""Of what is free on a GPU, where fewer and larger batches are faster; as much is left for features that are kept."""


def usual_budget(device: torch.device) -> int:
    """The budget where none is given."""
    if device.type != "cuda":
        return DEFAULT_BUDGET
    free, _ = torch.cuda.mem_get_info(device)
    # What torch holds without using it is free too.
    unused = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    return max(DEFAULT_BUDGET, int(SHARE * (free + unused)))


def budget_of(memory: str, device: torch.device) -> int:
    """What the setting ``memory`` says, in bytes: a size, or ``auto``."""
    return usual_budget(device) if memory == "auto" else parse_bytes(memory)
