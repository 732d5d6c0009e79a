"""An endpoint is asked with patience, and its key goes nowhere else: against a server in this process."""

from __future__ import annotations

import json
import logging
from dataclasses import replace
from typing import Any

import pytest
from endpoint_server import Server, completion, serving
from judged_circuits import circuit, features

from circuitscope.editing.judging import Endpoint, judge_by_endpoint
from circuitscope.editing.judging.endpoint import key_from
from circuitscope.editing.judging.prompt import read_answer
from circuitscope.editing.judging.replies import Replies
from circuitscope.errors import BadInput
from circuitscope.results import AUTOMATIC, MarkedContext

KEY = "sk-secret-1234"
GOOD = '{"verdict": "remove", "reason": "it is about\\ngender"}'


@pytest.fixture
def server():
    with serving() as state:
        state.key = KEY
        yield state


def endpoint(server: Server, **changed: Any) -> Endpoint:
    waited = changed.pop("waited", [])
    settings = {"key": KEY, "sleep": waited.append, "retries": 3, **changed}
    return Endpoint(server.url, "some-model", **settings)


MESSAGES = [{"role": "user", "content": "which?"}]


def test_the_question_is_sent_as_the_interface_wants_it(server):
    server.will_say("an answer")
    assert endpoint(server, temperature=0.0).reply(MESSAGES) == "an answer"
    ((path, headers, body),) = server.asked
    assert path == "/v1/chat/completions"
    assert headers["Authorization"] == f"Bearer {KEY}"
    assert body == {"model": "some-model", "messages": MESSAGES, "temperature": 0.0}


def test_without_a_key_none_is_sent(server):
    server.will_say("an answer")
    endpoint(server, key="").reply(MESSAGES)
    assert "Authorization" not in server.asked[0][1]


def test_a_busy_server_is_asked_again_after_longer_and_longer_pauses(server, caplog):
    server.will_say(500, 429, 503, "at last")
    waited: list[float] = []
    with caplog.at_level(logging.WARNING, "circuitscope"):
        assert endpoint(server, waited=waited).reply(MESSAGES) == "at last"
    assert waited == [1.0, 2.0, 4.0]
    assert "asking again" in caplog.text
    assert KEY not in caplog.text


@pytest.mark.parametrize(
    ("header", "pause"), [("7", 7.0), ("9999", 60.0), ("Wed, 21 Oct 2015 07:28:00 GMT", 1.0)]
)
def test_the_pause_that_a_server_asks_for_is_kept(server, header, pause):
    server.will_say((429, b"", {"Retry-After": header}), "at last")
    waited: list[float] = []
    endpoint(server, waited=waited).reply(MESSAGES)
    assert waited == [pause]


@pytest.mark.parametrize(
    "bad", [b"no json", b"{}", b'{"choices": []}', b'{"choices": [{"message": {"content": null}}]}', b"[" * 9]
)
def test_a_bad_answer_is_asked_for_again_and_then_given_up(server, bad):
    server.will_say(bad, "at last")
    assert endpoint(server).reply(MESSAGES) == "at last"
    server.answers[:] = []
    server.will_say(bad)
    with pytest.raises(BadInput, match="did not answer in 4 attempts"):
        endpoint(server).reply(MESSAGES)


@pytest.mark.parametrize("status", [400, 401, 403, 404])
def test_a_refusal_is_final_and_does_not_show_the_key(server, status):
    server.will_say(status)
    with pytest.raises(BadInput, match=f"refused the question with status {status}: no: …") as error:
        endpoint(server).reply(MESSAGES)
    assert len(server.asked) == 1
    assert KEY not in str(error.value)


def test_a_redirect_is_not_followed(server):
    server.will_say((302, b"", {"Location": "http://127.0.0.1:9/elsewhere"}))
    with pytest.raises(BadInput, match="status 302"):
        endpoint(server).reply(MESSAGES)


def test_a_slow_server_is_not_waited_for(server):
    server.slow = 0.6
    server.will_say("too late", "in time")
    assert endpoint(server, timeout=0.2).reply(MESSAGES) in ("too late", "in time")
    assert len(server.asked) == 2


def test_a_server_that_is_not_there_is_named():
    waited: list[float] = []
    gone = Endpoint("http://127.0.0.1:9/v1", "m", retries=1, sleep=waited.append)
    with pytest.raises(BadInput, match=r"127\.0\.0\.1:9 did not answer in 2 attempts"):
        gone.reply(MESSAGES)
    assert waited == [1.0]


def test_an_answer_without_end_is_refused(server):
    server.will_say(completion("x" * 2**21))
    with pytest.raises(BadInput, match="does not end"):
        endpoint(server, retries=0).reply(MESSAGES)


