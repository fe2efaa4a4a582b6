"""What the page says, in words and in order."""

from __future__ import annotations

import re
from collections.abc import Mapping
from html import unescape

import pytest
from msgspec.structs import replace

from exporter.config.types import Otlp
from exporter.errors import Outcome
from exporter.gateway.readings import Envelope, Observation, Source, UsageShape
from exporter.gateway.recognized import FirstPage, Order, Recognized, UsageForm
from exporter.ledger.spend import Rate
from exporter.ledger.totals import AccountTotals
from exporter.status import ExportOutcome
from exporter.traffic import MAX_KEYS
from exporter.web.page import render
from exporter.web.view import View
from tests.clock import NOW
from tests.web.fakes import (
    INSTANCE,
    OWN_KEY,
    config,
    configured,
    empty_board,
    envelope,
    fail,
    healthy,
    rate_of,
    reading,
    series,
    totals,
    usd,
)  # fmt: skip

Totals = Mapping[str, AccountTotals] | str


def page(view: View, known: Totals, now: float = NOW, **query: str) -> str:
    return render(view, known, now, query)[1]


def words(html: str) -> str:
    """What a reader sees, without the markup."""
    body = re.sub(r"<style>.*?</style>", "", html, flags=re.S)
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", body)).split())


def problems(html: str) -> list[tuple[str, str]]:
    """Tone and title of everything that is wrong, in the page's order."""
    return re.findall(r'<article class="problem (\w+)">\s*<h3>(.*?)</h3>', html)


def titles(html: str) -> list[str]:
    return [unescape(title) for _, title in problems(html)]


def rows(html: str) -> list[str]:
    """The names of the accounts on the overview."""
    return re.findall(r'<tr><th scope="row"><a href="[^"]*"><bdi [^>]*>(.*?)</bdi>', html)


def test_a_healthy_account_shows_its_money_and_no_banner() -> None:
    html = page(*healthy("prod"))
    seen = words(html)
    assert problems(html) == []
    assert "Balance $31.40 low at $5.00" in seen
    assert "Runway about 36 hours" in seen
    assert "$0.87 an hour, as in the last 6 h" in seen
    assert "left of $25.00, resets in 2 h 10 min" in seen
    assert "used of $50.00" in seen
    assert "Organization wallet $1,240.55" in seen
    assert "Example AI (admin) · individual tier" in seen
    assert "topup 1 $50.00 2 d 7 h ago admin_debit 1 −$1.50 1 d 1 h ago refund 4 $0.37" in seen
    assert INSTANCE in seen
    assert "<title>$31.40 · prod · ByteSpike exporter</title>" in html


def test_spend_is_summed_by_key_and_by_model_and_sorted_by_cost() -> None:
    seen = words(page(*healthy("prod")))
    shown = re.findall(r"([a-z]\S+) (?:sk-byts-…[^8]\w+ )?\$(\S+) (\d+|<1) %", seen)
    assert shown == [
        ("prod-vision", "40.33", "64"),
        ("batch-nightly", "21.12", "33"),
        ("playground", "1.93", "3"),
        ("sk-byts-…8d12", "0.0042", "<1"),
        ("claude-sonnet-4-6", "45.83", "72"),
        ("gpt-5-4", "11.05", "17"),
        ("veo-3-fast", "6.50", "10"),
        ("claude-haiku-4-5", "0.0042", "<1"),
    ]
    assert "$63.38 for" in seen


def test_spend_is_told_since_when_it_is_counted_not_since_its_series_were_seen() -> None:
    view, known = healthy("prod")
    counted = replace(known["prod"], counted_from=1_779_372_491.0)
    assert "counted since 21 May 2026, 14:08 UTC" in words(page(view, {"prod": counted}))


def test_more_keys_than_fit_are_summed_up_in_one_row() -> None:
    view, _ = healthy("prod")
    usage = tuple(series(n, f"key-{n}", f"k{n}", "m", n + 1.0) for n in range(2000))
    html = page(view, {"prod": AccountTotals(usage=usage)})
    assert "1,992 more $1,985,028.00 >99 %" in words(html)
    assert "$2,001,000.00 for" in words(html)
    assert len(html) < 50_000


def test_two_keys_of_one_name_stay_apart() -> None:
    view, _ = healthy("prod")
    usage = (series(1, "same", "k1", "m", 1), series(2, "same", "k2", "m", 2))
    seen = words(page(view, {"prod": AccountTotals(usage=usage)}))
    assert re.findall(r"same (k\d) \$(\S+)", seen) == [("k2", "2.00"), ("k1", "1.00")]


def test_just_after_the_start_the_page_explains_what_it_waits_for() -> None:
    seen = words(page(View(empty_board("prod"), config("prod"), INSTANCE), {}))
    assert "Nothing has been read yet" in seen
    assert "not polled yet" in seen
    assert "$0.00" not in seen


