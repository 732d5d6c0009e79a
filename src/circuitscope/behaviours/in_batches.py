"""in_batches: rows in order, as many at a time as fit the memory."""

from __future__ import annotations

import logging
from collections.abc import Callable

import torch

from circuitscope.errors import OutOfSpace

log = logging.getLogger("circuitscope")


def in_batches(
    count: int, do: Callable[[slice], None], *, each: int, budget: int, most: int | None = None
) -> None:
    """Call ``do`` on slices of ``count`` rows; where a GPU is out of memory, with half as many rows again.

    Args:
        do: must leave nothing behind if it raises ``torch.OutOfMemoryError``.
        each: bytes that a row takes.
        budget: bytes that a slice may take; one row is always tried.
        most: rows in a slice, whatever fits.
    """
    size = max(1, min(budget // max(each, 1), most or count))
    start = 0
    while start < count:
        try:
            do(slice(start, min(start + size, count)))
        except torch.OutOfMemoryError as error:
            if size == 1:
                raise OutOfSpace(
                    "one context does not fit in the GPU's memory",
                    mend="use shorter contexts, a smaller number format, or a larger GPU",
                ) from error
            size = max(1, size // 2)
            torch.cuda.empty_cache()
            log.warning("the GPU is out of memory: going on with %d rows at a time", size)
        else:
            start += size
