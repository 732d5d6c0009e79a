"""RayWorkers: units of work on a Ray cluster, or on a small one that is started on this machine.

What workers do, and what happens if one dies, is in ``crew``; a worker is a Ray actor (``ray_worker``). Each has an
equal share of the cluster's processors, and of its GPUs if there are any. The results come back to this process,
which keeps them; the cluster need not have a common disk for that. circuitscope must be installed on every machine.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any

from circuitscope.errors import BadInput, WorkFailed
from circuitscope.work.crew import DONE, READY, TRIES, UNABLE, Assignment, Crew, Hand, Workers, log, portable
from circuitscope.work.engine import Failure, Outcome
from circuitscope.work.processes import cores
from circuitscope.work.ray_worker import Message, RayWorker
from circuitscope.work.units import Loaded, Result, Unit
from circuitscope.work.worker import shown_error

GRACE = 10.0
"""Seconds to wait until workers that were told to stop are gone."""
PATIENCE = 60.0
"""Seconds without any worker before a warning says what the cluster has."""
LITTLE_STORE = 128 * 2**20
"""Bytes of shared memory for results on a cluster of this machine alone; larger ones go through the disk."""


def ray_module() -> Any:
    """The package ray.

    Raises:
        BadInput: it is not installed.
    """
    try:
        import ray
    except ImportError as error:
        raise BadInput(
            "the engine 'ray' needs the package ray, which is not installed",
            expected="ray 2.40 or later, here and on every machine of the cluster",
            mend="pip install 'circuitscope[ray]'",
        ) from error
    return ray


@dataclass(frozen=True)
class RayWorkers(Workers):
    """Units in several Ray actors; see this module's text."""

    workers: int
    address: str | None = None
    """Of the cluster: ``host:port``, or ``auto`` for the one that runs on this machine; None starts one here, for as
    long as the work lasts. A program that is connected already keeps its connection."""
    tries: int = TRIES
    """How often a unit is tried if its worker dies."""

    def __post_init__(self) -> None:
        ray_module()

    def _crew(self, work: Assignment[Loaded, Result]) -> _RayCrew[Loaded, Result]:
        return _RayCrew(self.workers, self.tries, work, self.address)


@dataclass(eq=False, kw_only=True)
class _Actor(Hand):
    actor: Any
    call: Any = None
    """What it is doing: loading, or a unit."""
    news: Any = None
    """The question for news that it has not answered."""
    heard: int = 0
    """The number of the last message from it."""


