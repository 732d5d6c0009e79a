"""judge_by_endpoint: a language model of the user's choice as the judge. It is not a person, and the sheet says so.

It is asked about one feature at a time and told the task, the contexts and the promoted and suppressed tokens, which
a person sees too. If a reply is not a verdict, it is asked again, ``ATTEMPTS`` times in all; then the feature is
``unsure``. Replies are kept, so that the same command continues after a kill.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from circuitscope.editing.judging.endpoint import Endpoint, Message
from circuitscope.editing.judging.prompt import Answer, again, question, read_answer
from circuitscope.editing.judging.replies import Replies
from circuitscope.results import AUTOMATIC, JudgedFeature
from circuitscope.runs import hash_json
from circuitscope.work import Progress, silent
from circuitscope.workspace import now

ATTEMPTS = 3


def judge_by_endpoint(
    features: Sequence[JudgedFeature],
    endpoint: Endpoint,
    task: str,
    *,
    replies: Replies | None = None,
    progress: Progress = silent,
) -> list[JudgedFeature]:
    """The features with the verdicts of a language model; see this module's text. Earlier verdicts are replaced.

    Args:
        task: what the classifier is meant to do, in a sentence.
        replies: what was answered earlier; added to.
        progress: called with (done, total, what).

    Raises:
        BadInput: the endpoint does not answer.
    """
    known = Replies(None) if replies is None else replies
    who = f"{AUTOMATIC}{endpoint.model} at {endpoint.host}"
    found = []
    for number, item in enumerate(features):
        progress(number, len(features), "asking the endpoint")
        answer = _answer(endpoint, known, question(item, task))
        found.append(replace(item, verdict=answer.verdict, note=answer.reason, who=who, when=now()))
    progress(len(features), len(features), "asking the endpoint")
    return found


def _answer(endpoint: Endpoint, replies: Replies, messages: list[Message]) -> Answer:
    for _ in range(ATTEMPTS):
        request = hash_json([endpoint.base_url.rstrip("/"), endpoint.request(messages)])
        reply = replies.get(request)
        if reply is None:
            reply = endpoint.reply(messages)
            replies.put(request, reply)
        answer = read_answer(reply)
        if answer is not None:
            return answer
        messages = again(messages, reply)
    return Answer("unsure", f"no verdict in {ATTEMPTS} replies")
