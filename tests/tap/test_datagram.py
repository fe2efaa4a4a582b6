"""A datagram becomes a bounded observation or is refused, whatever it holds."""

from __future__ import annotations

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from msgspec.structs import replace

from exporter.gateway.readings import QUOTA_HEADERS, Envelope, Observation, Source
from exporter.secrets import Secret, protect
from exporter.tap.datagram import MAX_BYTES, MAX_MODEL, DatagramError, decode
from tests.clock import NOW
from tests.tap.hook_stage import MASKED
from tests.tap.reports import DOCUMENTED, READ, WHOLE, report

QUOTA = [name for name in DOCUMENTED if name.startswith("x-")]
HEADER = b"<190>Nov 26 06:07:14 nginx: "

text = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)
scalars = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), text)
anything = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3)
)


def test_every_documented_member_is_read() -> None:
    assert decode(report(), NOW) == READ


def test_a_syslog_header_is_skipped() -> None:
    assert decode(HEADER + report() + b"\n", NOW) == READ


def test_key_and_status_are_enough() -> None:
    least = json.dumps({"key": MASKED, "status": 429}).encode()
    assert decode(least, NOW) == Observation(Source.LOG, 429, Envelope(NOW, MASKED))


@pytest.mark.parametrize("nothing", [None, "", "-"])
def test_what_a_logger_writes_for_nothing_is_not_said(nothing: object) -> None:
    unsaid = {name: nothing for name in DOCUMENTED if name not in ("key", "status")}
    sent = json.dumps({"key": MASKED, "status": "200", **unsaid}).encode()
    assert decode(sent, NOW) == Observation(Source.LOG, 200, Envelope(NOW, MASKED))


def test_numbers_may_be_quoted_or_not_and_are_exact() -> None:
    spelled = "999999999.123456789"
    for written in (spelled, f'"{spelled}"'):
        sent = f'{{"key":"{MASKED}","status":200,"x-ratelimit-limit":{written}}}'
        assert decode(sent.encode(), NOW).envelope.limit == 999_999_999_123_456_789


def test_members_that_are_not_known_are_ignored() -> None:
    assert decode(report(host="llm.example", upstream={"deep": [1, None]}), NOW) == READ


@pytest.mark.parametrize("name", QUOTA)
@pytest.mark.parametrize("value", ["x", "?", "1e3", "NaN", True, [1], {"usd": 1}, "9" * 16, "--1"])
def test_a_bad_quota_is_unknown_and_leaves_the_others(name: str, value: object) -> None:
    told, left_out = decode(report(**{name: value}), NOW), decode(report(**{name: ...}), NOW)
    [member] = told.envelope.unreadable
    assert QUOTA_HEADERS[member] == name
    assert replace(told, envelope=replace(told.envelope, unreadable=())) == left_out


@pytest.mark.parametrize("written", [-3.2, "-3.20"])
def test_what_is_left_may_be_below_zero(written: object) -> None:
    names = ("x-ratelimit-remaining", "x-quota-remaining-credits", "x-org-quota-remaining-credits")
    told = decode(report(**dict.fromkeys(names, written)), NOW).envelope
    known = (told.remaining, told.key_quota_remaining, told.org_quota_remaining)
    assert known == (-3_200_000_000,) * 3
    assert told.unreadable == ()


