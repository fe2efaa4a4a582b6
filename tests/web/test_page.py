"""What the page says, in words and in order."""

from __future__ import annotations

import re
from collections.abc import Mapping
from html import unescape

import msgspec
import pytest
from msgspec.structs import replace

from exporter.config.types import Otlp
from exporter.errors import Outcome
from exporter.gateway.readings import Endpoint, ModelQuota
from exporter.ledger.totals import AccountTotals
from exporter.live import ExportOutcome
from exporter.web.build import ROWS, build
from exporter.web.model import Choice, Page, Tone
from exporter.web.page import render
from exporter.web.view import View
from tests.web.fakes import (
    INSTANCE,
    NOW,
    config,
    empty_board,
    envelope,
    fail,
    healthy,
    reading,
    series,
    totals,
    usd,
)

Totals = Mapping[str, AccountTotals] | str


def page(view: View, known: Totals, now: float = NOW, **choice: object) -> Page:
    return build(view, known, now, Choice(**choice))  # type: ignore[arg-type]


def words(shown: Page) -> str:
    """What a reader sees, without the markup."""
    body = re.sub(r"<style>.*?</style>", "", render(shown), flags=re.S)
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", body)).split())


def test_a_healthy_account_shows_its_money_and_no_banner() -> None:
    shown = page(*healthy("prod"))
    seen = words(shown)
    assert shown.problems == ()
    assert shown.tone is Tone.OK
    assert "Balance $31.40" in seen
    assert "Runway about 9 hours" in seen
    assert "$3.50 an hour, as in the last 6 h" in seen
    assert "left of $25.00, resets in 2 h 10 min" in seen
    assert "used of $50.00" in seen
    assert "Organization wallet $1,240.55" in seen
    assert INSTANCE in seen
    assert "<title>$31.40 · prod · ByteSpike exporter</title>" in render(shown)


def test_spend_is_summed_by_key_and_by_model_and_sorted_by_cost() -> None:
    shown = page(*healthy("prod"))
    assert shown.detail is not None
    spend = shown.detail.spend
    assert spend is not None
    keys, models = spend.tables
    assert [row.name for row in keys.rows] == [
        "prod-vision", "batch-nightly", "playground", "sk-byts-…8d12",
    ]  # fmt: skip
    assert models.rows[0].name == "claude-sonnet-4-6"
    assert models.rows[0].cost == usd(31.207) + usd(14.62)
    assert sum(row.cost for row in models.rows) == spend.total.cost
    assert sum(row.share for row in keys.rows) == pytest.approx(1)


def test_spend_is_told_since_when_it_is_counted_not_since_its_series_were_seen() -> None:
    view, known = healthy("prod")
    counted = msgspec.structs.replace(known["prod"], counted_from=1_779_372_491.0)
    assert "counted since 21 May 2026, 14:08 UTC" in words(page(view, {"prod": counted}))


def test_more_keys_than_fit_are_summed_up_in_one_row() -> None:
    view, _ = healthy("prod")
    usage = tuple(series(n, f"key-{n}", f"k{n}", "m", n + 1.0) for n in range(2000))
    shown = page(view, {"prod": AccountTotals(usage=usage)})
    assert shown.detail is not None
    assert shown.detail.spend is not None
    keys = shown.detail.spend.tables[0]
    assert keys.hidden == 1992
    assert keys.rest is not None
    assert keys.rest.cost + sum(row.cost for row in keys.rows) == shown.detail.spend.total.cost
    assert len(render(shown)) < 50_000


def test_two_keys_of_one_name_stay_apart() -> None:
    view, _ = healthy("prod")
    usage = (series(1, "same", "k1", "m", 1), series(2, "same", "k2", "m", 2))
    shown = page(view, {"prod": AccountTotals(usage=usage)})
    assert shown.detail is not None
    assert shown.detail.spend is not None
    assert [row.key_id for row in shown.detail.spend.tables[0].rows] == ["k2", "k1"]


def test_just_after_the_start_the_page_explains_what_it_waits_for() -> None:
    seen = words(page(View(empty_board("prod"), config("prod"), INSTANCE), {}))
    assert "Nothing has been read yet" in seen
    assert "not polled yet" in seen
    assert "$0.00" not in seen


def test_what_the_gateway_did_not_say_is_unknown_and_not_zero() -> None:
    view, known = healthy("prod")
    view.live.accounts["prod"].account = reading(None, lifetime_spent=None, models=())
    seen = words(page(view, {"prod": msgspec.structs.replace(known["prod"], runway=None)}))
    assert "Balance unknown the gateway did not say" in seen
    assert "Runway unknown nothing spent in the last 6 h" in seen
    assert not re.search(r"\$0\.00(?!\d)", seen)


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


