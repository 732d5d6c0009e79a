"""Endpoint: one question to a language model behind an OpenAI-compatible address, with patience.

``POST {base_url}/chat/completions`` with the model's name and the messages; the answer is the first choice's text.
A server that is busy, slow or down is asked again after a pause that doubles each time (or that it asks for itself).
The key comes from an environment variable only; it is in no message, no file and no ``repr``, goes only to that
address (redirects are not followed) and never unencrypted to another computer.
"""

from __future__ import annotations

import http.client
import ipaddress
import json
import logging
import os
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from circuitscope.errors import BadInput, argument

Message = dict[str, str]
"""``role`` and ``content``."""

_LONGEST_REPLY = 2**20
_LONGEST_PAUSE = 60.0
_QUOTED = 300
_BUSY = (408, 409, 425, 429)
_log = logging.getLogger("circuitscope")


class _Again(Exception):
    """Something that may be different next time."""

    def __init__(self, why: str, pause: float | None = None) -> None:
        super().__init__(why)
        self.pause = pause


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        return None  # the answer becomes an error with its status


def key_from(variable: str) -> str:
    """The key in an environment variable; empty for no variable.

    Raises:
        BadInput: the variable is not set.
    """
    key = os.environ.get(variable, "").strip() if variable else ""
    if variable and not key:
        raise BadInput(
            f"the environment variable {variable} is empty or not set",
            expected="the endpoint's key in it",
            mend=f"export {variable}=…, or leave out {argument('key_variable')} for an endpoint that needs no key",
        )
    return key