def test_the_key_is_shown_nowhere(server):
    server.will_say(f"my key is {KEY}")
    asked = endpoint(server)
    assert KEY not in repr(asked)
    assert KEY not in json.dumps(asked.request(MESSAGES))
    assert asked.reply(MESSAGES) == "my key is …"


@pytest.mark.parametrize("key", ["sk secret", "sk\nsecret", "ключ"])
def test_a_key_that_no_header_can_carry_is_refused_unseen(key):
    with pytest.raises(BadInput, match="no header can carry") as error:
        Endpoint("https://example.com/v1", "m", key)
    assert key not in str(error.value)


def test_the_key_comes_from_the_environment(monkeypatch):
    monkeypatch.setenv("MY_KEY", f" {KEY}\n")
    assert key_from("MY_KEY") == KEY
    assert key_from("") == ""
    monkeypatch.delenv("MY_KEY")
    with pytest.raises(BadInput, match="MY_KEY is empty or not set"):
        key_from("MY_KEY")


@pytest.mark.parametrize(
    "address",
    ["localhost:8000", "ftp://x/v1", "http://", "http://u:p@x/v1", "http://x/v1?key=1", "http://x:y/"],
)
def test_bad_addresses_are_refused(address):
    with pytest.raises(BadInput):
        Endpoint(address, "m")


def test_a_key_does_not_go_over_an_open_line():
    with pytest.raises(BadInput, match="anyone on the way can read"):
        Endpoint("http://example.com/v1", "m", KEY)
    Endpoint("http://example.com/v1", "m")
    Endpoint("http://localhost:8000/v1", "m", KEY)


# -- as a judge ------------------------------------------------------------------------------------------


def to_be_judged():
    """Three features whose contexts differ, so that each is a question of its own."""
    return [
        replace(item, contexts=(MarkedContext(f"text {number} the", " nurse", " said", 2.0),))
        for number, item in enumerate(features(circuit()))
    ]


def test_an_endpoint_judges_every_feature(server):
    server.will_say(GOOD, f"Let me think.\n```json\n{GOOD.replace('remove', 'keep')}\n```", "verdict: unsure")
    found = judge_by_endpoint(to_be_judged(), endpoint(server), "Tell a nurse from a professor.")
    assert [item.verdict for item in found] == ["remove", "keep", "unsure"]
    assert found[0].note == "it is about gender"
    assert {item.who for item in found} == {f"{AUTOMATIC}some-model at {server.url[7:-3]}"}
    question = server.asked[0][2]["messages"][-1]["content"]
    for part in ("Tell a nurse from a professor.", "the« nurse» said", '" said"'):
        assert part in question
    assert "resid" not in question  # where a feature lies is nothing that tells what it is about


def test_what_is_no_verdict_is_asked_for_again_then_unsure(server):
    server.will_say("I would rather not.", GOOD, "No.")
    found = judge_by_endpoint(to_be_judged()[:2], endpoint(server), "a task")
    assert [item.verdict for item in found] == ["remove", "unsure"]
    assert len(server.asked) == 5
    assert [message["role"] for message in server.asked[1][2]["messages"]] == [
        "system", "user", "assistant", "user",
    ]  # fmt: skip


def test_a_stopped_judge_goes_on_without_asking_again(server, tmp_path):
    server.will_say(GOOD, GOOD, 401)
    place = tmp_path / "replies.jsonl"
    with pytest.raises(BadInput, match="401"):
        judge_by_endpoint(to_be_judged(), endpoint(server), "a task", replies=Replies(place))
    with place.open("ab") as file:
        file.write(b'\n{"request": "cut by a ki')
    server.answers[:] = []
    server.will_say(GOOD)
    found = judge_by_endpoint(to_be_judged(), endpoint(server), "a task", replies=Replies(place))
    assert [item.verdict for item in found] == ["remove"] * 3
    assert len(server.asked) == 4
    assert len(Replies(place)) == 3
    assert KEY not in place.read_text()


@pytest.mark.parametrize(
    ("reply", "verdict"),
    [
        (GOOD, "remove"),
        ('{"verdict": "keep"} or rather {"verdict": "unsure", "reason": ""}', "unsure"),
        ("**Verdict: Keep**", "keep"),
        ("verdict: keep\nverdict: remove", None),
        ('{"verdict": "yes"}', None),
        ("I would keep it.", None),
        ("", None),
    ],
)
def test_reading_a_reply(reply, verdict):
    answer = read_answer(reply)
    assert (answer.verdict if answer else None) == verdict
