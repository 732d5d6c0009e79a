"""Jobs: units of work whose results are folders, so that work by the thousand can stop and go on anywhere.

    FOLDER/NAME/              the result of a job, with its manifest
    FOLDER/.failed/NAME.json  why a job has failed
    FOLDER/.claims/NAME       who is doing it now

1. Take the jobs that are neither done (the folder is there, and was made from what the job is made from now) nor
   recorded as failed.
2. Do them with an engine. Whoever does one claims it, looks once more whether it is done, and writes its folder
   whole or not at all; an error is recorded.
3. Wait for those that another process has claimed, and do what it leaves.

So any number of programs may work on one folder, each may be killed at any moment, and the same call goes on: a job
that is done is not done again, nor by two at once (as far as claims reach, see ``circuitscope.runs.claims``). What a
killed worker had of a job that was not done is lost.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Generic

from circuitscope.errors import BadFile, BadInput
from circuitscope.runs import (
    DONE,
    MADE_FROM,
    MANIFEST,
    OUT_OF_DATE,
    TO_DO,
    Owner,
    claim,
    clear_leftovers,
    explained_disk,
    new_folder,
    owner_of,
    read_json,
    write_json,
    write_manifest,
)
from circuitscope.work.engine import Engine, Failure, Outcome, Setup, check_names
from circuitscope.work.progress import Progress, silent
from circuitscope.work.units import Loaded, Unit

FAILED = "failed"
"""The state of a job that has failed; the others are those of a run's stages."""
GRACE = 5.0
"""Seconds that workers have to end when they are stopped."""
WAIT = 0.5
"""Seconds between two looks at jobs that other processes do."""

_NAME = re.compile(r"\w[\w-]*")


@dataclass(frozen=True)
class FolderJob(Generic[Loaded]):
    """One folder to be made."""

    name: str
    """Of the folder."""
    write: Callable[[Loaded, Path], Mapping[str, Any] | None]
    """Fills the folder with what all jobs share; may return what else its manifest says. Like the ``do`` of a unit, a
    function of a module or ``functools.partial`` of one."""
    made_from: Mapping[str, str] = field(default_factory=dict)
    """What it is made from: name → hash. A folder that was made from anything else is made again."""


@dataclass(frozen=True)
class JobState:
    """Where a job stands."""

    state: str
    """``done``, ``out of date``, ``to do`` or ``failed``."""
    failure: Failure | None = None
    owner: Owner | None = None
    """Who is doing it now."""


