"""Whose an observation is, whether it is believed, and what is made of it."""

from __future__ import annotations

import logging
from itertools import permutations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from exporter.gateway.readings import AHEAD, Endpoint, Envelope, Observation, Source
from exporter.live import UNREADABLE, Live, LiveAccount
from exporter.metrics.snapshot import take
from exporter.tap.intake import MAX_AGE, MAX_SKEW, Intake
from exporter.throttle import Throttle
from exporter.traffic import MAX_KEYS, MAX_SERIES, OTHER, TapOutcome
from tests.clock import NOW, VirtualClock
from tests.daemon.fakes import USD

LEFT, ORGANIZATION_LEFT = "x-ratelimit-remaining", "x-org-quota-remaining-credits"
OWN, OTHERS = "sk-byts-…9f3c", "sk-byts-…0000"
INTERVALS = {Endpoint.ACCOUNT: 60.0, Endpoint.USAGE: 60.0, Endpoint.TRANSACTIONS: 300.0}


def live(*names: str) -> Live:
    made = Live(NOW - 3600)
    for name in names or ("prod",):
        made.accounts[name] = LiveAccount(name, INTERVALS)
    return made


def seen(key: str = OWN, at: float = NOW, status: int = 200, **said: Any) -> Observation:
    envelope = Envelope(at, key, reset_at=NOW + 900, limit=100 * USD, **said)
    return Observation(Source.HOOK, status, envelope)


def intake(made: Live, account: str | None = None, clock: VirtualClock | None = None) -> Intake:
    clock = clock or VirtualClock()
    return Intake(made, account, clock, Throttle(logging.getLogger("exporter"), clock))


def remaining(made: Live, key: str = OWN) -> tuple[float, float]:
    """What is left in a key's window, and when that was so."""
    found = made.accounts["prod"].keys[key].remaining
    assert found is not None
    return found.value, found.observed_at


def asked(made: Live, name: str = "prod") -> bool:
    return made.accounts[name].endpoints[Endpoint.ACCOUNT].asked.is_set()


def test_an_only_account_owns_every_key() -> None:
    made = live()
    assert intake(made).take(seen(OTHERS, remaining=7 * USD)) is TapOutcome.ACCEPTED
    assert remaining(made, OTHERS) == (7 * USD, NOW)


def test_of_several_accounts_the_one_that_polls_with_the_key_owns_it() -> None:
    made = live("prod", "research")
    made.accounts["research"].own_key = OWN
    assert intake(made, "prod").take(seen()) is TapOutcome.ACCEPTED
    assert made.accounts["research"].keys.keys() == {OWN}
    assert not made.accounts["prod"].keys


def test_keys_of_nobody_are_the_named_accounts_or_rejected() -> None:
    made = live("prod", "research")
    assert intake(made).take(seen(OTHERS)) is TapOutcome.UNKNOWN_KEY
    assert intake(made, "research").take(seen(OTHERS)) is TapOutcome.ACCEPTED
    assert made.accounts["research"].keys.keys() == {OTHERS}


def test_a_masked_form_that_two_accounts_share_is_neithers() -> None:
    made = live("prod", "research")
    for account in made.accounts.values():
        account.own_key = OWN
    assert intake(made, "prod").take(seen()) is TapOutcome.UNKNOWN_KEY


def test_what_is_rejected_is_told_once_with_what_to_do(caplog: pytest.LogCaptureFixture) -> None:
    tap = intake(live("prod", "research"))
    for _ in range(100):
        tap.take(seen(OTHERS))
    [told] = [record.getMessage() for record in caplog.records]
    assert told.startswith(f"The tap rejects what a hook says of key {OTHERS}")
    assert "tap.account" in told


@pytest.mark.parametrize("skew", [MAX_SKEW + 1, -MAX_AGE - 1, 1e9, -1e9])
def test_what_is_not_of_now_is_rejected(skew: float) -> None:
    made = live()
    assert intake(made).take(seen(at=NOW + skew)) is TapOutcome.OUTDATED
    assert not made.accounts["prod"].keys


