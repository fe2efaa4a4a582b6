"""One problem in many places is one banner, and its names can be told apart."""

from __future__ import annotations

from exporter.errors import Outcome
from exporter.gateway.readings import Endpoint, ModelQuota
from tests.web.fakes import NOW, envelope, fail, healthy, reading, usd
from tests.web.test_page import page, titles, words


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
    assert words(page(view, known)).count("5 s ago: no answer within 10 s") == len(Endpoint)


def test_all_keys_and_models_that_reach_a_cap_are_named_the_first_ones() -> None:
    view, known = healthy("prod")
    account = view.live.accounts["prod"]
    for number in range(5):
        account.observe(envelope(f"sk-byts-…000{number}", key_quota_remaining=0))
    account.account = reading(models=tuple(ModelQuota(m, usd(5), usd(5)) for m in "abc"))
    seen = words(page(view, known))
    assert "Raise the cap. sk-byts-…0000, sk-byts-…0001, sk-byts-…0002 and 2 more" in seen
    assert "Raise the cap. a, b, c" in seen


def test_a_wallet_that_is_called_low_while_its_balance_is_unknown_is_told() -> None:
    view, known = healthy("prod")
    view.live.accounts["prod"].account = reading(None, low_balance_flagged=True)
    assert "The balance is low" in titles(page(view, known))
