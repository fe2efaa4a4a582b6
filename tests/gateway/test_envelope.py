"""The quota envelope (contract §1): each header by itself, on every status."""

from __future__ import annotations

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from exporter.errors import GatewayError
from exporter.gateway.envelope import MAX_WAIT, read_envelope, wait_for_window
from exporter.gateway.readings import Envelope
from tests.gateway.fakes import MASKED, NOW, Bench, reply, script

DOCUMENTED = {
    "X-RateLimit-Limit": "200.00",
    "X-RateLimit-Remaining": "192.40",
    "X-RateLimit-Reset": "1779379691",
    "X-Quota-Remaining-Credits": "0.00",
    "X-Org-Quota-Remaining-Credits": "1024.123456",
}
READ = Envelope(NOW, MASKED, 200_000_000_000, 192_400_000_000, 1779379691.0, 0, 1_024_123_456_000)
NAMES = [name.lower().encode() for name in DOCUMENTED] + [b"retry-after", b"date"]


@pytest.mark.parametrize("status", [200, 302, 400, 401, 402, 403, 404, 429, 501])
def test_the_envelope_is_read_from_every_status(status: int) -> None:
    bench = Bench(reply({"balance": 1}, status, DOCUMENTED))
    try:
        bench.account()
    except GatewayError:
        assert status != 200
    assert bench.envelopes == [READ]


def test_the_envelope_of_every_attempt_is_read_and_headers_that_say_nothing_are_none() -> None:
    nothing = reply({}, 503, {"X-RateLimit-Limit": "?"})
    last = reply({"balance": 1}, 200, DOCUMENTED)
    bench = Bench(script(reply({}, 502, DOCUMENTED), nothing, reply({}, 502), last))
    bench.account()
    assert len(bench.requests) == 4
    assert bench.envelopes == [READ, replace(READ, observed_at=bench.clock.now())]


@pytest.mark.parametrize(
    "text",
    ["", "x", "NaN", "inf", "-1", "1e3", "1,5", "0x10", "1_0", "9" * 16, "9" * 5000, "٣", "1 2"],
)
@pytest.mark.parametrize("name", list(DOCUMENTED))
def test_a_bad_header_is_unknown_and_leaves_the_others(name: str, text: str) -> None:
    headers = {
        key.lower().encode(): value.encode() for key, value in (DOCUMENTED | {name: text}).items()
    }
    envelope = read_envelope(headers, MASKED, NOW)
    assert envelope is not None
    fields = ["limit", "remaining", "reset_at", "key_quota_remaining", "org_quota_remaining"]
    for field, key in zip(fields, DOCUMENTED, strict=True):
        assert getattr(envelope, field) == (None if key == name else getattr(READ, field))


def test_a_header_that_contradicts_itself_is_unknown() -> None:
    limits = [("X-RateLimit-Limit", "1"), ("X-RateLimit-Limit", "2")]
    headers = [*limits, ("X-RateLimit-Remaining", "1")]
    bench = Bench(lambda request: httpx.Response(200, json={"balance": 1}, headers=headers))
    bench.account()
    assert bench.envelopes == [Envelope(NOW, MASKED, remaining=1_000_000_000)]


@given(
    st.dictionaries(st.sampled_from(NAMES), st.binary(max_size=40) | st.from_regex(rb"[0-9.eE+-]+"))
)
def test_any_header_text_gives_true_numbers_or_none(headers: dict[bytes, bytes]) -> None:
    envelope = read_envelope(headers, MASKED, NOW)
    wait = wait_for_window(headers, NOW)
    assert wait is None or 0 <= wait <= MAX_WAIT
    for value in (envelope.limit, envelope.remaining, envelope.reset_at) if envelope else ():
        assert value is None or value >= 0
