"""Which threads train: every site's step runs on one of them, and none is shared.

On CPUs, many small operations that each share their work among all cores spend much time waiting for one
another, and stall when another process wants a core. Sites are independent, so each of them gets one core at
a time instead; this is faster, and the weights do not depend on the number of threads.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager

import torch


@contextmanager
def one_core_per_task(device: torch.device) -> Iterator[Executor]:
    """As many workers as torch may use threads, with operations that use one thread each."""
    if device.type != "cpu":
        with ThreadPoolExecutor(1) as pool:
            yield pool
        return
    allowed = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with ThreadPoolExecutor(allowed, initializer=torch.set_num_threads, initargs=(1,)) as pool:
            yield pool
    finally:
        torch.set_num_threads(allowed)
