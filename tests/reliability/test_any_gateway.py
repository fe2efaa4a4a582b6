"""Whatever the gateway answers, a poll ends with readings or our own error, in bounds."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Callable
from contextlib import suppress

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exporter.errors import GatewayError
from exporter.gateway.account import read_account
from exporter.gateway.envelope import MAX_WAIT
from exporter.gateway.exchange import MAX_BODY
from exporter.gateway.readings import KeyRef
from exporter.gateway.transactions import read_transactions
from exporter.gateway.usage_answer import read_usage
from tests.gateway.fakes import KEY, NOW, Bench, bucket, row, transaction
from tests.reliability.trials import SOAK, Trials, saw

ANSWERS = 20_000 if SOAK else 120
REQUESTS = 60
"""More than any poll asks: four attempts, every dialect, the pages of a list that goes wrong."""

PROMISED = "Readings or a GatewayError without the key, in bounded requests, waits and memory."
SEEN = "{answers} answers, {wrong} that broke the promise"
LARGE = MAX_BODY - 100 if SOAK else 200_000
MEMORY = 100 * 2**20
"""Bytes held at once for any answer."""

DOCUMENTED = {
    "account": {
        "user": {"id": 88, "created_at": "2026-01-04T07:11:00Z", "tier": "individual"},
        "balance": {"available_usd": 31.4, "lifetime_spent_usd": 218.6},
        "allowed_models": [{"id": "m", "quota_used_usd": 1.5, "quota_cap_usd": None}],
    },
    "log": {"items": [row(1), row(2)], "total": 2, "page": 1, "page_size": 20},
    "rollup": {"buckets": [bucket()], "totals": {}},
    "transactions": {"items": [transaction(1)], "total": 1, "page": 1, "page_size": 50},
}
texts = {name: json.dumps(value).encode() for name, value in DOCUMENTED.items()}


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A documented answer with bytes cut out, doubled, put in or changed."""
    body = draw(st.sampled_from(sorted(texts.values())))
    for _ in range(draw(st.integers(1, 4))):
        at, end = sorted((draw(st.integers(0, len(body))), draw(st.integers(0, len(body)))))
        new = draw(
            st.sampled_from([b"", b"null", b"1e400", b"-", b'"', b"[", b"\\ud800", KEY.encode()])
            | st.binary(max_size=4)
        )
        body = body[:at] + new + body[draw(st.sampled_from([at, at + 1, end])) :]
    return body


NAMES = """
retry-after date location content-type content-encoding content-length set-cookie link
x-ratelimit-limit x-ratelimit-remaining x-ratelimit-reset transfer-encoding
x-quota-remaining-credits x-org-quota-remaining-credits
"""
VALUES = f"""
0 -1 1e999 nan 99999999999999999999 gzip deflate identity soon application/json {KEY}
https://elsewhere.test/ //elsewhere.test \xe9
"""
DATES = ["Thu, 21 May 2026 14:08:11 GMT", "Fri, 99 Foo 0000 99:99:99"]
names = st.sampled_from(NAMES.split())
values = st.sampled_from([*VALUES.split(), *DATES, "", "\t"]) | st.text(
    st.characters(max_codepoint=255, exclude_categories=["Cc"]), max_size=20
)
responses = st.builds(
    lambda status, headers, body: (status, headers, body),
    st.sampled_from(
        [200, 200, 200, 204, 206, 301, 304, 307, 400, 401, 402, 404, 429, 500, 503, 599]
    ),
    st.dictionaries(names, values, max_size=4),
    damaged() | st.binary(max_size=40),
)


def given_back(
    answer: tuple[int, dict[str, str], bytes],
) -> Callable[[httpx.Request], httpx.Response]:
    status, headers, body = answer
    raw = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
    return lambda request: httpx.Response(status, headers=raw, stream=httpx.ByteStream(body))


def failure(poll: Callable[[], object]) -> GatewayError | None:
    try:
        poll()
    except GatewayError as error:
        return error
    return None


def test_any_response_ends_every_poll_in_bounds(trials: Trials) -> None:
    row_of = trials.row(
        "Fuzzing", "gateway responses: any status, headers and body", PROMISED, SEEN
    )

    @settings(max_examples=ANSWERS, deadline=None, suppress_health_check=list(HealthCheck))
    @given(responses)
    def any_response(answer: tuple[int, dict[str, str], bytes]) -> None:
        saw(row_of, answers=1, wrong=1)
        bench = Bench(given_back(answer))
        for poll in (bench.account, bench.usage, bench.transactions):
            asked, waited = len(bench.requests), bench.clock.time
            error = failure(poll)
            assert KEY not in str(error)
            assert 0 <= ((error and error.retry_after) or 0) <= MAX_WAIT
            assert len(bench.requests) - asked < REQUESTS
            assert bench.clock.time - waited < 300
        assert {request.url.host for request in bench.requests} == {"gateway.test"}
        saw(row_of, times=0, wrong=-1)

    any_response()


def repeated(part: bytes, begin: bytes = b"", end: bytes = b"") -> bytes:
    return begin + part * (LARGE // len(part)) + end


HUGE = {
    "nested lists": repeated(b"["),
    "nested objects": repeated(b'{"items":'),
    "one number": repeated(b"9", b'{"balance":', b"}"),
    "one exponent": repeated(b"9", b'{"balance":1e', b"}"),
    "one string": repeated(b"a", b'{"user":{"id":"', b'"}}'),
    "escapes": repeated(b"\\ud800", b'{"items":[{"request_id":"', b'"}]}'),
    "empty rows": repeated(b"{},", b'{"items":[', b"{}]}"),
    "empty buckets": repeated(b"{},", b'{"buckets":[', b"{}]}"),
    "empty models": repeated(b"{},", b'{"balance":1,"allowed_models":[', b"{}]}"),
    "one key many times": repeated(b'"items":[],', b"{", b'"total":1}'),
    "nulls": repeated(b"null,", b"[", b"null]"),
    "zeros": bytes(LARGE),
    "blanks": b" " * LARGE,
    "not UTF-8": b"\xff" * LARGE,
}


@pytest.mark.parametrize("name", HUGE)
def test_a_huge_answer_costs_bounded_memory(trials: Trials, name: str) -> None:
    row_of = trials.row("Fuzzing", "answers of megabytes made to hurt a decoder", PROMISED, SEEN)
    body = HUGE[name]
    reads: list[Callable[[], object]] = [
        lambda: read_account(body, NOW),
        lambda: read_transactions(body),
        lambda: read_usage(body, KeyRef(masked="sk-byts-…9f3c"), 1_000_000),
    ]
    for read in reads:
        saw(row_of, answers=1, wrong=1)
        tracemalloc.start()
        try:
            with suppress(GatewayError):
                read()
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert peak < MEMORY
        saw(row_of, times=0, wrong=-1)
