"""The quota envelope (contract §1): each header by itself, on every status."""

from __future__ import annotations

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from exporter.errors import GatewayError
from exporter.gateway.envelope import MAX_WAIT, read_envelope, wait_for_window
from exporter.gateway.readings import QUOTA_HEADERS, Envelope
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
    asked = 2 if status == 404 else 1  # the key's own account is asked for then
    assert bench.envelopes == [READ] * asked


def test_the_envelope_of_every_attempt_is_read_and_headers_that_say_nothing_are_none() -> None:
    nothing = reply({}, 503, {"X-Other": "?"})
    last = reply({"balance": 1}, 200, DOCUMENTED)
    bench = Bench(script(reply({}, 502, DOCUMENTED), nothing, reply({}, 502), last))
    bench.account()
    assert len(bench.requests) == 4
    assert bench.envelopes == [READ, replace(READ, observed_at=bench.clock.now())]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "NaN",
        "inf",
        "--1",
        "- 1",
        "+1",
        "-",
        "1e3",
        "1,5",
        "0x10",
        "1_0",
        "9" * 16,
        "9" * 5000,
        "٣",
        "1 2",
        "1,050.00",
        "$50",
    ],
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
        assert (field in envelope.unreadable) == (key == name)


@pytest.mark.parametrize("name", list(DOCUMENTED))
def test_what_is_left_may_be_below_zero_and_a_cap_or_a_time_may_not(name: str) -> None:
    headers = {key.lower().encode(): b"-3.20" for key in (name,)}
    envelope = read_envelope(headers, MASKED, NOW)
    assert envelope is not None
    member = {header: member for member, header in QUOTA_HEADERS.items()}[name.lower()]
    known = None if member in ("limit", "reset_at") else -3_200_000_000
    assert getattr(envelope, member) == known
    assert envelope.unreadable == (() if known else (member,))


@pytest.mark.parametrize("reset", ["1779379691000", "1779379691.5", "2026-05-21T16:08:11Z"])
def test_a_reset_is_whole_unix_seconds(reset: str) -> None:
    envelope = read_envelope({b"x-ratelimit-reset": reset.encode()}, MASKED, NOW)
    assert envelope == Envelope(NOW, MASKED, unreadable=("reset_at",))


def test_a_header_that_contradicts_itself_is_unknown() -> None:
    limits = [("X-RateLimit-Limit", "1"), ("X-RateLimit-Limit", "2")]
    headers = [*limits, ("X-RateLimit-Remaining", "1")]
    bench = Bench(lambda request: httpx.Response(200, json={"balance": 1}, headers=headers))
    bench.account()
    assert bench.envelopes == [Envelope(NOW, MASKED, remaining=10**9, unreadable=("limit",))]


@given(
    st.dictionaries(st.sampled_from(NAMES), st.binary(max_size=40) | st.from_regex(rb"[0-9.eE+-]+"))
)
def test_any_header_text_gives_true_numbers_or_none(headers: dict[bytes, bytes]) -> None:
    envelope = read_envelope(headers, MASKED, NOW)
    wait = wait_for_window(headers, NOW)
    assert wait is None or 0 <= wait <= MAX_WAIT
    for value in (envelope.limit, envelope.reset_at) if envelope else ():
        assert value is None or value >= 0
