from __future__ import annotations

from exporter.errors import Outcome
from exporter.web.health import MAX_LISTED, Readiness
from tests.clock import NOW
from tests.web.fakes import answer, empty_board, fail, healthy


def test_the_exporter_is_not_ready_before_anything_answered_and_says_what_it_waits_for() -> None:
    body = Readiness().check(empty_board("prod"))
    assert not body.ready
    assert body.status == "waiting"
    assert body.waiting_for == (
        "prod: a first answer of account: not polled yet",
        "prod: a first answer of usage: not polled yet",
        "prod: a first answer of transactions: not polled yet",
    )


def test_one_complete_account_is_enough() -> None:
    live = empty_board("broken", "prod")
    answer(live.accounts["prod"])
    assert Readiness().check(live).ready


def test_endpoints_of_two_accounts_do_not_add_up_to_one_complete_account() -> None:
    live = empty_board("one", "two")
    for name, endpoints in (("one", 2), ("two", 1)):
        for status in list(live.accounts[name].endpoints.values())[:endpoints]:
            status.succeeded(NOW, 0.1)
    body = Readiness().check(live)
    assert not body.ready
    assert body.waiting_for == ("one: a first answer of transactions: not polled yet",)


def test_an_outage_after_the_first_answers_does_not_take_readiness_back() -> None:
    view, _ = healthy("prod")
    readiness = Readiness()
    assert readiness.check(view.live).ready
    fail(view, "prod", Outcome.NETWORK, "connection refused")
    assert readiness.check(view.live).ready


def test_a_reload_that_brings_only_new_accounts_does_not_take_readiness_back() -> None:
    readiness = Readiness()
    readiness.check(healthy("old")[0].live)
    assert readiness.check(empty_board("new")).ready


def test_a_state_that_cannot_be_written_takes_readiness_back_until_it_can() -> None:
    live = healthy("prod")[0].live
    readiness = Readiness()
    assert readiness.check(live).ready
    live.state_writable, live.state_error = False, "no space left on device"
    body = readiness.check(live)
    assert not body.ready
    assert body.waiting_for == ("the state to be writable: no space left on device",)
    live.state_writable = True
    assert readiness.check(live).ready


def test_a_failed_first_poll_is_named_with_its_error() -> None:
    view, _ = healthy("prod")
    live = empty_board("prod")
    view.live.accounts = live.accounts
    fail(view, "prod", Outcome.AUTH, "401: the key is refused")
    assert "401: the key is refused" in Readiness().check(view.live).waiting_for[0]


def test_the_answer_stays_small_with_a_thousand_accounts() -> None:
    body = Readiness().check(empty_board(*(f"a{n}" for n in range(1000))))
    assert len(body.accounts) == MAX_LISTED
    assert body.accounts_total == 1000
    assert len(body.waiting_for) == 3
