"""How work is done: progress, and units of work whose results are kept so that a stopped run goes on."""

from circuitscope.work.partial import Arrays, Batches, InMemory, Partial, partial_folder
from circuitscope.work.progress import Progress, silent

__all__ = ["Arrays", "Batches", "InMemory", "Partial", "Progress", "partial_folder", "silent"]