def test_a_refused_key_comes_first_and_says_where_to_put_a_valid_one() -> None:
    view, known = healthy("prod")
    view.live.accounts["prod"].account = reading(3.2)
    fail(view, "prod", Outcome.AUTH, "401: the key is revoked")
    shown = page(view, known)
    assert [problem.title for problem in shown.problems] == [
        "The gateway refuses the key",
        "The balance is low",
    ]
    assert "environment variable BYTESPIKE_API_KEY" in shown.problems[0].advice
    assert shown.problems[0].tone is Tone.BAD
    assert render(shown).index("refuses the key") < render(shown).index("<h1>")


@pytest.mark.parametrize("outcome", [o for o in Outcome if o is not Outcome.SUCCESS])
def test_every_outcome_has_words_that_say_what_to_do(outcome: Outcome) -> None:
    view, known = healthy("prod")
    fail(view, "prod", outcome, "the detail of it")
    (problem,) = page(view, known).problems
    assert problem.advice
    assert problem.detail == "account: the detail of it"


def test_a_failure_becomes_worse_when_the_reading_is_stale() -> None:
    view, known = healthy("prod")
    fail(view, "prod", Outcome.TIMEOUT, "no answer within 10 s")
    assert page(view, known).problems[0].tone is Tone.WARN
    assert page(view, known, now=NOW + 300).problems[0].tone is Tone.BAD


def test_an_empty_wallet_is_not_an_outage() -> None:
    view, known = healthy("prod")
    view.live.accounts["prod"].account = reading(0)
    status = view.live.accounts["prod"].endpoints[Endpoint.ACCOUNT]
    status.failed(NOW - 5, 0.1, Outcome.RATE_LIMITED, "402: insufficient balance", up=True)
    titles = {problem.title for problem in page(view, known).problems}
    assert titles == {"The wallet or the key's cap is empty", "The wallet is empty"}
    assert "Balance low balance $0.00" in words(page(view, known))


def test_caps_that_are_reached_are_named() -> None:
    view, known = healthy("prod")
    account = view.live.accounts["prod"]
    account.observe(envelope(key_quota_remaining=0, remaining=0))
    account.account = reading(models=(ModelQuota("gpt-5-4", usd(50), usd(50)),))
    assert {problem.title for problem in page(view, known).problems} == {
        "A key's lifetime cap is reached",
        "A key's spend window is used up",
        "A model's cap is reached",
    }


def test_exports_that_fail_or_stop_are_told() -> None:
    view, known = healthy("prod")
    view.live.exports.ended(NOW - 5, ExportOutcome.PARTIAL, "5 points were rejected")
    shown = page(view, known)
    assert [problem.title for problem in shown.problems] == ["Exports do not succeed"]
    assert "10 success, 1 partial, 0 failure" in words(shown)
    view.live.exports.last_error = None
    later = page(view, known, now=NOW + 120)
    assert later.problems[0].title == "Exports have stopped"


def test_a_state_that_cannot_be_written_or_read_is_told_first() -> None:
    view, _ = healthy("prod")
    view.live.state_writable, view.live.state_error = False, "no space left on device"
    shown = page(view, "the state did not answer within 5 s")
    assert [problem.title for problem in shown.problems] == [
        "The state cannot be written",
        "The state cannot be read",
    ]
    seen = words(shown)
    assert "$31.40" in seen
    assert "Unknown: the state could not be read." in seen


def test_the_receivers_address_is_shown_without_what_could_be_a_secret() -> None:
    view, known = healthy("prod")
    otlp = Otlp(endpoint="https://user:hunter2@collector:4318/v1/metrics?token=hunter2")
    secret = View(view.live, replace(view.config, otlp=otlp), INSTANCE)
    shown = render(page(secret, known))
    assert "https://collector:4318/v1/metrics" in shown
    assert "hunter2" not in shown


def test_notes_about_the_counting_appear_when_there_is_something_to_say() -> None:
    view, known = healthy("prod")
    counted = msgspec.structs.replace(known["prod"], overcount=usd(0.5), folded=3)
    seen = words(page(view, {"prod": counted}))
    assert "Overcount $0.50" in seen
    assert "Folded 3 keys or models" in seen
    quiet = msgspec.structs.replace(known["prod"], drift=0, overcount=0)
    assert "Overcount" not in words(page(view, {"prod": quiet}))