def test_what_the_gateway_did_not_say_is_unknown_and_not_zero() -> None:
    view, known = healthy("prod")
    view.live.accounts["prod"].account = reading(None, lifetime_spent=None, models=())
    seen = words(page(view, known))
    assert "Balance unknown the gateway did not say" in seen
    assert "Runway unknown the balance is not known" in seen
    assert not re.search(r"\$0\.00(?!\d)", seen)


@pytest.mark.parametrize(
    ("rate", "shown"),
    [
        (Rate(usd(3), 21_600), "Runway about 3 days $0.50 an hour, as in the last 6 h"),
        (Rate(usd(3), 24_000), "Runway about 3 days $0.45 an hour, as in the last 6 h"),
        (Rate(usd(3), 1200), "Runway about 3 hours $9.00 an hour, as in the last 20 min"),
        (Rate(0, 1200), "Runway unknown nothing spent in the last 20 min"),
        (None, "Runway unknown not watched for long enough"),
    ],
)
def test_a_runway_says_for_how_long_the_spending_was_watched(rate: Rate | None, shown: str) -> None:
    view, known = healthy("prod")
    assert shown in words(page(view, {"prod": replace(known["prod"], usage_rate=rate)}))


def test_the_wallet_that_pays_is_the_one_that_the_page_is_about() -> None:
    view, known = healthy("prod", "other")
    live = view.live.accounts["prod"]
    live.account = reading(0, tier="enterprise", lifetime_spent=0, lifetime_topup=0)
    counted = replace(known["prod"], organization_rate=rate_of(200_000, 1240.55))
    seen = words(page(view, {"prod": counted}, account="prod"))
    assert "Balance of the organization $1,240.55 low at $50.00" in seen
    assert "Runway about 2 days" in seen
    assert "Own wallet, which does not pay $0.00" in seen
    assert "Left in all wallets $1,271.95" in words(page(view, {**known, "prod": counted}))


def test_an_organizations_wallet_that_two_accounts_are_paid_from_is_summed_once() -> None:
    view, known = healthy("one", "two")
    for user, name in enumerate(("one", "two")):
        view.live.accounts[name].account = reading(7, tier="enterprise", user_id=str(user))
    assert "Left in all wallets $1,240.55" in words(page(view, known))


def test_a_stale_reading_is_marked_with_its_age() -> None:
    view, known = healthy("prod")
    seen = words(page(view, known, now=NOW + 600))
    assert "$31.40 stale, 10 min old" in seen
    assert "An endpoint is not polled" in seen


def test_a_reading_from_the_future_is_as_stale_as_one_from_the_past() -> None:
    view, known = healthy("prod")
    assert "stale" in words(page(view, known, now=NOW - 86_400))


def test_a_window_that_has_reset_since_it_was_read_is_unknown() -> None:
    view, known = healthy("prod")
    view.live.accounts["prod"].observe(envelope(reset_at=NOW - 1))
    seen = words(page(view, known))
    assert "it has reset since it was read" in seen
    assert "$17.50" not in seen


def test_the_receivers_address_is_shown_without_what_could_be_a_secret() -> None:
    view, known = healthy("prod")
    otlp = Otlp(endpoint="https://user:hunter2@collector:4318/v1/metrics?token=hunter2")
    shown = page(configured(view, otlp=otlp), known)
    assert "https://collector:4318/v1/metrics" in shown
    assert "hunter2" not in shown


def test_notes_about_the_counting_appear_when_there_is_something_to_say() -> None:
    view, known = healthy("prod")
    counted = replace(known["prod"], overcount=usd(0.5), folded=3)
    seen = words(page(view, {"prod": counted}))
    assert "Overcount $0.50" in seen
    assert "Folded 3 keys or models" in seen
    quiet = replace(known["prod"], drift=0, overcount=0)
    assert "Overcount" not in words(page(view, {"prod": quiet}))


def test_how_usage_is_read_is_shown_once_it_was_recognized() -> None:
    view, known = healthy("prod")
    assert "Usage shape" not in words(page(view, known))
    rows = FirstPage(20, asked=200, size=20, total=1500, order=Order.NEWEST)
    log = UsageForm("/api/v1/usage", UsageShape.LOG, page=rows)
    view.live.accounts["prod"].recognize(Recognized(log))
    seen = words(page(view, known))
    assert "Usage shape the log, a row for each call, at /api/v1/usage" in seen
    told = "20 of 1,500 rows on the first page (200 asked for, pages of 20 by its own word)"
    assert f"Usage rows {told}, newest first" in seen


def test_of_many_accounts_the_most_urgent_comes_first() -> None:
    view, known = healthy("calm", "short", "refused", "low")
    live = view.live.accounts
    live["low"].account = reading(30, low_balance_threshold=usd(35), low_balance_flagged=True)
    fail(view, "refused", Outcome.AUTH, "401")
    runways = {"calm": 9e6, "short": 100_000.0, "refused": 9e6, "low": 9e6}
    counted = {n: replace(known[n], usage_rate=rate_of(r)) for n, r in runways.items()}
    html = page(view, counted)
    assert rows(html) == ["refused", "low", "short", "calm"]
    assert "Accounts 1 broken 1 to look at 2 fine" in words(html)


