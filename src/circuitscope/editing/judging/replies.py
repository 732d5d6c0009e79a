"""Replies: what an endpoint has answered, kept line by line, so that a stopped run continues without asking again.

A reply belongs to the SHA-256 of the request: the address, the model and every word of the messages. The key is not
part of it.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

from circuitscope.runs import explained_disk


class Replies:
    """A file of JSON lines, only ever added to; a line that a kill cut short is left out."""

    def __init__(self, path: Path | None) -> None:
        """
        Args:
            path: the file; None keeps replies in memory only.
        """
        self._path = path
        self._known = dict(_read(path)) if path is not None else {}

    def __len__(self) -> int:
        return len(self._known)

    def get(self, request: str) -> str | None:
        return self._known.get(request)

    def put(self, request: str, reply: str) -> None:
        """Keep a reply; it is on the disk when this returns."""
        self._known[request] = reply
        if self._path is None:
            return
        with explained_disk(self._path), self._path.open("ab") as file:
            line = json.dumps({"request": request, "reply": reply}, ensure_ascii=True).encode()
            file.write(
                b"\n" * (file.tell() > 0) + line
            )  # in front: what a kill cut short stays a line of its own
            file.flush()
            os.fsync(file.fileno())


def _read(path: Path) -> list[tuple[str, str]]:
    if not path.is_file():
        return []
    found = []
    for line in path.read_text(encoding="utf-8", errors="replace").split("\n"):
        try:
            value = json.loads(line)
            found.append((str(value["request"]), str(value["reply"])))
        except (ValueError, LookupError, TypeError):
            continue
    return found