def test_of_many_accounts_the_most_urgent_comes_first() -> None:
    view, known = healthy("calm", "short", "refused", "low")
    live = view.live.accounts
    live["low"].account = reading(4)
    fail(view, "refused", Outcome.AUTH, "401")
    runways = {"calm": 9e6, "short": 40_000.0, "refused": 9e6, "low": 9e6}
    counted = {n: msgspec.structs.replace(known[n], runway=r) for n, r in runways.items()}
    shown = page(view, counted)
    assert shown.overview is not None
    assert [row.name for row in shown.overview.rows] == ["refused", "low", "short", "calm"]
    assert dict(shown.overview.counts) == {Tone.BAD: 1, Tone.WARN: 1, Tone.WAIT: 0, Tone.OK: 2}


def test_a_wallet_that_two_accounts_read_is_summed_once() -> None:
    view, known = healthy("one", "two", "other")
    view.live.accounts["other"].account = reading(10, user_id="99")
    shown = page(view, known)
    assert shown.overview is not None
    assert shown.overview.total.text == "$41.40"


def test_a_thousand_broken_accounts_make_one_banner_and_a_page_of_bounded_size() -> None:
    names = [f"team-{n:04d}" for n in range(1000)]
    view, known = healthy(*names)
    for name in names:
        fail(view, name, Outcome.NETWORK, "connection refused")
    shown = page(view, known)
    html = render(shown)
    assert len(shown.problems) == 1
    assert "and 995 more" in html
    assert len(html) < 150_000
    assert shown.overview is not None
    assert len(shown.overview.rows) == ROWS
    assert shown.overview.pages == 10


def test_every_account_is_on_exactly_one_page_of_the_overview() -> None:
    names = [f"team-{n:04d}" for n in range(250)]
    view, known = healthy(*names)
    seen: list[str] = []
    for number in (1, 2, 3):
        overview = page(view, known, page=number).overview
        assert overview is not None
        seen += [row.name for row in overview.rows]
    assert sorted(seen) == names
    beyond = page(view, known, page=99).overview
    assert beyond is not None
    assert beyond.page == 3


def test_an_account_among_many_has_a_page_of_its_own_with_a_way_back() -> None:
    view, known = healthy("a&b=c #1", "two")
    overview = render(page(view, known))
    assert 'href="/?account=a%26b%3Dc%20%231"' in overview
    detail = render(page(view, known, account="a&b=c #1"))
    assert "All accounts" in detail
    assert "<bdi" in detail


def test_the_page_can_stand_still() -> None:
    view, known = healthy("prod")
    assert 'http-equiv="refresh"' in render(page(view, known))
    still = render(page(view, known, refresh=False))
    assert 'http-equiv="refresh"' not in still
    assert "resume" in still


def test_hostile_names_stay_text() -> None:
    hostile = '\u202e"><script>alert(1)</script>\n' + "x" * 300
    view, known = healthy(hostile, "two")
    usage = (series(1, hostile, hostile, hostile, 1),)
    view.live.accounts[hostile].observe(envelope(hostile))
    counted = {**known, hostile: msgspec.structs.replace(totals(), usage=usage)}
    fail(view, hostile, Outcome.SERVER_ERROR, hostile)
    for account in (None, hostile, hostile + "?"):
        html = render(page(view, counted, account=account))
        assert "<script" not in html
        assert "\u202e" not in html


def test_otlp_that_is_turned_off_is_no_problem_however_long_it_runs() -> None:
    view, known = healthy("prod")
    off = View(view.live, replace(view.config, otlp=Otlp(endpoint="")), INSTANCE)
    view.live.exports.last_success = None
    view.live.exports.ended(NOW - 90_000, ExportOutcome.FAILURE, "from before it was turned off")
    shown = page(off, known)
    assert shown.problems == ()
    assert shown.exports.tone is Tone.OK
    assert "turned off" in words(shown)
    assert "from before" not in words(shown)
    assert "://" not in shown.exports.endpoint


def test_history_that_is_caught_up_does_not_look_like_a_hanging_poll() -> None:
    view, known = healthy("prod")
    status = view.live.accounts["prod"].endpoints[Endpoint.USAGE]
    status.behind = 3 * 86_400.0
    assert page(view, known).problems == ()
    assert "catching up" in words(page(view, known))
    status.last_success = NOW - 900
    (problem,) = page(view, known).problems
    assert (problem.tone, problem.title) == (Tone.WARN, "History is being caught up")
    assert problem.detail == "usage: 3 d are left to read"