@dataclass(frozen=True)
class FolderJobs(Generic[Loaded]):
    """The jobs of a folder."""

    folder: Path
    kind: str
    """Of each job's folder, for its manifest."""
    jobs: Sequence[FolderJob[Loaded]]

    def __post_init__(self) -> None:
        check_names(self.jobs, "job")
        for job in self.jobs:
            if not _NAME.fullmatch(job.name):
                raise BadInput(f"a job called {job.name!r}", expected="letters, digits, _ and -")

    def states(self) -> dict[str, JobState]:
        """Where each job stands."""
        return {job.name: JobState(*self._standing(job), owner_of(self._claim(job))) for job in self.jobs}

    def run(
        self,
        setup: Setup[Loaded],
        engine: Engine,
        *,
        retry_failed: bool = False,
        progress: Progress = silent,
        what: str = "jobs",
    ) -> list[Outcome[Path]]:
        """Do what is to be done; returns the folder or the failure of every job, in their order.

        Args:
            retry_failed: also do those that are recorded as failed.

        Raises:
            CircuitscopeError: the setup failed, or a failure could not be recorded.
        """
        if retry_failed:
            for job in self.jobs:
                self._failed(job).unlink(missing_ok=True)
        left = self._unsettled(self.jobs)
        while left:
            progress(len(self.jobs) - len(left), len(self.jobs), what)
            free = [job for job in left if owner_of(self._claim(job)) is None]
            if free:
                self._do(free, setup, engine, progress, what)
            else:
                time.sleep(WAIT)
            left = self._unsettled(left)
        self._clear_drafts()  # of workers that were killed by a job that is recorded as failed
        progress(len(self.jobs), len(self.jobs), what)
        return [
            Outcome(job.name, self.folder / job.name if failure is None else None, failure)
            for job in self.jobs
            for _, failure in [self._standing(job)]
        ]

    # -- where a job stands ------------------------------------------------------------------------------

    def _standing(self, job: FolderJob[Loaded]) -> tuple[str, Failure | None]:
        made_from = dict(job.made_from)
        found = _made_from(self.folder / job.name / MANIFEST, self.kind)
        if found == made_from:
            return DONE, None
        failure = _read_failure(self._failed(job), made_from)
        if failure is not None:
            return FAILED, failure
        return TO_DO if found is None else OUT_OF_DATE, None

    def _settled(self, job: FolderJob[Loaded]) -> bool:
        return self._standing(job)[0] in (DONE, FAILED)

    def _unsettled(self, jobs: Sequence[FolderJob[Loaded]]) -> list[FolderJob[Loaded]]:
        return [job for job in jobs if not self._settled(job)]

    def _claim(self, job: FolderJob[Loaded]) -> Path:
        return self.folder / ".claims" / job.name

    def _failed(self, job: FolderJob[Loaded]) -> Path:
        return self.folder / ".failed" / f"{job.name}.json"

    # -- doing them --------------------------------------------------------------------------------------

    def _do(
        self,
        jobs: Sequence[FolderJob[Loaded]],
        setup: Setup[Loaded],
        engine: Engine,
        progress: Progress,
        what: str,
    ) -> None:
        earlier, total = len(self.jobs) - len(jobs), len(self.jobs)

        def of_all(done: int, of: int, doing: str) -> None:
            progress(*((done + earlier, total) if doing == what else (done, of)), doing)

        alone = [FolderJobs(self.folder, self.kind, [job]) for job in jobs]
        units = [Unit(job.name, partial(_do_one, jobs=one)) for job, one in zip(jobs, alone, strict=True)]
        with self._left_clean(), closing(engine.run(setup, units, progress=of_all, what=what)) as outcomes:
            for job, outcome in zip(jobs, outcomes, strict=True):
                if outcome.failure is not None:  # recorded, unless its worker was killed
                    self._record(job, outcome.failure)

    def _record(self, job: FolderJob[Loaded], failure: Failure) -> None:
        with claim(self._claim(job)) as mine:
            if mine and not self._settled(job):
                self._write_failure(job, failure)

    def _write_failure(self, job: FolderJob[Loaded], failure: Failure) -> None:
        path = self._failed(job)
        with explained_disk(path):
            path.parent.mkdir(parents=True, exist_ok=True)
        write_json(path, {**asdict(failure), MADE_FROM: dict(job.made_from)})

    @contextmanager
    def _left_clean(self) -> Iterator[None]:
        """If the engine is stopped, clear up what its workers were writing, as soon as they are gone."""
        try:
            yield
        except BaseException:
            deadline = time.monotonic() + GRACE
            while self._clear_drafts() and time.monotonic() < deadline:
                time.sleep(WAIT / 10)
            raise

    def _clear_drafts(self) -> bool:
        """Clear up the drafts of jobs that nobody is doing; whether somebody is doing any."""
        drafts = {path.name.split(".")[1] for path in self.folder.glob(".*.tmp")}
        claimed = False
        for job in self.jobs:
            if job.name in drafts:
                with claim(self._claim(job)) as mine:
                    claimed = claimed or not mine
                    if mine:
                        clear_leftovers(self.folder / job.name, claimed=True)
        return claimed


def _do_one(loaded: Loaded, *, jobs: FolderJobs[Loaded]) -> None:
    """Do the only one of some jobs, unless another process has done it or is doing it."""
    (job,) = jobs.jobs
    with claim(jobs._claim(job)) as mine:
        if not mine or jobs._settled(job):
            return
        try:
            with new_folder(jobs.folder / job.name, overwrite=True, claimed=True) as draft:
                content = dict(job.write(loaded, draft) or {})
                write_manifest(draft, jobs.kind, {**content, MADE_FROM: dict(job.made_from)})
        except Exception as error:
            jobs._write_failure(job, Failure.of(error))
            raise
        jobs._failed(job).unlink(missing_ok=True)  # from when it was made from something else


def _made_from(path: Path, kind: str) -> dict[str, str] | None:
    """What a folder was made from, as its manifest says; None if it is not there, or of another kind."""
    try:
        manifest = read_json(path)
    except BadFile:
        return None
    found = manifest.get(MADE_FROM) if isinstance(manifest, dict) and manifest.get("kind") == kind else None
    return dict(found) if isinstance(found, dict) else None


def _read_failure(path: Path, made_from: Mapping[str, str]) -> Failure | None:
    """A recorded failure of a job that was made from the same."""
    try:
        found = read_json(path)
    except BadFile:
        return None
    if not isinstance(found, dict) or found.get(MADE_FROM) != made_from:
        return None
    return Failure(str(found.get("kind")), str(found.get("text")))
