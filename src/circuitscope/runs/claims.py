"""Claims: of the processes that want to write a result, one does, and the others know who.

A claim is a lock of the operating system on a small file, in which the owner's host and process stand. The system
takes it back when the owner ends, however it ends, so there are no stale claims. This holds between processes of a
machine always, and between machines on file systems whose locks reach across them (NFS since version 4, Lustre and
GPFS where locking is on); NFS takes the claim of a machine that was lost back after its lease, about 90 seconds.
"""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from circuitscope.errors import BadFile
from circuitscope.runs.files import explained_disk


@dataclass(frozen=True)
class Owner:
    """Who has a claim."""

    host: str
    process: int

    def __str__(self) -> str:
        """``process 4711 on node-3``."""
        return f"process {self.process} on {self.host}"


@contextmanager
def claim(path: Path) -> Iterator[bool]:
    """Whether this process has the claim whose file is at ``path``, for the length of the block."""
    with explained_disk(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        file = _locked(path)
    if file is None:
        yield False
        return
    with file:
        try:
            yield True
        finally:
            path.unlink(
                missing_ok=True
            )  # before the lock goes: whoever opened it meanwhile sees that it is gone


def owner_of(path: Path) -> Owner | None:
    """Who has a claim; None if nobody has, or if it is just being taken or given up."""
    if not path.exists():
        return None
    with claim(path) as mine:
        if mine:
            return None
        with suppress(OSError, ValueError, TypeError):
            return Owner(**json.loads(path.read_text()))
    return None


def _locked(path: Path) -> IO[str] | None:
    """The file at ``path``, locked by this process; None if another has it."""
    from fcntl import LOCK_EX, LOCK_NB, flock

    while True:
        file = path.open("a+")
        try:
            flock(file, LOCK_EX | LOCK_NB)
            if _is_at(file, path):
                _sign(file)
                return file
        except BlockingIOError:
            file.close()
            return None
        except OSError as error:
            file.close()
            raise BadFile(
                f"{path} cannot be locked: {error.strerror}",
                expected="a file system with locks, so that no two processes do the same",
                mend="choose another folder, or have locks switched on where it is mounted",
            ) from error
        file.close()  # its owner gave it up and removed it between opening and locking


def _is_at(file: IO[str], path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False


def _sign(file: IO[str]) -> None:
    file.truncate(0)
    file.write(json.dumps({"host": socket.gethostname(), "process": os.getpid()}))
    file.flush()
