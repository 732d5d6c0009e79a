"""The inside of a Ray actor: load once, then do the units that come.

Ray calls the methods in two threads, so that the engine hears how far a unit is while it is being done.
"""

from __future__ import annotations

import logging
import os
from collections import deque
from socket import gethostname
from threading import Condition
from typing import Any

from circuitscope.errors import CircuitscopeError
from circuitscope.work.engine import Outcome, Setup, attempt
from circuitscope.work.progress import shown
from circuitscope.work.units import Unit
from circuitscope.work.worker import send_messages, shown_error, teller

log = logging.getLogger("circuitscope")

Message = tuple[int, str, Any]
"""(number, kind, value); numbers go up."""

LISTEN = 5.0
"""Seconds that a question for news waits for some."""


class Mailbox:
    """A line on which messages wait until the engine has said that it has them."""

    def __init__(self) -> None:
        self._change = Condition()
        self._messages: deque[Message] = deque()
        self._sent = 0
        self._busy = False

    def send(self, kind: str, value: Any = None) -> None:
        with self._change:
            self._sent += 1
            self._messages.append((self._sent, kind, value))
            self._change.notify_all()

    def busy(self, busy: bool) -> None:
        """Whether there is more to come; whoever waits is told."""
        with self._change:
            self._busy = busy
            self._change.notify_all()

    def after(self, heard: int, seconds: float = 0.0) -> list[Message]:
        """The messages with higher numbers; lower ones are dropped. Waits for one if there may be one."""
        with self._change:
            while self._messages and self._messages[0][0] <= heard:
                self._messages.popleft()
            self._change.wait_for(lambda: self._messages or not self._busy, seconds)
            return list(self._messages)


class RayWorker:
    """A worker; each of its methods is called by the engine, through Ray."""

    def __init__(self, folder: str, level: int) -> None:
        """Work in the engine's folder, so that relative paths lead to the same.

        Args:
            level: messages of the log from this level on are sent.
        """
        self._mail = Mailbox()
        self._loaded: Any = None
        self._ready = False
        send_messages(self._mail, level)
        try:
            os.chdir(folder)
        except OSError:
            log.warning("there is no folder %s on %s; relative paths lead elsewhere", folder, gethostname())

    def load(self, setup: Setup[Any], heard: int) -> tuple[CircuitscopeError | None, list[Message]]:
        """Load what the units share, unless it is there; returns the error if that fails."""
        try:
            if not self._ready:
                self._loaded, self._ready = setup(), True
        except Exception as error:
            return shown_error(error), self._mail.after(heard)
        return None, self._mail.after(heard)

    def do(self, unit: Unit[Any, Any], heard: int) -> tuple[Outcome[Any], list[Message]]:
        """Do a unit; returns its outcome, and what has not been heard yet."""
        self._mail.busy(True)
        try:
            with shown(teller(self._mail)):
                return attempt(unit, self._loaded), self._mail.after(heard)
        finally:
            self._mail.busy(False)

    def news(self, heard: int) -> list[Message]:
        """What was said after the message with that number, as soon as there is something."""
        return self._mail.after(heard, LISTEN)
