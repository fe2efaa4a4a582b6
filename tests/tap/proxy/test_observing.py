"""What is noted of the responses that pass, and that it never gets in their way."""

from __future__ import annotations

import asyncio
import gc
import json
import logging
from types import FunctionType, ModuleType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.gateway.readings import Envelope, Observation, Source
from exporter.tap.datagram import MAX_MODEL
from exporter.tap.proxy.limits import PEEK_SECONDS, TICK
from exporter.tap.proxy.models import model_of_events, model_of_json
from exporter.traffic import ProxyOutcome
from tests.tap.proxy.scene import KEY, MASKED, OK, Scene, scene

pytestmark = pytest.mark.anyio

ASKED = b"GET / HTTP/1.1\r\nHost: localhost\r\nx-api-key: %b\r\n\r\n" % KEY.encode()
QUOTA = (
    b"X-RateLimit-Limit: 20.00\r\nx-ratelimit-remaining: 12.5\r\nX-RateLimit-Reset: 1779372000\r\n"
    b"X-Quota-Remaining-Credits: 192.40\r\nX-Org-Quota-Remaining-Credits: 7\r\n"
)
JSON = b"Content-Type: application/json; charset=utf-8\r\n"
EVENTS = b"Content-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n"


def answer(body: bytes, headers: bytes = JSON, status: bytes = b"200 OK") -> bytes:
    length = b"Content-Length: %d\r\n" % len(body)
    return b"HTTP/1.1 %b\r\n%b%b\r\n%b" % (status, headers, length, body)


async def seen(made: Scene, sent: bytes, request: bytes = ASKED) -> Observation:
    client, gateway = await made.asked(request)
    gateway.send(sent)
    await client.exactly(len(sent))
    await made.until(lambda: made.seen)
    (observation,) = made.seen
    return observation


async def test_the_envelope_is_read_whatever_the_status() -> None:
    async with scene() as made:
        observation = await seen(made, answer(b"", QUOTA, b"402 Payment Required"))
        assert observation == Observation(
            Source.PROXY,
            402,
            Envelope(
                made.clock.now(), MASKED, 20 * 10**9, 12_500_000_000, 1_779_372_000.0,
                192_400_000_000, 7 * 10**9,
            ),
        )  # fmt: skip


async def test_a_response_without_quota_headers_is_one_all_the_same() -> None:
    async with scene() as made:
        observation = await seen(made, OK)
        assert observation == Observation(Source.PROXY, 200, Envelope(made.clock.now(), MASKED))


@pytest.mark.parametrize(
    ("headers", "masked"),
    [
        (b"Authorization: Bearer sk-byts-0123456789ab9f3c", MASKED),
        (b"authorization: bearer  sk-byts-0123456789ab9f3c ", MASKED),
        (b"Authorization: Bearer sk-byts-zzzzzzzzzzzz0000\r\nX-Api-Key: %b" % KEY.encode(), MASKED),
        (b"X-Api-Key: %b\r\nAuthorization: Bearer sk-byts-zzzzzzzzzzzz0000" % KEY.encode(), MASKED),
        (b"X-Api-Key: \r\nAuthorization: Bearer %b" % KEY.encode(), MASKED),
        (b"X-Api-Key: another-spelling-9f3c", "…9f3c"),
        (b"X-Api-Key: short", "…"),
    ],
)
async def test_a_key_is_known_by_its_masked_form(headers: bytes, masked: str) -> None:
    async with scene() as made:
        request = b"GET / HTTP/1.1\r\nHost: localhost\r\n%b\r\n\r\n" % headers
        assert (await seen(made, OK, request)).envelope.key_id == masked


@pytest.mark.parametrize(
    "headers",
    [b"A: b", b"Authorization: Basic YTpi", b"Authorization: Bearer ", b"X-Api-Key: \xff\xff",
     b"Authorization: sk-byts-0123456789ab9f3c"],
)  # fmt: skip
async def test_a_response_to_nobody_known_is_not_observed(headers: bytes) -> None:
    async with scene() as made:
        client, gateway = await made.asked(
            b"GET / HTTP/1.1\r\nHost: localhost\r\n%b\r\n\r\n" % headers
        )
        gateway.send(answer(b"", QUOTA))
        await client.head()
        await made.ended(ProxyOutcome.ANSWERED)
        assert made.seen == []


async def test_an_answer_of_the_proxy_itself_is_not_observed() -> None:
    async with scene() as made:
        client, gateway = await made.asked(ASKED)
        gateway.close()
        await client.rest()
        assert made.seen == []


async def test_a_quota_header_that_says_two_things_says_nothing() -> None:
    async with scene() as made:
        twice = b"X-RateLimit-Limit: 1\r\nX-RateLimit-Limit: 2\r\nX-RateLimit-Remaining: 1\r\n"
        envelope = (await seen(made, answer(b"", twice))).envelope
        assert (envelope.limit, envelope.remaining) == (None, 10**9)