@dataclass(frozen=True)
class Endpoint:
    """A language model to ask."""

    base_url: str
    """What comes before ``/chat/completions``, such as ``http://localhost:8000/v1``."""
    model: str
    """The model's name there."""
    key: str = field(default="", repr=False)
    temperature: float | None = None
    """None leaves it to the endpoint."""
    timeout: float = 60.0
    """Seconds for one answer."""
    retries: int = 4
    """How often to ask again after a failure."""
    pause: float = 1.0
    """Seconds before the first of these; doubled each time."""
    sleep: Callable[[float], None] = field(default=time.sleep, repr=False)

    def __post_init__(self) -> None:
        try:
            parts = urlsplit(self.base_url)
            _ = parts.port  # raises for one that is not a number
        except ValueError as error:
            raise BadInput(f"the endpoint's address cannot be read: {error}", expected=_ADDRESS) from error
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise BadInput(f"the endpoint {self.base_url!r}", expected=_ADDRESS)
        if parts.username or parts.password or parts.query or parts.fragment:
            raise BadInput(
                "the endpoint's address has a name, a password or a query in it",
                expected=_ADDRESS,
                mend=f"leave that out; a key comes from the environment ({argument('key_variable')})",
            )
        if not self.model:
            raise BadInput("no model is named", expected="the model's name at the endpoint")
        if not all("!" <= letter <= "~" for letter in self.key):  # HTTP's own complaint would quote the key
            raise BadInput(
                "the endpoint's key has blanks, line breaks or letters in it that no header can carry",
                expected="ASCII letters, digits and punctuation",
                mend=f"set the variable that {argument('key_variable')} names to the key and nothing else",
            )
        if self.timeout <= 0 or self.retries < 0 or self.pause < 0:
            raise BadInput(
                f"timeout {self.timeout:g}, retries {self.retries}, pause {self.pause:g}",
                expected="a timeout above 0, and retries and a pause of at least 0",
            )
        if self.key and parts.scheme == "http" and not self.is_local:
            raise BadInput(
                f"the key would go to {parts.hostname} over http, which anyone on the way can read",
                expected="https, or an endpoint on this computer",
                mend=f"use an https address, or leave out {argument('key_variable')} if it needs no key",
            )

    @property
    def host(self) -> str:
        return urlsplit(self.base_url).netloc

    @property
    def is_local(self) -> bool:
        """Whether it is on this computer."""
        name = urlsplit(self.base_url).hostname or ""
        try:
            return ipaddress.ip_address(name).is_loopback
        except ValueError:
            return name == "localhost" or name.endswith(".localhost")

    def request(self, messages: Sequence[Message]) -> dict[str, Any]:
        """What is sent, without the key."""
        sent: dict[str, Any] = {"model": self.model, "messages": list(messages)}
        return sent if self.temperature is None else {**sent, "temperature": self.temperature}

    def reply(self, messages: Sequence[Message]) -> str:
        """The model's answer.

        Raises:
            BadInput: the endpoint refuses the question, or does not answer however often it is asked.
        """
        pause, why = self.pause, ""
        for attempt in range(self.retries + 1):
            try:
                return self._without_key(self._ask(messages))
            except _Again as again:
                why = self._without_key(str(again))
                if attempt == self.retries:
                    break
                wait = min(_LONGEST_PAUSE, pause if again.pause is None else again.pause)
                _log.warning("the endpoint %s: %s; asking again in %.0f s", self.host, why, wait)
                self.sleep(wait)
                pause *= 2
        raise BadInput(
            f"the endpoint {self.host} did not answer in {self.retries + 1} attempts: {why}",
            expected=f"an answer from the model {self.model}",
            mend="check that it is running; the same command continues where this one stopped",
        )

    def _ask(self, messages: Sequence[Message]) -> str:
        url = self.base_url.rstrip("/") + "/chat/completions"
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        if self.key:
            headers["Authorization"] = f"Bearer {self.key}"
        request = urllib.request.Request(url, json.dumps(self.request(messages)).encode(), headers)
        deadline = time.monotonic() + self.timeout
        try:
            with _opener(self.is_local).open(request, timeout=self.timeout) as answer:
                return _text_of(_read(answer, deadline))
        except urllib.error.HTTPError as error:
            with error:
                self._refused(error, deadline)
        except (OSError, http.client.HTTPException) as error:  # timeouts and lost connections
            reason = getattr(error, "reason", None) or error
            raise _Again(f"{type(error).__name__}: {reason}") from None
        raise AssertionError("unreachable")

    def _refused(self, error: urllib.error.HTTPError, deadline: float) -> None:
        try:
            body = _read(error, deadline).decode("utf-8", "replace")
        except (OSError, http.client.HTTPException, _Again):
            body = ""
        said = self._without_key(" ".join(body.split()))[:_QUOTED]
        if error.code in _BUSY or error.code >= 500:
            raise _Again(f"status {error.code} {said}".strip(), _seconds(error.headers.get("Retry-After")))
        raise BadInput(
            f"the endpoint {self.host} refused the question with status {error.code}: {said or error.reason}",
            expected=f"an answer from the model {self.model}",
            mend=f"check {argument('endpoint')}, {argument('model_name')} and {argument('key_variable')}",
        ) from None

    def _without_key(self, text: str) -> str:
        return text.replace(self.key, "…") if self.key else text


_ADDRESS = "an address such as http://localhost:8000/v1"


def _opener(is_local: bool) -> urllib.request.OpenerDirector:
    """No redirects; and no proxy on the way to this computer itself."""
    handlers: list[urllib.request.BaseHandler] = [_NoRedirect()]
    if is_local:
        handlers.append(urllib.request.ProxyHandler({}))
    return urllib.request.build_opener(*handlers)


def _read(answer: Any, deadline: float) -> bytes:
    """The body, unless it grows without end or takes longer than is allowed."""
    body = b""
    while part := answer.read1(2**16):
        body += part
        if len(body) > _LONGEST_REPLY:
            raise _Again("the answer does not end")
        if time.monotonic() > deadline:
            raise _Again("the answer took too long")
    return body


def _text_of(body: bytes) -> str:
    try:
        content = json.loads(body)["choices"][0]["message"]["content"]
    except (ValueError, LookupError, TypeError):
        raise _Again("the answer does not have the form of a chat completion") from None
    if not isinstance(content, str):
        raise _Again("the answer has no text")
    return content


def _seconds(header: str | None) -> float | None:
    """``Retry-After`` if it is a number of seconds."""
    try:
        return max(0.0, float(header)) if header else None
    except ValueError:
        return None
