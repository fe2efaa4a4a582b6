from __future__ import annotations

from collections.abc import Callable
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
    ("form", "number", "words"),
    [
        # Money reads like money.
        (money, 0.0, "$0.00"),
        (money, 31.4, "$31.40"),
        (money, 1_234_567.89, "$1,234,567.89"),
        (money, -1.5, "−$1.50"),
        (money, 0.0042, "$0.0042"),
        (money, 0.0011 + 0.0022, "$0.0033"),
        (money, 1e-9, "$0.000000001"),
        (money, 999.999995, "$1,000.00"),
        # An estimate is given in one round unit.
        (about, 0, "less than a minute"),
        (about, 60, "about 1 minute"),
        (about, 3000, "about 50 minutes"),
        (about, 32_300, "about 9 hours"),
        (about, 86_400, "about 24 hours"),
        (about, 5 * 86_400, "about 5 days"),
        (about, 90 * 86_400, "about 3 months"),
        (about, 3 * 365 * 86_400, "about 3 years"),
        (about, 1e300, "more than 10 years"),
        (about, float("inf"), "more than 10 years"),
        # A measured span is given in its two largest units.
        (span, 0.2, "0 s"),
        (span, 42, "42 s"),
        (span, 286, "4 min 46 s"),
        (span, 3599, "1 h"),
        (span, 7500, "2 h 5 min"),
        (span, 86_400, "1 d"),
        (span, 90_061, "1 d 1 h"),
        (span, -5, "0 s"),
        (span, 1e12, "more than 10 years"),
        # A large count has three digits.
        (short, 9_999, "9,999"),
        (short, 10_000, "10 k"),
        (short, 332_000, "332 k"),
        (short, 999_700, "1 M"),
        (short, 2_580_000, "2.58 M"),
        # A share is never rounded to nothing or to all.
        (percent, 0, "0 %"),
        (percent, 0.001, "<1 %"),
        (percent, 0.42, "42 %"),
        (percent, 0.999, ">99 %"),
        (percent, 1, "100 %"),
        # Where all digits are wanted, they are there.
        (count, 2_580_000, "2,580,000"),
    ],
)
def test_a_number_is_told_as_a_person_would(
    form: Callable[[float], str], number: float, words: str
) -> None:
    assert form(number) == words


@given(st.integers(-MAX_USD * NANOS_PER_USD, MAX_USD * NANOS_PER_USD))
def test_money_is_never_wrong_by_more_than_half_a_cent_and_never_hides_a_rest(nanos: int) -> None:
    words = money(to_usd(nanos))
    shown = Decimal(words.replace("$", "").replace(",", "").replace("−", "-"))
    exact = Decimal(nanos) / NANOS_PER_USD
    assert abs(shown - exact) <= Decimal("0.005000001")
    assert (shown == 0) == (nanos == 0)


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


@given(st.text())
def test_nothing_invisible_reorders_what_is_shown(hostile: str) -> None:
    shown = visible(f"before \u202e{hostile}\u2066\x00")
    assert not set(shown) & {*map(chr, range(0x202A, 0x202F)), *map(chr, range(0x2066, 0x206A))}
    assert "\x00" not in shown
    shown.encode()