async def test_only_the_final_answer_is_observed() -> None:
    async with scene() as made:
        client, gateway = await made.asked(ASKED)
        gateway.send(b"HTTP/1.1 103 Early Hints\r\nX-RateLimit-Limit: 9\r\n\r\n")
        await client.head()
        gateway.send(answer(b"", QUOTA))
        await client.head()
        await made.ended(ProxyOutcome.ANSWERED)
        assert [o.status for o in made.seen] == [200]


@pytest.mark.parametrize(
    ("sent", "model"),
    [
        (answer(b'{"id": "x", "model" : "gpt-5-4", "choices": []}'), "gpt-5-4"),
        (answer(b'{"id": "x", "choices": [{"model": "no"}], "model": "yes"}'), "yes"),
        (answer(b'{"choices": [{"model": "no"}]}'), None),
        (answer(b'{"message": {"model": "no"}}'), None),
        (answer(b'{"a": "\\"model\\": \\"no\\"", "model": "\\u00e9\\""}'), 'é"'),
        (answer(b'{"model": 7}'), None),
        (answer(b'{"model": ""}'), None),
        (answer(b'{"model": "a\\nb"}'), None),
        (answer(b'{"model": "%b"}' % (b"x" * 201)), None),
        (answer(b'["model", "no"]'), None),
        (answer(b"<html>"), None),
        (answer(b""), None),
        (answer(b'{"model": "no"}', b"Content-Type: text/html\r\n"), None),
        (answer(b'{"model": "no"}', JSON + b"Content-Encoding: gzip\r\n"), None),
        (answer(b'{"model": "m"}', b"Content-Type: application/problem+json\r\n"), "m"),
        (answer(b'{"a": "%b", "model": "no"}' % (b"x" * 5000)), None),
    ],
)  # fmt: skip
async def test_the_model_is_what_the_answer_names(sent: bytes, model: str | None) -> None:
    async with scene() as made:
        assert (await seen(made, sent)).model == model


@pytest.mark.parametrize(
    ("events", "model"),
    [
        ([b'data: {"id":"x","model":"gpt-5-4","choices":[]}\n\n'], "gpt-5-4"),
        ([b": wait\n\n", b": wait\n\n", b'data: {"model":"late"}\n\n'], "late"),
        ([b"event: message_start\n", b'data: {"type":"message_start",',
          b'"message":{"content":[],"model":"claude"}}\n\n'], "claude"),
        ([b'event: response.created\ndata: {"response":{"model":"gpt"}}\n\n'], "gpt"),
        ([b'data: {"choices":[{"message":{"model":"no"}}]}\n\ndata: {"model":"no"}\n\n'], None),
    ],
)  # fmt: skip
async def test_the_model_of_a_stream_is_told_with_its_first_event(
    events: list[bytes], model: str | None
) -> None:
    async with scene() as made:
        client, gateway = await made.asked(ASKED)
        gateway.send(b"HTTP/1.1 200 OK\r\n%b\r\n" % EVENTS)
        await client.head()
        for event in events:
            assert made.seen == [] or event is events[-1]
            chunk = b"%x\r\n%b\r\n" % (len(event), event)
            gateway.send(chunk)
            assert await client.exactly(len(chunk)) == chunk
        await made.until(lambda: made.seen)
        assert [o.model for o in made.seen] == [model]
        assert made.status.active == 1  # and the stream goes on


@pytest.mark.parametrize("kind", [JSON + b"Transfer-Encoding: chunked\r\n", EVENTS])
async def test_a_model_that_does_not_come_early_is_not_waited_for(kind: bytes) -> None:
    async with scene() as made:
        client, gateway = await made.asked(ASKED)
        gateway.send(b"HTTP/1.1 200 OK\r\n%b\r\n%x\r\n%b\r\n" % (kind, 5000, b"x" * 5000))
        await made.until(lambda: made.seen)
        assert made.status.active == 1
        gateway.send(b"0\r\n\r\n")
        await client.until(b"0\r\n\r\n")
        await made.ended(ProxyOutcome.ANSWERED)
        assert [o.model for o in made.seen] == [None]


async def test_a_stream_that_breaks_off_was_seen_all_the_same() -> None:
    async with scene() as made:
        client, gateway = await made.asked(ASKED)
        gateway.send(b"HTTP/1.1 200 OK\r\n%b%b\r\n" % (EVENTS, QUOTA))
        await client.head()
        client.close()
        await made.ended(ProxyOutcome.CLIENT_GONE)
        assert [o.envelope.remaining for o in made.seen] == [12_500_000_000]


