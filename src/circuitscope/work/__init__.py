"""How work is done: progress; units of work, whose results are kept so that a stopped run continues; engines."""

from circuitscope.work.engine import (
    NOTHING_SHARED,
    Engine,
    Failure,
    InProcess,
    Outcome,
    Setup,
    attempt,
    engine_for,
    refuse_failures,
)
from circuitscope.work.jobs import FAILED, FolderJob, FolderJobs, JobState
from circuitscope.work.partial import Arrays, Batches, InMemory, Partial, Prefixed, partial_folder
from circuitscope.work.processes import WorkerProcesses
from circuitscope.work.progress import Progress, labelled, shown, silent, step
from circuitscope.work.ray_engine import RayWorkers
from circuitscope.work.units import Unit, finished, kept_or_done

__all__ = [
    "FAILED",
    "NOTHING_SHARED",
    "Arrays",
    "Batches",
    "Engine",
    "Failure",
    "FolderJob",
    "FolderJobs",
    "InMemory",
    "InProcess",
    "JobState",
    "Outcome",
    "Partial",
    "Prefixed",
    "Progress",
    "RayWorkers",
    "Setup",
    "Unit",
    "WorkerProcesses",
    "attempt",
    "engine_for",
    "finished",
    "kept_or_done",
    "labelled",
    "partial_folder",
    "refuse_failures",
    "shown",
    "silent",
    "step",
]
