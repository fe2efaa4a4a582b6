"""What is wrong is told in a banner: one for each problem, with what to do about it."""

from __future__ import annotations

import re
from html import unescape

import pytest
from msgspec.structs import replace

from exporter.config.types import Thresholds
from exporter.errors import Outcome
from exporter.gateway.readings import Endpoint, ModelQuota
from exporter.ledger.totals import AccountTotals
from exporter.status import ExportOutcome
from exporter.web.view import View
from tests.clock import NOW
from tests.web.fakes import configured, envelope, fail, healthy, rate_of, reading, usd
from tests.web.test_page import page, problems, titles, words


def test_the_accounts_of_a_banner_are_separated_by_more_than_a_space() -> None:
    view, known = healthy("one two", "three", "four")
    for name in ("one two", "three"):
        fail(view, name, Outcome.NETWORK, "connection refused")
    assert "The gateway cannot be reached one two , three Check" in words(page(view, known))


def test_a_wrong_key_is_told_once_beside_the_endpoints_that_it_fails_at() -> None:
    view, known = healthy("prod")
    for endpoint, status in view.live.accounts["prod"].endpoints.items():
        status.failed(NOW - 5, 0.1, Outcome.AUTH, f"{endpoint} answered 401", up=False)
    html = page(view, known)
    assert titles(html) == ["The gateway refuses the key"]
    assert words(html).count("answered 401") == 2
    for status in view.live.accounts["prod"].endpoints.values():
        status.failed(NOW - 5, 0.1, Outcome.TIMEOUT, "no answer within 10 s", up=False)
    assert words(page(view, known)).count("5 s ago: no answer within 10 s") == 3


def test_a_wallet_that_is_called_low_while_its_balance_is_unknown_is_told() -> None:
    view, known = healthy("prod")
    view.live.accounts["prod"].account = reading(None, low_balance_flagged=True)
    assert "The balance is low" in titles(page(view, known))


def test_a_refused_key_comes_first_and_says_where_to_put_a_valid_one() -> None:
    view, known = healthy("prod")
    view.live.accounts["prod"].account = reading(3.2)
    fail(view, "prod", Outcome.AUTH, "401: the key is revoked")
    html = page(view, {"prod": replace(known["prod"], usage_rate=None)})
    assert problems(html) == [("bad", "The gateway refuses the key"), ("bad", "The balance is low")]
    assert "environment variable BYTESPIKE_API_KEY" in html
    assert html.index("refuses the key") < html.index("<h1>")


@pytest.mark.parametrize("outcome", [o for o in Outcome if o is not Outcome.SUCCESS])
def test_every_outcome_has_words_that_say_what_to_do(outcome: Outcome) -> None:
    view, known = healthy("prod")
    fail(view, "prod", outcome, "the detail of it")
    html = page(view, known)
    assert len(problems(html)) == 1
    assert re.search(r"<p>.{20,}</p>\s*<p class=\"detail\">account: the detail of it</p>", html)


def test_a_failure_becomes_worse_when_the_reading_is_stale() -> None:
    view, known = healthy("prod")
    fail(view, "prod", Outcome.TIMEOUT, "no answer within 10 s")
    assert problems(page(view, known))[0][0] == "warn"
    assert problems(page(view, known, now=NOW + 300))[0][0] == "bad"


def test_an_empty_wallet_is_not_an_outage() -> None:
    view, known = healthy("prod")
    view.live.accounts["prod"].account = reading(0)
    status = view.live.accounts["prod"].endpoints[Endpoint.ACCOUNT]
    status.failed(NOW - 5, 0.1, Outcome.OUT_OF_MONEY, "402: insufficient balance", up=True)
    assert set(titles(page(view, known))) == {
        "The wallet or the key's cap is empty", "The wallet is empty",
    }  # fmt: skip
    assert "Balance low balance $0.00" in words(page(view, known))


def test_caps_that_are_reached_are_named_and_so_are_the_first_keys_and_models() -> None:
    view, known = healthy("prod")
    account = view.live.accounts["prod"]
    for number in range(5):
        account.observe(envelope(f"sk-byts-…000{number}", key_quota_remaining=0, remaining=0))
    account.account = reading(models=tuple(ModelQuota(m, usd(5), usd(5)) for m in "abc"))
    html = page(view, known)
    assert set(titles(html)) == {
        "A key's lifetime cap is reached",
        "A key's spend window is used up",
        "A model's cap is reached",
    }
    cap = "Raise the cap. sk-byts-…0000, sk-byts-…0001, sk-byts-…0002 and 2 more"
    assert cap in words(html)
    assert "Raise the cap. a, b, c" in words(html)


def test_exports_that_fail_or_stop_are_told() -> None:
    view, known = healthy("prod")
    view.live.exports.ended(NOW - 5, ExportOutcome.PARTIAL, "5 points were rejected")
    html = page(view, known)
    assert titles(html) == ["Exports do not succeed"]
    assert "10 success, 1 partial, 0 failure" in words(html)
    assert "5 s ago: 5 points were rejected" in words(html)
    view.live.exports.last_error = None
    assert titles(page(view, known, now=NOW + 120)) == ["Exports have stopped"]