async def test_a_stream_that_says_nothing_for_long_is_told_without_its_model() -> None:
    async with scene() as made:
        client, gateway = await made.asked(ASKED)
        gateway.send(b"HTTP/1.1 200 OK\r\n%b\r\n" % EVENTS)
        await client.head()
        at = made.clock.now()
        await made.clock.advance(PEEK_SECONDS - 2 * TICK)
        assert made.seen == []
        await made.clock.advance(4 * TICK)
        assert made.seen == [Observation(Source.PROXY, 200, Envelope(at, MASKED))]
        gateway.send(b'12\r\ndata: {"model":1}\n\r\n0\r\n\r\n')
        await client.until(b"0\r\n\r\n")
        await made.ended(ProxyOutcome.ANSWERED)
        assert len(made.seen) == 1


async def test_the_time_is_that_of_the_head() -> None:
    async with scene() as made:
        client, gateway = await made.asked(ASKED)
        gateway.send(b"HTTP/1.1 200 OK\r\n%b\r\n" % EVENTS)
        await client.head()
        at = made.clock.now()
        await made.clock.advance(5 * TICK)
        gateway.send(b'18\r\ndata: {"model":"gpt-5"}\n\r\n')
        await made.until(lambda: made.seen)
        assert made.seen == [Observation(Source.PROXY, 200, Envelope(at, MASKED), "gpt-5")]


async def test_trouble_with_telemetry_is_logged_once_and_does_not_touch_the_traffic(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with scene() as made:

        def broken(_: Observation) -> None:
            raise ValueError(f"it is {KEY}")

        made.proxy._shared.observer._observe = broken
        client, gateway = await made.asked(ASKED)
        for _ in range(5):
            gateway.send(OK)
            assert await client.exactly(len(OK)) == OK
            client.send(ASKED)
            await gateway.head()
        lines = [r for r in caplog.records if "could not be observed" in r.getMessage()]
        assert len(lines) == 1
        assert lines[0].levelno == logging.WARNING
        assert KEY not in caplog.text
        assert made.status.requests[ProxyOutcome.ANSWERED] == 5


@pytest.mark.parametrize(
    "begun", [OK, b"HTTP/1.1 200 OK\r\n%b\r\n" % EVENTS], ids=["answered", "streaming"]
)
async def test_no_key_is_kept_once_it_was_passed_on(begun: bytes) -> None:
    key = b"sk-byts-" + b"uniquekey" * 3
    async with scene() as made:
        client, gateway = await made.asked(
            b"POST / HTTP/1.1\r\nHost: localhost\r\nx-api-key: %b\r\n\r\n" % key
        )
        gateway.send(begun)
        await client.head()
        await made.until(lambda: made.seen or begun is not OK)
        assert [held for held in held_by(made.proxy) if key in held] == []


def held_by(root: object) -> list[bytes]:
    """Every text that is reachable from an object. Modules and classes hold the whole process."""
    found: list[bytes] = []
    known, ahead = {id(root)}, [root]
    while ahead:
        one = ahead.pop()
        if isinstance(one, str | bytes):
            found.append(one if isinstance(one, bytes) else one.encode("utf-8", "replace"))
        elif not isinstance(one, type | ModuleType | FunctionType | asyncio.AbstractEventLoop):
            fresh = [other for other in gc.get_referents(one) if id(other) not in known]
            known.update(map(id, fresh))
            ahead += fresh
    return found


def test_a_key_is_no_model() -> None:
    assert model_of_json(b'{"model": "sk-byts-0123456789abcdef"}') is None


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
VALUES = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=10,
)


@given(st.dictionaries(TEXT | st.just("model"), VALUES, max_size=5), st.booleans())
def test_the_model_is_found_in_any_json(body: dict[str, object], escaped: bool) -> None:
    model = body.get("model")
    usable = isinstance(model, str) and 0 < len(model) <= MAX_MODEL and model.isprintable()
    text = json.dumps(body, ensure_ascii=escaped).encode()
    assert model_of_json(text) == (model if usable else None)
    wrapped = json.dumps({"type": "message_start", "message": body}, ensure_ascii=escaped).encode()
    assert model_of_json(wrapped) is None
    assert model_of_events(b"data: " + wrapped + b"\n\n") == (model if usable else None)


@given(st.dictionaries(TEXT | st.just("model"), VALUES, max_size=4), st.integers(0, 300))
def test_of_a_beginning_the_model_or_nothing_is_known(body: dict[str, object], cut: int) -> None:
    whole = json.dumps(body).encode()
    assert model_of_json(whole[:cut]) in (None, model_of_json(whole))


@given(st.binary(max_size=200), st.integers(0, 200))
def test_any_bytes_have_a_model_or_none(body: bytes, cut: int) -> None:
    for text in (body, b'{"model": "abc", ' + body, (b'{"model": "abc"}' + body)[:cut]):
        for found in (model_of_json(text), model_of_events(b"data:" + text)):
            assert found is None or found.isprintable()