@pytest.mark.parametrize(
    "impossible",
    [
        {"limit": 5 * USD, "remaining": 5 * USD + 1},
        {"reset_at": NOW + 7 * 86_400 + AHEAD + 1},
        {"limit": None, "reset_at": NOW + 1e9},
    ],
)
def test_what_cannot_be_is_rejected_and_told_once(
    impossible: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    made = live()
    tap = intake(made)
    for _ in range(2):
        said = seen()
        assert tap.take(replace(said, envelope=replace(said.envelope, **impossible))) is (
            TapOutcome.IMPOSSIBLE
        )
    assert made.tap.observations == {(Source.HOOK, TapOutcome.IMPOSSIBLE): 2}
    assert not made.accounts["prod"].keys
    assert not made.accounts["prod"].traffic.responses
    assert len(caplog.messages) == 1


@pytest.mark.parametrize(
    "possible",
    [
        {"limit": 5 * USD, "remaining": 5 * USD, "reset_at": NOW + 7 * 86_400},
        {"limit": 0, "remaining": 5 * USD},
        {"limit": 5 * USD, "remaining": -USD, "reset_at": NOW - 5},
    ],
)
def test_what_is_at_its_bound_can_be(possible: dict[str, Any]) -> None:
    said = seen()
    envelope = replace(said.envelope, **possible)
    assert intake(live()).take(replace(said, envelope=envelope)) is TapOutcome.ACCEPTED


@pytest.mark.parametrize("older", [0.5, 30.0, MAX_SKEW])
def test_a_poll_that_is_newer_wins(older: float) -> None:
    made = live()
    made.accounts["prod"].observe(Envelope(NOW, OWN, remaining=2 * USD))
    assert intake(made).take(seen(at=NOW - older, remaining=9 * USD)) is TapOutcome.ACCEPTED
    assert remaining(made) == (2 * USD, NOW)


def test_a_stream_that_is_told_of_at_its_end_counts_and_its_limits_are_history() -> None:
    made = live()
    tap = intake(made)
    tap.take(seen(at=NOW - 1, remaining=2 * USD))
    assert tap.take(seen(at=NOW - MAX_SKEW - 300, remaining=9 * USD)) is TapOutcome.ACCEPTED
    assert remaining(made) == (2 * USD, NOW - 1)
    traffic = made.accounts["prod"].traffic
    assert traffic.responses == {(OWN, "2xx", None): 2}
    assert traffic.last_seen(OWN) == NOW - 1


@pytest.mark.parametrize("order", list(permutations((1.0, 2.0, 3.0))))
def test_the_newest_observation_wins_in_whatever_order_they_come(order: tuple[float, ...]) -> None:
    made = live()
    for at in order:
        intake(made).take(seen(at=NOW - at, remaining=int(at) * USD))
    assert remaining(made) == (USD, NOW - 1)


def test_a_sender_whose_clock_is_ahead_overrules_nobody() -> None:
    made, clock = live(), VirtualClock()
    tap = intake(made, clock=clock)
    tap.take(seen(at=NOW + MAX_SKEW, remaining=9 * USD))
    clock.time = 1.0
    tap.take(seen(at=NOW + 0.5, remaining=2 * USD))
    tap.take(seen(at=NOW - 30, remaining=5 * USD))
    assert remaining(made) == (2 * USD, NOW + 0.5)


def test_a_flood_of_keys_is_bounded_and_keeps_room_for_the_accounts_own() -> None:
    made = live()
    made.accounts["prod"].own_key = OWN
    tap = intake(made)
    for number in range(MAX_KEYS):
        assert tap.take(seen(f"sk-byts-…{number:04}")) is TapOutcome.ACCEPTED
    assert tap.take(seen("sk-byts-…late")) is TapOutcome.TOO_MANY_KEYS
    assert tap.take(seen()) is TapOutcome.ACCEPTED
    assert tap.take(seen("sk-byts-…late")) is TapOutcome.TOO_MANY_KEYS
    assert len(made.accounts["prod"].keys) == MAX_KEYS + 1


def test_keys_that_nobody_uses_any_more_make_room() -> None:
    made, clock = live(), VirtualClock()
    tap = intake(made, clock=clock)
    for number in range(MAX_KEYS):
        tap.take(seen(f"sk-byts-…{number:04}"))
    clock.time = 181.0
    assert tap.take(seen("sk-byts-…late", at=NOW + 181)) is TapOutcome.ACCEPTED
    assert made.accounts["prod"].keys.keys() == {"sk-byts-…late"}
    assert made.accounts["prod"].traffic.first == {"sk-byts-…late": NOW + 181}


def test_a_key_that_comes_back_counts_from_then_whatever_time_it_tells() -> None:
    made, clock = live(), VirtualClock()
    tap = intake(made, clock=clock)
    for number in range(MAX_KEYS):
        tap.take(seen(f"sk-byts-…{number:04}"))
    clock.time = 300.0
    tap.take(seen("sk-byts-…late", at=NOW + 300))
    tap.take(seen("sk-byts-…0000"))
    traffic = made.accounts["prod"].traffic
    assert traffic.responses["sk-byts-…0000", "2xx", None] == 1
    assert traffic.first["sk-byts-…0000"] == NOW + 300


def test_a_clock_that_is_set_back_does_not_leave_a_key_seen_in_the_future() -> None:
    made, clock = live(), VirtualClock()
    tap = intake(made, clock=clock)
    tap.take(seen(at=NOW + MAX_SKEW))
    assert made.accounts["prod"].traffic.last_seen(OWN) == NOW
    clock.time = -7200.0
    tap.take(seen(at=NOW - 7201))
    assert made.accounts["prod"].traffic.last_seen(OWN) == NOW - 7201


def test_a_flood_of_models_folds_into_other_and_ends_with_its_key() -> None:
    made, clock = live(), VirtualClock()
    tap = intake(made, clock=clock)
    for number in range(MAX_SERIES + 5):
        tap.take(Observation(Source.PROXY, 200, Envelope(NOW, OWN), f"model-{number}"))
    traffic = made.accounts["prod"].traffic
    assert len(traffic.responses) == MAX_SERIES + 1
    assert traffic.responses[OWN, "2xx", OTHER] == 5
    tap.take(seen(OTHERS, status=500))
    assert traffic.responses[OTHERS, "5xx", None] == 1
    traffic.forget(OWN)
    tap.take(Observation(Source.PROXY, 200, Envelope(NOW, OTHERS), "model"))
    assert traffic.responses[OTHERS, "2xx", "model"] == 1


@pytest.mark.parametrize("key", [OWN, OTHERS])
@pytest.mark.parametrize("status", [401, 403])
def test_the_accounts_own_key_that_is_refused_is_tried_at_once(status: int, key: str) -> None:
    made = live()
    made.accounts["prod"].own_key = OWN
    intake(made).take(seen(key, status=status))
    assert asked(made) is (key == OWN)


def sequences() -> st.SearchStrategy[list[Observation]]:
    keys = st.sampled_from((OWN, OTHERS, "…", "sk-byts-…"))
    envelopes = st.builds(
        Envelope,
        observed_at=st.floats(NOW - 4000, NOW + 200),
        key_id=keys,
        remaining=st.none() | st.integers(0, 10**15),
        limit=st.none() | st.integers(0, 10**15),
        reset_at=st.none() | st.floats(NOW, NOW + 1000),
    )
    models = st.none() | st.sampled_from(("a", "b"))
    one = st.builds(Observation, st.sampled_from(Source), st.integers(100, 599), envelopes, models)
    return st.lists(one, max_size=30)


@given(sequences(), st.booleans())
def test_every_observation_is_counted_once_and_what_is_shown_is_what_was_seen(
    observations: list[Observation], several: bool
) -> None:
    made = live("prod", "research") if several else live()
    made.accounts["prod"].own_key = OWN
    tap = intake(made)
    outcomes = [tap.take(observation) for observation in observations]
    accepted = [o for o, out in zip(observations, outcomes, strict=True) if out == "accepted"]
    assert sum(made.tap.observations.values()) == len(observations)
    counted = [sum(a.traffic.responses.values()) for a in made.accounts.values()]
    assert sum(counted) == len(accepted)
    for account in made.accounts.values():
        for key, readings in account.keys.items():
            told = {o.envelope.remaining for o in accepted if o.envelope.key_id == key}
            assert readings.remaining is None or readings.remaining.value in told
    for point in take(made, {}, NOW).points:
        assert point.start_ns <= point.time_ns


def test_what_is_told_and_cannot_be_read_is_warned_of_once_for_each_key(
    caplog: pytest.LogCaptureFixture,
) -> None:
    made = live()
    taken = intake(made)
    for number in range(3):
        for key in (OWN, OTHERS):
            bad = seen(key, NOW - number, unreadable=("remaining", "org_quota_remaining"))
            assert taken.take(bad) is TapOutcome.ACCEPTED
    told = [f"{name} of key {key}" for key in (OWN, OTHERS) for name in (LEFT, ORGANIZATION_LEFT)]
    assert len(caplog.messages) == len(told)
    for line, which in zip(caplog.messages, told, strict=True):
        assert f"Account prod: {which} cannot be read" in line


def test_a_crowd_of_keys_that_cannot_be_read_does_not_fill_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    taken = intake(live())
    for number in range(100):
        taken.take(seen(f"sk-byts-…{number:04}", unreadable=("remaining",)))
    assert len(caplog.records) == UNREADABLE + 1
    assert "more of what the gateway says cannot be read" in caplog.text