def test_a_state_that_cannot_be_written_or_read_is_told_first() -> None:
    view, _ = healthy("prod")
    view.live.state_writable, view.live.state_error = False, "no space left on device"
    html = page(view, "the state did not answer within 5 s")
    assert titles(html) == ["The state cannot be written", "The state cannot be read"]
    seen = words(html)
    assert "Runway unknown the state could not be read" in seen
    assert "Spent, lifetime unknown" in seen
    assert "$31.40" in seen
    assert "Unknown: the state could not be read." in seen


@pytest.mark.parametrize(
    ("changed", "found"),
    [
        ({"balance_floor_usd": 31}, []),
        ({"balance_floor_usd": 32}, [("bad", "The balance is low")]),
        ({"runway_warning_hours": 36}, [("warn", "The balance will not last long")]),
        ({"runway_critical_hours": 36, "runway_warning_hours": 40},
         [("bad", "The balance will not last long")]),
        ({"organization_balance_usd": 1241}, [("bad", "The organization's wallet is low")]),
        ({"rate_limit_remaining_ratio": 0.8}, [("warn", "A key's spend window is nearly used up")]),
        ({"key_quota_remaining_usd": 193}, [("warn", "A key's lifetime cap is nearly reached")]),
        ({"model_quota_utilization_ratio": 0.8}, [("warn", "A model's cap is nearly reached")]),
        ({"ledger_drift_usd": 0.01}, [("warn", "Wallet and counted usage part")]),
    ],
)  # fmt: skip
def test_what_is_low_is_a_threshold_of_the_configuration(
    changed: dict[str, float], found: list[tuple[str, str]]
) -> None:
    view, known = healthy("prod")
    html = page(configured(view, thresholds=replace(Thresholds(), **changed)), known)
    assert [(tone, unescape(title)) for tone, title in problems(html)] == found


def test_accounts_that_are_one_wallet_are_told_and_counted_once() -> None:
    view, known = healthy("prod", "second", "third")
    for name, user in (("prod", "88"), ("second", "88"), ("third", "99")):
        account = view.live.accounts[name]
        account.account = reading(user_id=user)
        account.wallet = "https://llm.example", f"user {user}"
    seen = words(page(view, known))
    assert "2 accounts are one wallet prod , second All of it shows under each name" in seen
    assert "$62.80" in seen


def test_members_of_an_organization_are_no_mistake_and_its_wallet_counts_once() -> None:
    view, known = healthy("prod", "second")
    for user, account in enumerate(view.live.accounts.values()):
        account.account = reading(0, tier="enterprise", user_id=str(user))
        account.wallet = "https://llm.example", "organization 1"
    html = page(view, known)
    assert titles(html) == []
    assert "Left in all wallets $1,240.55" in words(html)


def test_the_same_user_id_at_two_gateways_is_two_wallets() -> None:
    view, known = healthy("prod", "second")
    for name, account in view.live.accounts.items():
        account.wallet = f"https://{name}.example", "user 88"
    html = page(view, known)
    assert titles(html) == []
    assert "$62.80" in words(html)


@pytest.mark.parametrize("own", [0, 3, 1000])
def test_only_the_wallet_that_pays_is_called_low_or_empty(own: float) -> None:
    view, known = healthy("prod")
    account = view.live.accounts["prod"]
    account.account = reading(own, tier="enterprise", low_balance_flagged=True)
    quick = replace(known["prod"], usage_rate=rate_of(60), organization_rate=None)
    assert titles(page(view, {"prod": quick})) == []
    quick = replace(quick, organization_rate=rate_of(3600, 1240.55))
    found = [("bad", "The organization's balance will not last long")]
    assert organization_problems(view, quick) == found
    account.observe(envelope(org_quota_remaining=usd(-3)))
    assert organization_problems(view, quick) == [("bad", "The organization's wallet is empty")]


def organization_problems(view: View, totals: AccountTotals) -> list[tuple[str, str]]:
    html = page(view, {"prod": totals})
    return [(tone, unescape(title)) for tone, title in problems(html)]


def test_an_organization_that_does_not_pay_gives_no_alarm_about_its_runway() -> None:
    view, known = healthy("prod")
    counted = replace(known["prod"], organization_rate=rate_of(60, 1240.55))
    assert titles(page(view, {"prod": counted})) == []


def test_usage_that_is_counted_only_up_to_long_ago_is_told() -> None:
    view, known = healthy("prod")
    status = view.live.accounts["prod"].endpoints[Endpoint.USAGE]
    status.position = NOW - 1200
    assert titles(page(view, known)) == []
    status.position = NOW - 1260
    assert titles(page(view, known)) == ["Counting is behind"]
    assert "usage: counted up to 21 min ago" in words(page(view, known))


def test_counters_that_show_too_much_are_told() -> None:
    view, known = healthy("prod")
    counted = replace(known["prod"], overcount=usd(1.5))
    assert titles(page(view, {"prod": counted})) == ["Counters show more than was spent"]


def test_history_that_is_caught_up_does_not_look_like_a_hanging_poll() -> None:
    view, known = healthy("prod")
    status = view.live.accounts["prod"].endpoints[Endpoint.USAGE]
    status.behind = 3 * 86_400.0
    assert problems(page(view, known)) == []
    assert "catching up" in words(page(view, known))
    status.last_success = NOW - 900
    assert problems(page(view, known)) == [("warn", "History is being caught up")]
    assert "usage: 3 d are left to read" in words(page(view, known))