@pytest.mark.parametrize(
    ("sent", "problem"),
    [
        (report(key=...), "its key"),
        (report(key="-"), "its key"),
        (report(key="prod"), "its key"),
        (report(key="sk-byts-...9f3c"), "its key"),
        (report(key="sk-byts-…9f3"), "its key"),
        (report(key="sk-byts-…9f3c5"), "its key"),
        (report(key="sk-byts-…9f c"), "its key"),
        (report(key="sk-byts-…9f3é"), "its key"),
        (report(key=5), "right types"),
        (report(status=...), "its status"),
        (report(status="-"), "its status"),
        (report(status=0), "its status"),
        (report(status=99), "its status"),
        (report(status=600), "its status"),
        (report(status=200.5), "its status"),
        (report(status="502, 200"), "its status"),
        (report(status=[200]), "its status"),
        (report(at="yesterday"), '"at"'),
        (report(at=0), '"at"'),
        (report(at=-1), '"at"'),
        (report(at=1e300), '"at"'),
        (report(at=7_258_118_400), '"at"'),
        (report(source="nginx"), "its source"),
        (report(source=1), "right types"),
        (report(model="x" * (MAX_MODEL + 1)), "its model"),
        (report(model="two\nlines"), "its model"),
        (report(model="\u202e"), "its model"),
        (report(model={"name": "x"}), "right types"),
        (b"", "JSON object"),
        (b"null", "JSON object"),
        (b"[]", "JSON object"),
        (report()[:-1], "JSON object"),
        (report() * 2, "JSON object"),
        (b"x" + report(), "JSON object"),
        (HEADER, "JSON object"),
        (b'{"a":' + b"[" * 2000, "JSON object"),
        (b'{"model":"\\ud800"}', "JSON object"),
        (report().replace(b"200", b"\xff"), "UTF-8"),
        (b" " * (MAX_BYTES + 1), "longer than 2048"),
    ],
)
def test_what_is_wrong_is_refused_and_named(sent: bytes, problem: str) -> None:
    with pytest.raises(DatagramError, match=problem):
        decode(sent, NOW)


def test_the_longest_datagram_is_read() -> None:
    assert decode(report().ljust(MAX_BYTES), NOW) == READ


@pytest.mark.parametrize("member", [*DOCUMENTED, "authorization"])
def test_a_whole_key_is_refused_wherever_it_stands(member: str) -> None:
    for value in (WHOLE, f"Bearer {WHOLE}", f"gpt-{WHOLE.upper()}"):
        with pytest.raises(DatagramError, match="masked form") as caught:
            decode(report(**{member: value}), NOW)
        assert value[-8:] not in f"{caught.value!r}"


def test_a_whole_key_in_escapes_is_no_model() -> None:
    escaped = "".join(f"\\u{ord(character):04x}" for character in WHOLE)
    sent = report(model="MODEL").replace(b"MODEL", escaped.encode())
    assert b"sk-byts-0" not in sent
    with pytest.raises(DatagramError, match="masked form"):
        decode(sent, NOW)


def test_an_accounts_own_key_in_another_spelling_is_no_model(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("exporter.secrets._protected", set())
    protect(Secret("another-spelling-of-a-key"))
    with pytest.raises(DatagramError, match="masked form"):
        decode(report(model="another-spelling-of-a-key"), NOW)


def test_a_refusal_tells_who_sent_it_where_that_is_said() -> None:
    for said, source in (("proxy", Source.PROXY), ("-", None)):
        with pytest.raises(DatagramError) as caught:
            decode(report(source=said, status=0), NOW)
        assert caught.value.source is source


def outcome(sent: bytes) -> Observation | DatagramError:
    try:
        return decode(sent, NOW)
    except DatagramError as error:
        return error


def check(sent: bytes) -> None:
    """Decode what may be anything: within bounds, or refused with one of few words."""
    seen = outcome(sent)
    if isinstance(seen, DatagramError):
        assert len(str(seen)) < 100
        assert seen.__cause__ is None
        return
    assert len(seen.envelope.key_id) <= len(MASKED)
    assert 100 <= seen.status <= 599
    assert 0 < seen.envelope.observed_at < 7_258_118_400
    assert seen.model is None or (len(seen.model) <= MAX_MODEL and seen.model.isprintable())
    assert seen.envelope.limit is None or seen.envelope.limit >= 0
    for amount in (seen.envelope.limit, seen.envelope.remaining, seen.envelope.org_quota_remaining):
        assert amount is None or -(10**18) <= amount <= 10**18


@given(st.binary(max_size=MAX_BYTES + 10))
@example(b"<{")
@example(b'{"status":' + b"9" * 2000 + b"}")
def test_any_bytes_are_an_observation_or_refused(sent: bytes) -> None:
    check(sent)


@given(st.dictionaries(st.sampled_from(sorted(DOCUMENTED)) | text, anything))
def test_any_members_are_an_observation_or_refused(members: dict[str, object]) -> None:
    check(json.dumps(DOCUMENTED | members).encode())


@given(st.integers(0, len(report()) - 1), st.binary(max_size=3))
def test_any_damage_gives_an_observation_or_is_refused(place: int, patch: bytes) -> None:
    whole = report()
    check(whole[:place] + patch + whole[place + 1 :])
