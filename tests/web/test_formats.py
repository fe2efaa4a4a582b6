from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.money import MAX_USD, NANOS_PER_USD, to_usd
from exporter.web.formats import (
    about,
    ago,
    ahead,
    count,
    instant,
    money,
    percent,
    short,
    span,
    visible,
)  # fmt: skip
from tests.clock import NOW


@pytest.mark.parametrize(
    ("usd", "words"),
    [
        (0.0, "$0.00"),
        (31.4, "$31.40"),
        (1_234_567.89, "$1,234,567.89"),
        (-1.5, "−$1.50"),
        (0.0042, "$0.0042"),
        (0.0011 + 0.0022, "$0.0033"),
        (1e-9, "$0.000000001"),
        (999.999995, "$1,000.00"),
    ],
)
def test_money_reads_like_money(usd: float, words: str) -> None:
    assert money(usd) == words


@given(st.integers(-MAX_USD * NANOS_PER_USD, MAX_USD * NANOS_PER_USD))
def test_money_is_never_wrong_by_more_than_half_a_cent_and_never_hides_a_rest(nanos: int) -> None:
    words = money(to_usd(nanos))
    shown = Decimal(words.replace("$", "").replace(",", "").replace("−", "-"))
    exact = Decimal(nanos) / NANOS_PER_USD
    assert abs(shown - exact) <= Decimal("0.005000001")
    assert (shown == 0) == (nanos == 0)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "less than a minute"),
        (60, "about 1 minute"),
        (3000, "about 50 minutes"),
        (32_300, "about 9 hours"),
        (86_400, "about 24 hours"),
        (5 * 86_400, "about 5 days"),
        (90 * 86_400, "about 3 months"),
        (3 * 365 * 86_400, "about 3 years"),
        (1e300, "more than 10 years"),
        (float("inf"), "more than 10 years"),
    ],
)
def test_an_estimate_is_given_in_one_round_unit(seconds: float, words: str) -> None:
    assert about(seconds) == words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.2, "0 s"),
        (42, "42 s"),
        (286, "4 min 46 s"),
        (3599, "1 h"),
        (7500, "2 h 5 min"),
        (86_400, "1 d"),
        (90_061, "1 d 1 h"),
        (-5, "0 s"),
        (1e12, "more than 10 years"),
    ],
)
def test_a_measured_span_is_given_in_its_two_largest_units(seconds: float, words: str) -> None:
    assert span(seconds) == words


def test_what_lies_in_the_future_because_a_clock_was_set_is_just_now() -> None:
    assert ago(NOW + 500, NOW) == "just now"
    assert ago(NOW - 12, NOW) == "12 s ago"


def test_what_should_have_happened_already_happens_now() -> None:
    assert ahead(NOW - 30, NOW) == "now"
    assert ahead(NOW + 48, NOW) == "in 48 s"


@given(st.floats(allow_nan=True, allow_infinity=True))
def test_any_instant_has_words(at: float) -> None:
    assert instant(at)


def test_an_instant_is_a_date_in_utc() -> None:
    assert instant(NOW) == "21 May 2026, 14:00 UTC"
    assert instant(1e18) == "at an impossible time"


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (9_999, "9,999"),
        (10_000, "10 k"),
        (332_000, "332 k"),
        (999_700, "1 M"),
        (2_580_000, "2.58 M"),
    ],
)
def test_a_large_count_has_three_digits(number: int, words: str) -> None:
    assert short(number) == words
    assert count(2_580_000) == "2,580,000"


def test_a_share_is_never_rounded_to_nothing_or_to_all() -> None:
    assert [percent(s) for s in (0, 0.001, 0.42, 0.999, 1)] == [
        "0 %",
        "<1 %",
        "42 %",
        ">99 %",
        "100 %",
    ]


@given(st.text())
def test_nothing_invisible_reorders_what_is_shown(hostile: str) -> None:
    shown = visible(f"before \u202e{hostile}\u2066\x00")
    assert not set(shown) & {*map(chr, range(0x202A, 0x202F)), *map(chr, range(0x2066, 0x206A))}
    assert "\x00" not in shown
    shown.encode()
