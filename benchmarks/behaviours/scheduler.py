"""What a run of many jobs takes on a cluster, and what a lost machine costs: a simulation, for planning.

    python -m benchmarks.behaviours.scheduler --jobs 1000 --seconds 60 --spread 0.5 --machines 4 --workers 2 --load 90

It plays the engine's own rules (``circuitscope.work.crew``) in simulated time:

1. every worker loads once, then takes the next job, in order;
2. a machine that is lost takes its workers and what they had done of their jobs with it; once that is noticed, the
   jobs go to the front of the queue, until they have had their number of tries;
3. when a machine is back, as many workers as were lost load on it again.

Give it seconds per job that were measured on one worker. The spread is the standard deviation over the mean; times
are drawn from a log-normal distribution.
"""

from __future__ import annotations

import argparse
import heapq
import math
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from functools import partial
from itertools import count

import numpy as np
from rich.console import Console
from rich.table import Table

DRAWS = 200
"""How many simulations a mean is over."""
out = Console()


@dataclass(frozen=True)
class Loss:
    """A machine that is lost."""

    machine: int
    at: float
    """Seconds from the start."""
    back: float = math.inf
    """When it is there again."""


@dataclass(frozen=True)
class Plan:
    """Jobs and where they are done."""

    seconds: Sequence[float]
    """Of each job, in the order in which they are begun."""
    machines: int
    workers: int
    """On each machine."""
    load: float = 0.0
    """Seconds that a worker loads before its first job."""
    losses: Sequence[Loss] = ()
    noticed: float = 0.0
    """Seconds until the engine knows of a lost machine, and may have its jobs done elsewhere."""
    tries: int = 2


@dataclass(frozen=True)
class Course:
    """How it went."""

    makespan: float
    """Seconds until the last job ended; infinite if there is no machine left to do it."""
    lost: float
    """Worker-seconds of work on jobs that went with lost machines."""
    loading: float
    """Worker-seconds of loading."""
    failed: int
    """Jobs that were lost as often as they may be tried."""


def simulate(plan: Plan) -> Course:
    """Play a plan."""
    return _Play(plan).course()


