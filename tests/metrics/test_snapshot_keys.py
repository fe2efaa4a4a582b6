"""What shows of keys: every one that was seen, and of the list what is known and new."""

from __future__ import annotations

import pytest

from exporter.gateway.readings import (
    Endpoint,
    KeyLimits,
    KeyRef,
    KeysReading,
    KeyWindow,
    ListedKey,
    WindowReading,
)
from exporter.ledger.totals import AccountTotals, UsageTotal
from exporter.live import Live
from exporter.metrics.snapshot import take
from tests.metrics.realistic import KEY, NOW, live, usd

_LIFETIME = KeyWindow.LIFETIME


def listing(*keys: ListedKey, complete: bool = True, age: float = 0.0) -> Live:
    made = live()
    made.accounts["prod"].listed = KeysReading(NOW - age, keys, complete)
    return made


def key(
    ident: str, *windows: WindowReading, masked: str = KEY, expires: float | None = None
) -> ListedKey:
    return ListedKey(KeyRef(ident, masked, f"k{ident}"), KeyLimits(windows, expires))


def usage(*series: tuple[str, str]) -> dict[str, AccountTotals]:
    totals = [UsageTotal(n, *one, "m", 0, False, 0, 0, 0, 0) for n, one in enumerate(series)]
    return {"prod": AccountTotals(usage=tuple(totals))}


def shown(
    made: Live, name: str, totals: dict[str, AccountTotals] | None = None
) -> dict[object, object]:
    points = take(made, totals or {}, NOW).points
    found: dict[object, object] = {
        p.attributes[1:]: p.value for p in points if p.metric.name == f"bytespike.{name}"
    }
    assert len(found) == sum(p.metric.name == f"bytespike.{name}" for p in points)
    return found


def info(made: Live, *series: tuple[str, str]) -> set[object]:
    return set(shown(made, "key.info", usage(*series)))


def test_every_key_of_list_usage_and_traffic_has_its_info() -> None:
    made = listing(key("1", masked="sk-byts-…aaaa"))
    assert info(made, ("sk-byts-…bbbb", "counted"), ("other", "other")) == {
        ("sk-byts-…aaaa", "k1", "true"),
        ("sk-byts-…bbbb", "counted", "false"),
        (KEY, KEY, "false"),
    }


def test_listed_is_absent_while_no_list_is_known_or_it_lacks_keys() -> None:
    assert info(listing(key("1"), age=1801.0)) == {(KEY, KEY, None)}
    part = listing(key("1", masked="sk-byts-…aaaa"), complete=False)
    assert info(part) == {("sk-byts-…aaaa", "k1", "true"), (KEY, KEY, None)}


def test_the_name_that_counts_wins_over_a_new_one_and_any_over_none() -> None:
    made = listing(key("1"))
    assert info(made, (KEY, "first")) == {(KEY, "first", "true")}
    assert info(made, (KEY, KEY)) == {(KEY, "k1", "true")}
    assert info(made, (KEY, KEY), (KEY, "k1")) == {(KEY, "k1", "true")}
    assert info(made, ("1", "1"), (KEY, "k1")) == {(KEY, "k1", "true"), ("1", "1", "true")}


def test_two_keys_of_one_form_both_have_their_info() -> None:
    assert info(listing(key("1"), key("2")), (KEY, "k1")) == {
        (KEY, "k1", "true"),
        (KEY, "k2", "true"),
    }


def test_of_two_keys_of_one_form_the_one_that_is_nearer_to_its_cap_shows() -> None:
    made = listing(
        key("1", WindowReading(_LIFETIME, usd("10"), usd("9")), expires=NOW + 9),
        key("2", WindowReading(_LIFETIME, usd("100"), usd("50")), expires=NOW + 5),
    )
    assert shown(made, "key.limit") == {(KEY, "lifetime"): 10.0}
    assert shown(made, "key.used") == {(KEY, "lifetime"): 9.0}
    assert shown(made, "key.expiry.timestamp") == {(KEY,): NOW + 5}


def test_an_unlimited_window_has_no_limit_and_one_that_has_reset_nothing_used() -> None:
    made = listing(
        key(
            "1",
            WindowReading(KeyWindow.FIVE_HOURS, usd("2"), usd("1"), NOW),
            WindowReading(KeyWindow.DAY, 0, usd("3"), NOW + 1),
        )
    )
    assert shown(made, "key.limit") == {(KEY, "5h"): 2.0}
    assert shown(made, "key.used") == {(KEY, "1d"): 3.0}


@pytest.mark.parametrize(
    ("keys", "there"),
    [
        ([key("1", WindowReading(_LIFETIME, 0))], False),
        ([key("1", WindowReading(_LIFETIME, usd("5")))], True),
        ([key("1")], True),
        (
            [key("1", WindowReading(_LIFETIME, 0)), key("2", WindowReading(_LIFETIME, usd("5")))],
            True,
        ),
    ],
)
def test_what_a_header_says_is_left_shows_unless_the_key_has_no_cap(
    keys: list[ListedKey], there: bool
) -> None:
    assert bool(shown(listing(*keys), "key.quota.remaining")) is there


def test_everything_of_the_list_goes_after_three_intervals() -> None:
    for age, there in ((1800.0, True), (1800.5, False)):
        made = listing(key("1", WindowReading(_LIFETIME, usd("5"), 0), expires=NOW + 9), age=age)
        for name in ("key.limit", "key.used", "key.expiry.timestamp"):
            assert bool(shown(made, name)) is there


def test_the_list_of_keys_is_neither_up_nor_stale() -> None:
    points = take(live(), {}, NOW).points
    told = {p.metric.name for p in points if Endpoint.KEYS in p.attributes}
    assert told == {"bytespike.exporter.polls", "bytespike.exporter.poll.duration"}
