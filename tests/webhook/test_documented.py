"""Deliveries as the gateway documents them: nothing in a body but the event and one number."""

from __future__ import annotations

from pathlib import Path

import pytest

from exporter.web.webhook import BURST
from tests.webhook.fakes import LOW, MONEY, SECRET, Bench, signature

BODY = b'{"event": "system.balance.notify.dispatched", "balance_usd": 7.80}'
OLD, NEW = "whsec_old-0123456789", "whsec_new-0123456789"


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path, "prod", "test")


def test_the_three_deliveries_of_one_event_are_one(bench: Bench) -> None:
    for wait in (0, 30, 300):
        bench.clock.time += wait
        assert bench.deliver(BODY).status_code == 204
    assert bench.counted == {"accepted": 1, "duplicate": 2}


def test_an_equal_body_is_another_event_six_minutes_after_the_first(bench: Bench) -> None:
    bench.deliver(BODY)
    bench.clock.time += 359
    bench.deliver(BODY)
    bench.polled()
    bench.clock.time += 1
    assert bench.deliver(BODY).status_code == 204
    assert bench.asked() == MONEY
    assert bench.counted == {"accepted": 2, "duplicate": 1}


def test_what_was_put_off_is_no_duplicate_when_it_comes_again(bench: Bench) -> None:
    for number in range(BURST):
        bench.deliver(BODY.replace(b"7.80", b"%d" % number))
    assert bench.deliver(BODY).status_code == 503
    bench.clock.time += 30
    assert bench.deliver(BODY).status_code == 204
    assert bench.counted == {"accepted": BURST + 1, "too_many": 1}


def test_old_and_new_secret_hold_while_they_are_rotated(bench: Bench) -> None:
    bench.secret_file.write_text(f"{NEW}\n\n {OLD}\n")
    for number, secret in enumerate((OLD, NEW)):
        body = b'{"event": "%s", "balance_usd": %d}' % (LOW.encode(), number)
        assert bench.deliver(body, signature(body, secret)).status_code == 204
    assert bench.deliver(BODY).status_code == 401
    bench.secret_file.write_text(NEW)
    assert bench.deliver(BODY, signature(BODY, OLD)).status_code == 401
    assert bench.counted == {"accepted": 2, "unsigned": 2}


def test_a_retry_that_another_secret_signs_is_the_same_event(bench: Bench) -> None:
    bench.secret_file.write_text(f"{NEW}\n{OLD}")
    for secret in (OLD, NEW):
        bench.deliver(BODY, signature(BODY, secret))
    assert bench.counted == {"accepted": 1, "duplicate": 1}


def test_only_the_account_whose_own_secret_signed_is_polled(bench: Bench) -> None:
    bench.own_secret("test", NEW, OLD)
    for secret in (NEW, OLD):
        bench.polled()
        bench.clock.time += 360
        assert bench.deliver(BODY, signature(BODY, secret)).status_code == 204
        assert (bench.asked("prod"), bench.asked("test")) == ([], MONEY)
    assert bench.deliver(BODY).status_code == 204, "the shared secret goes on beside it"
    assert (bench.asked("prod"), bench.asked("test")) == (MONEY, MONEY)


def test_equal_events_of_two_accounts_are_two(bench: Bench) -> None:
    bench.own_secret("prod", OLD)
    bench.own_secret("test", NEW)
    bench.configure(secret_file=None)
    for secret in (OLD, NEW):
        assert bench.deliver(BODY, signature(BODY, secret)).status_code == 204
    assert (bench.asked("prod"), bench.asked("test")) == (MONEY, MONEY)
    assert bench.deliver(BODY).status_code == 401
    assert bench.counted == {"accepted": 2, "unsigned": 1}


def test_while_one_secret_cannot_be_read_what_others_sign_is_taken(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    bench.own_secret("test", NEW)
    bench.secret_file.unlink()
    assert bench.deliver(BODY, signature(BODY, NEW)).status_code == 204
    assert bench.deliver(BODY, signature(BODY, SECRET)).status_code == 503
    assert "webhook.secret_file" in caplog.text
    assert bench.counted == {"accepted": 1, "unconfigured": 1}


def test_without_any_secret_there_is_no_webhook(bench: Bench) -> None:
    bench.configure(secret_file=None)
    assert bench.deliver(BODY).status_code == 404