class _Play:
    """Events in the order of their time; what concerns a worker that was lost meanwhile is passed over."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._events: list[tuple[float, int, Callable[[float], None]]] = []
        self._order, self._names = count(), count()
        self._queue = deque(range(len(plan.seconds)))
        self._losses = [0] * len(plan.seconds)
        self._doing: dict[int, tuple[int, int | None, float]] = {}
        """worker -> (machine, job, since); None while it loads or waits."""
        self._idle: list[int] = []
        self._left = len(plan.seconds)
        self._end = self._lost = self._loading = 0.0
        self._failed = 0

    def course(self) -> Course:
        for machine in range(self._plan.machines):
            self._come(0.0, machine)
        for loss in self._plan.losses:
            self._at(loss.at, partial(self._lose, loss=loss))
        while self._events and self._left:
            now, _, happen = heapq.heappop(self._events)
            happen(now)
        return Course(math.inf if self._left else self._end, self._lost, self._loading, self._failed)

    def _at(self, time: float, happen: Callable[[float], None]) -> None:
        if time < math.inf:
            heapq.heappush(self._events, (time, next(self._order), happen))

    def _come(self, now: float, machine: int) -> None:
        """A machine is there: its workers begin to load."""
        for _ in range(self._plan.workers):
            worker = next(self._names)
            self._doing[worker] = (machine, None, now)
            self._at(now + self._plan.load, partial(self._loaded, worker=worker))

    def _loaded(self, now: float, worker: int) -> None:
        if worker in self._doing:
            self._loading += self._plan.load
            self._take(now, worker)

    def _take(self, now: float, worker: int) -> None:
        machine, _, _ = self._doing[worker]
        if not self._queue:
            self._doing[worker] = (machine, None, now)
            self._idle.append(worker)
            return
        job = self._queue.popleft()
        self._doing[worker] = (machine, job, now)
        self._at(now + self._plan.seconds[job], partial(self._done, worker=worker))

    def _done(self, now: float, worker: int) -> None:
        if worker in self._doing:
            self._finish(now)
            self._take(now, worker)

    def _finish(self, now: float) -> None:
        self._left -= 1
        self._end = now

    def _lose(self, now: float, loss: Loss) -> None:
        gone = [worker for worker, (machine, _, _) in self._doing.items() if machine == loss.machine]
        for worker in gone:
            _, job, since = self._doing.pop(worker)
            if job is not None:
                self._lost += now - since
                self._at(now + self._plan.noticed, partial(self._try_again, job=job))
        self._idle = [worker for worker in self._idle if worker in self._doing]
        self._at(loss.back, partial(self._come, machine=loss.machine))

    def _try_again(self, now: float, job: int) -> None:
        self._losses[job] += 1
        if self._losses[job] >= self._plan.tries:
            self._failed += 1
            self._finish(now)
            return
        self._queue.appendleft(job)
        if self._idle:
            self._take(now, self._idle.pop(0))


def drawn_seconds(jobs: int, mean: float, spread: float, seed: int) -> list[float]:
    """Seconds of jobs with a mean and a relative standard deviation."""
    sigma = math.sqrt(math.log(1 + spread**2))
    draw = np.random.default_rng(seed).lognormal(math.log(mean) - sigma**2 / 2, sigma, jobs)
    return [float(one) for one in draw]


def mean_course(jobs: int, mean: float, spread: float, plan: Plan, back: float | None = None) -> Course:
    """The mean over drawn jobs; with ``back``, machine 0 is lost at some moment of the work, for so many seconds.

    The seconds of ``plan`` are not used.
    """
    found = []
    for seed in range(DRAWS):
        drawn = replace(plan, seconds=drawn_seconds(jobs, mean, spread, seed))
        course = simulate(drawn)
        if back is not None:
            at = plan.load + (seed + 0.5) / DRAWS * (course.makespan - plan.load)
            course = simulate(replace(drawn, losses=(Loss(0, at, at + back),)))
        found.append(course)
    return Course(*(float(np.mean([getattr(one, item.name) for one in found])) for item in fields(Course)))


def costs(options: argparse.Namespace) -> list[tuple[str, Course]]:
    """A row for a run without a loss, and one for each way of losing a machine."""
    plan = Plan((), options.machines, options.workers, options.load, noticed=options.noticed)
    work = (options.jobs, options.seconds, options.spread)
    cases = {
        "none": None,
        "one, back at once": 0.0,
        "one, back after ten minutes": 600.0,
        "one for good": math.inf,
    }
    return [(name, mean_course(*work, plan, back)) for name, back in cases.items()]


def main(arguments: list[str] | None = None) -> None:
    options = parse(arguments)
    rows = costs(options)
    ideal = options.jobs * options.seconds / (options.machines * options.workers)
    table = Table(
        "machine lost", "makespan, s", "over jobs × seconds / workers", "work lost, s", "loading, s"
    )
    for name, course in rows:
        over = f"{course.makespan / ideal - 1:.1%}"
        table.add_row(name, f"{course.makespan:.0f}", over, f"{course.lost:.0f}", f"{course.loading:.0f}")
    out.print(table)


def parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.behaviours.scheduler",
        description=__doc__,
        formatter_class=argparse.RawTextHelpFormatter,
    )
    parser.add_argument("--jobs", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=60.0, help="of a job, on one worker, on average")
    parser.add_argument("--spread", type=float, default=0.5, help="standard deviation over mean")
    parser.add_argument("--machines", type=int, default=4)
    parser.add_argument("--workers", type=int, default=2, help="on each machine")
    parser.add_argument("--load", type=float, default=90.0, help="seconds that a worker loads")
    parser.add_argument("--noticed", type=float, default=30.0, help="seconds until a loss is noticed")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