def test_a_wallet_that_two_accounts_read_is_summed_once() -> None:
    view, known = healthy("one", "two", "other")
    view.live.accounts["other"].account = reading(10, user_id="99")
    assert "Left in all wallets $41.40" in words(page(view, known))


def test_a_thousand_broken_accounts_make_one_banner_and_a_page_of_bounded_size() -> None:
    names = [f"team-{n:04d}" for n in range(1000)]
    view, known = healthy(*names)
    for name in names:
        fail(view, name, Outcome.NETWORK, "connection refused")
    html = page(view, known)
    assert len(problems(html)) == 1
    assert "and 995 more" in html
    assert len(html) < 150_000
    assert len(rows(html)) == 100
    assert "Page 1 of 10" in html


def test_every_account_is_on_exactly_one_page_of_the_overview() -> None:
    names = [f"team-{n:04d}" for n in range(250)]
    view, known = healthy(*names)
    seen = [name for number in "123" for name in rows(page(view, known, page=number))]
    assert sorted(seen) == names
    assert "Page 3 of 3" in page(view, known, page="99")


def test_an_account_among_many_has_a_page_of_its_own_with_a_way_back() -> None:
    view, known = healthy("a&b=c #1", "two")
    overview = page(view, known)
    assert 'href="/?account=a%26b%3Dc%20%231"' in overview
    detail = page(view, known, account="a&b=c #1")
    assert "All accounts" in detail
    assert "<bdi" in detail


def test_the_page_can_stand_still() -> None:
    view, known = healthy("prod")
    assert 'http-equiv="refresh" content="10"' in page(view, known)
    still = page(view, known, refresh="off")
    assert 'http-equiv="refresh"' not in still
    assert "resume" in still


def test_hostile_names_stay_text() -> None:
    hostile = '\u202e"><script>alert(1)</script>\n' + "x" * 300
    view, known = healthy(hostile, "two")
    usage = (series(1, hostile, hostile, hostile, 1),)
    view.live.accounts[hostile].observe(envelope(hostile))
    counted = {**known, hostile: replace(totals(), usage=usage)}
    fail(view, hostile, Outcome.SERVER_ERROR, hostile)
    for query in ({}, {"account": hostile}, {"account": hostile + "?"}):
        html = render(view, counted, NOW, query)[1]
        assert "<script" not in html
        assert "\u202e" not in html


def test_otlp_that_is_turned_off_is_no_problem_however_long_it_runs() -> None:
    view, known = healthy("prod")
    off = configured(view, otlp=Otlp(endpoint=""))
    view.live.exports.last_success = None
    view.live.exports.ended(NOW - 90_000, ExportOutcome.FAILURE, "from before it was turned off")
    html = page(off, known)
    assert problems(html) == []
    assert '<span class="badge ok">turned off</span>' in html
    assert "from before" not in html
    assert "Receiver none" in words(html)


def test_what_the_snapshot_no_longer_shows_is_old_on_the_page_and_no_reason_for_alarm() -> None:
    view, known = healthy("prod")
    account = view.live.accounts["prod"]
    account.account = reading(0.5, observed_at=NOW - 900)
    account.observe(envelope(key_quota_remaining=0, now=NOW - 900))
    html = page(view, known)
    assert "$0.50 stale, 15 min old" in words(html)
    assert "Runway unknown the balance is not known" in words(html)
    assert titles(html) == []


def test_without_a_tap_nothing_is_said_of_traffic() -> None:
    assert "Traffic of applications" not in words(page(*healthy("prod")))


def test_each_key_shows_when_and_by_whom_it_was_seen_and_how_often_it_was_refused() -> None:
    view, totals = healthy("prod")
    traffic = view.live.accounts["prod"].traffic
    for status in (200, 200, 500, 429):
        traffic.count(Observation(Source.LOG, status, Envelope(NOW - 3, OWN_KEY), "sonnet"), NOW)
    traffic.count(Observation(Source.HOOK, 200, Envelope(NOW - 40, OWN_KEY)), NOW)
    assert f"{OWN_KEY} 3 s ago (log), 40 s ago (hook) 5 1" in words(page(view, totals))


def test_of_many_keys_those_seen_last_are_shown() -> None:
    view, totals = healthy("prod")
    traffic = view.live.accounts["prod"].traffic
    for number in range(MAX_KEYS):
        seen = Envelope(NOW - MAX_KEYS + number, f"sk-byts-…{number:04}")
        traffic.count(Observation(Source.LOG, 200, seen), NOW)
    shown = re.findall(r"sk-byts-…(\d{4}) \S+ s ago \(log\)|just now", words(page(view, totals)))
    assert shown[:2] == [f"{MAX_KEYS - 1:04}", f"{MAX_KEYS - 2:04}"]
    assert len(shown) == 12
