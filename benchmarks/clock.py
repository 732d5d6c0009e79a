"""Clocks: seconds, peak memory, floating-point operations, and what the machine can do at most."""

from __future__ import annotations

import ctypes
import gc
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

Work = Callable[[], Any]

STATUS = Path("/proc/self/status")


@dataclass(frozen=True)
class Cost:
    """What one run of some work took."""

    seconds: float
    peak_mb: float | None
    """The most memory above what was there before it began; None where the system does not say."""
    result: Any


def run(work: Work) -> Cost:
    """Run some work once with a clock on it."""
    before = restart_peak()
    started = time.perf_counter()
    result = work()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    seconds = time.perf_counter() - started
    peak = peak_memory()
    return Cost(seconds, None if peak is None or before is None else (peak - before) / 1e6, result)


def restart_peak() -> int | None:
    """Give back what is free and forget the peak so far; returns the bytes that are in memory now."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
        return torch.cuda.memory_allocated()
    if not STATUS.is_file():
        return None
    ctypes.CDLL(None).malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5")
    return peak_memory()


def peak_memory() -> int | None:
    """The most bytes in memory (of the GPU if there is one) since the peak was last forgotten."""
    if torch.cuda.is_available():
        return int(torch.cuda.max_memory_allocated())
    if not STATUS.is_file():
        return None
    (peak,) = (line.split()[1] for line in STATUS.read_text().splitlines() if line.startswith("VmHWM"))
    return int(peak) * 1024


class _Counter(TorchDispatchMode):
    """Adds up the operations of the products that torch knows how to count.

    torch's own FlopCounterMode also tracks modules, which does not go with gradients of leaves.
    """

    def __init__(self) -> None:
        super().__init__()
        self.flop = 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        out = func(*args, **(kwargs or {}))
        count = flop_registry.get(func._overloadpacket)
        if count is not None:
            self.flop += count(*args, **(kwargs or {}), out_val=out)
        return out


def gflop(work: Work) -> float:
    """10⁹ floating-point operations of the matrix products in some work, backward passes included."""
    with _Counter() as counter:
        work()
    return counter.flop / 1e9


def matrix_rate(device: torch.device, dtype: torch.dtype, size: int = 2048) -> float:
    """10⁹ floating-point operations per second of a large matrix product: the best of several."""
    size = size if device.type == "cpu" else 8192
    a = torch.randn(size, size, device=device).to(dtype)
    best = float("inf")
    for _ in range(5):
        started = time.perf_counter()
        a @ a
        if device.type == "cuda":
            torch.cuda.synchronize()
        best = min(best, time.perf_counter() - started)
    return 2 * size**3 / best / 1e9
