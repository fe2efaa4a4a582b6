"""Only who has the secret is heard, whatever else is tried."""

from __future__ import annotations

import string
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exporter.web.webhook import Seen, read_event
from tests.clock import VirtualClock
from tests.webhook.fakes import PAYMENT, SECRET, Bench, event, signature

HEX = st.text(alphabet=string.hexdigits, min_size=64, max_size=64)
BODIES = st.binary(max_size=300) | st.builds(event, amount=st.integers())
PRINTABLE = [chr(code) for code in range(33, 127)]


@pytest.fixture
def bench() -> Iterator[Bench]:
    with tempfile.TemporaryDirectory() as folder:
        yield Bench(Path(folder))


def forged(bench: Bench, body: bytes, signed: str) -> bool:
    """Whether it is refused as unsigned, and nothing else happens."""
    before = bench.counted.get("unsigned", 0)
    status = bench.deliver(body, signed).status_code
    return (status, bench.counted, bench.asked()) == (401, {"unsigned": before + 1}, [])


# One bench serves all examples of a test: no refused delivery changes it.
again = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


@again
@given(body=BODIES, signed=HEX | st.text(max_size=80))
def test_a_guessed_signature_is_refused(bench: Bench, body: bytes, signed: str) -> None:
    assert forged(bench, body, signed)


@again
@given(body=BODIES, bit=st.integers(0, 255), length=st.integers(0, 63))
def test_a_signature_that_is_one_bit_off_or_truncated_is_refused(
    bench: Bench, body: bytes, bit: int, length: int
) -> None:
    digits = signature(body)
    assert forged(bench, body, f"sha256={int(digits, 16) ^ (1 << bit):064x}")
    for cut in (digits[:length], digits[64 - length :]):
        assert forged(bench, body, f"sha256={cut}")


@again
@given(body=st.binary(min_size=1, max_size=300), secret=st.text(alphabet=PRINTABLE, max_size=80))
def test_the_signature_of_another_body_or_under_another_secret_is_refused(
    bench: Bench, body: bytes, secret: str
) -> None:
    for other in (bytes([body[0] ^ 1]) + body[1:], body[:-1], body + b"\0", body + b"\n"):
        assert forged(bench, other, signature(body))
    for wrong in {secret, SECRET[:-1], SECRET.lower(), SECRET + "\n", f" {SECRET}"} - {SECRET}:
        assert forged(bench, body, signature(body, wrong))


@settings(max_examples=50)
@given(secret=st.text(alphabet=PRINTABLE, min_size=1, max_size=80), pieces=st.integers(1, 5))
def test_the_right_signature_is_accepted_under_any_secret(secret: str, pieces: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder))
        bench.secret_file.write_text(secret)
        body = event(PAYMENT)
        assert bench.deliver(body, signature(body, secret), pieces=pieces).status_code == 204


@settings(max_examples=300)
@given(body=st.binary(max_size=400) | st.text(max_size=200).map(str.encode))
def test_any_body_is_read_or_refused_but_never_a_defect(body: bytes) -> None:
    found = read_event(body)
    assert found is None or len(found.identity) == 32


NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | NUMBERS | st.text(),
    lambda children: st.lists(children) | st.dictionaries(st.text(), children),
    max_leaves=8,
)


@given(members=st.dictionaries(st.sampled_from(["type", "event", "id", "event_id"]), JSON))
def test_whatever_stands_in_its_members_an_event_is_the_same_each_time(
    members: dict[str, object],
) -> None:
    body = event(**{"kind": "x", "type": "x", **members})  # type: ignore[arg-type]
    assert read_event(body) == read_event(body)
    named = isinstance(members.get("type", "x"), str) or isinstance(members.get("event"), str)
    assert (read_event(body) is not None) == named


@given(names=st.lists(st.sampled_from([bytes([code]) for code in range(8)]), max_size=60))
def test_the_newest_are_remembered_and_no_more_than_there_is_room_for(
    names: list[bytes],
) -> None:
    seen = Seen(10.0, 5, VirtualClock(0.0))
    for name in names:
        seen.add(name)
    newest = list(dict.fromkeys(reversed(names)))[:5]
    assert {bytes([code]) for code in range(256) if bytes([code]) in seen} == set(newest)