class _RayCrew(Crew[Loaded, Result, _Actor]):
    worker = "Ray worker"

    def __init__(self, size: int, tries: int, work: Assignment[Loaded, Result], address: str | None) -> None:
        super().__init__(size, tries, work)
        self._address = address
        self._ray = ray_module()
        self._connected_here = False
        self._make: Any = None
        """Makes an actor; None before there is a connection."""
        self._lost_loading = 0

    def stop(self) -> None:
        if not self._ray.is_initialized():  # what follows would start a cluster
            return
        for one in self._workers:
            self._ray.kill(one.actor)
        calls = [one.call for one in self._workers if one.call is not None]
        if calls:  # they end when their actors do
            self._ray.wait(calls, num_returns=len(calls), timeout=GRACE)
        self._workers.clear()
        if self._connected_here:
            self._ray.shutdown()

    # -- workers -----------------------------------------------------------------------------------------

    def _start(self) -> _Actor:
        if self._make is None:
            self._connect()
        one = _Actor(actor=self._make.remote(os.getcwd(), log.getEffectiveLevel()))
        self._load(one)
        return one

    def _load(self, one: _Actor) -> None:
        one.call = one.actor.load.remote(portable(self._work.setup, "the setup"), one.heard)

    def _connect(self) -> None:
        if not self._ray.is_initialized():
            connect(self._ray, self._address, self._size)
            self._connected_here = True
        needs = share([node["Resources"] for node in self._ray.nodes() if node["Alive"]], self._size)
        self._make = self._ray.remote(RayWorker).options(max_concurrency=2, **needs)

    def _listen(self) -> None:
        refs = [ref for one in self._workers for ref in (one.call, one.news) if ref is not None]
        answered, _ = self._ray.wait(refs, timeout=PATIENCE)
        if not answered and not any(one.ready for one in self._workers):
            log.warning(
                "no Ray worker has loaded yet; the cluster has %s free", self._ray.available_resources()
            )
        answered, _ = self._ray.wait(refs, num_returns=len(refs), timeout=0)
        for one in list(self._workers):
            if one.call in answered:
                self._take_answer(one)
            elif one.news in answered:
                self._take_news(one)

    def _take_answer(self, one: _Actor) -> None:
        """A worker has loaded, has done its unit, or has died."""
        call, one.call, one.news = one.call, None, None
        try:
            answer, messages = self._ray.get(call)
        except self._ray.exceptions.RayTaskError as error:  # it names a module that is not there, or the like
            answer, messages = Outcome("", failure=Failure.of(error)) if one.ready else shown_error(error), []
        except self._ray.exceptions.RayError as error:
            self._ray.kill(one.actor)  # one that cannot be reached may still be alive
            self._bury(one, _ending(error))
            return
        self._hear_all(one, messages)
        if isinstance(answer, Outcome):
            self._hear(one, DONE, answer)
        else:
            self._hear(one, READY if answer is None else UNABLE, answer)

    def _take_news(self, one: _Actor) -> None:
        news, one.news = one.news, None
        try:
            messages = self._ray.get(news)
        except self._ray.exceptions.RayError:  # it has died, which its call says too
            return
        self._hear_all(one, messages)
        one.news = one.actor.news.remote(one.heard)

    def _hear_all(self, one: _Actor, messages: Sequence[Message]) -> None:
        """Each once, though an unanswered question and the end of a call both bring them."""
        for number, kind, value in messages:
            if number > one.heard:
                one.heard = number
                self._hear(one, kind, value)

    def _send(self, one: _Actor, unit: Unit[Loaded, Result]) -> bool:
        one.call = one.actor.do.remote(portable(unit, unit.name), one.heard)
        one.news = one.actor.news.remote(one.heard)
        return True

    def _wake(self, one: _Actor) -> None:
        """Ask first: if its machine is gone too, the unit would be counted as tried."""
        one.ready = False
        self._load(one)

    def _may_load_again(self) -> bool:
        """A machine may be lost at any time; but loading that kills every worker ends."""
        self._lost_loading += 1
        return self._lost_loading <= self._size


def connect(ray: Any, address: str | None, workers: int) -> None:
    """Connect to a cluster, or start one on this machine that has room for the workers.

    Raises:
        WorkFailed: there is no cluster at that address.
    """
    quiet = {"log_to_driver": False, "configure_logging": False}
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # a cluster that is started here tells nobody
    if address is None:
        room = {"num_cpus": max(workers, cores()), "object_store_memory": LITTLE_STORE}
        ray.init(address="local", include_dashboard=False, **room, **quiet)
        return
    try:
        ray.init(address=address, **quiet)
    except Exception as error:  # ray raises ConnectionError, RuntimeError, ValueError and more
        raise WorkFailed(
            f"no connection to a Ray cluster at {address}: {error}",
            expected="host:port of a cluster that runs, or auto for the one on this machine",
            mend="start one with ray start --head, which prints its address; ray and Python must have the same "
            "versions everywhere",
        ) from error


def share(nodes: Sequence[Mapping[str, int | float]], workers: int) -> dict[str, int | float]:
    """What each worker asks for, so that all find room if they can.

    Args:
        nodes: the resources of each machine, as Ray names them.

    Returns:
        ``num_cpus``: a whole number, at least 1; ``num_gpus``: a whole number or 1/n of a GPU, if there are GPUs.
    """
    with_gpus = [node for node in nodes if node.get("GPU", 0) >= 1]
    gpus = sum(int(node["GPU"]) for node in with_gpus)
    each = [int(node.get("CPU", 0)) for node in with_gpus or nodes]
    enough = (size for size in range(max(each, default=1), 1, -1) if sum(n // size for n in each) >= workers)
    needs: dict[str, int | float] = {"num_cpus": next(enough, 1)}
    if gpus:
        needs["num_gpus"] = 1.0 if workers <= gpus else 1 / ceil(workers / gpus)
    return needs


def _ending(error: Exception) -> str:
    """How a worker ended, from what Ray says of it: the reason without the advice."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    reason = next((line for line in lines if "dead because" in line), lines[0] if lines else "")
    return f"died ({reason.partition('. ')[0].rstrip('.') or type(error).__name__})"
