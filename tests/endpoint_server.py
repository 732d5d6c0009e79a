"""A stand-in for an OpenAI-compatible endpoint: a real server in this process that says what a test wants."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


def completion(text: str) -> bytes:
    return json.dumps({"choices": [{"message": {"role": "assistant", "content": text}}]}).encode()


@dataclass
class Server:
    """Answers with what it is told to, in turn, the last one for ever; remembers what it was asked."""

    url: str = ""
    key: str = ""
    """What a refusal repeats, as some servers do."""
    answers: list[tuple[int, bytes, dict[str, str]]] = field(default_factory=list)
    asked: list[tuple[str, dict[str, str], dict[str, Any]]] = field(default_factory=list)
    slow: float = 0.0
    """Seconds before the first answer."""

    def will_say(self, *answers: str | bytes | int | tuple[int, bytes, dict[str, str]]) -> None:
        for answer in answers:
            if isinstance(answer, str):
                answer = (200, completion(answer), {})
            elif isinstance(answer, bytes):
                answer = (200, answer, {})
            elif isinstance(answer, int):
                answer = (answer, f"no: {self.key}".encode(), {})
            self.answers.append(answer)


@contextmanager
def serving() -> Iterator[Server]:
    """A server on this computer as long as the block runs."""
    state = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            state.asked.append((self.path, dict(self.headers), json.loads(body)))
            if state.slow and len(state.asked) == 1:
                time.sleep(state.slow)
            status, answer, headers = state.answers.pop(0) if len(state.answers) > 1 else state.answers[0]
            try:
                self.send_response(status)
                for name, value in {"Content-Length": str(len(answer)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(answer)
            except BrokenPipeError:  # whoever asked has stopped waiting
                pass

        def log_message(self, *_):
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    state.url = f"http://127.0.0.1:{http.server_address[1]}/v1"
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield state
    http.shutdown()
    http.server_close()
    thread.join()
