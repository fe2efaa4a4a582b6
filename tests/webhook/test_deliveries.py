"""What a delivery does, what it is answered, and what nobody without the secret can do."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from exporter.web.webhook import BURST, MAX_BODY, PER_MINUTE, REMEMBERED_SECONDS
from tests.web.fakes import reading
from tests.webhook.fakes import ADJUSTED, LOW, MONEY, PAYMENT, SECRET, Bench, event, signature


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


@pytest.mark.parametrize("kind", [LOW, PAYMENT, ADJUSTED, "system.balance.x", "system.payment.y"])
@pytest.mark.parametrize("member", ["type", "event"])
def test_an_event_about_money_asks_for_account_and_transactions(
    bench: Bench, kind: str, member: str
) -> None:
    body = event("x", **{"type": 7, member: kind})
    assert bench.deliver(body).status_code == 204
    assert bench.asked() == MONEY
    assert bench.counted == {"accepted": 1}


@pytest.mark.parametrize("kind", ["system.key.revoked", "system.balances", "x.system.payment.y"])
def test_another_event_is_thanked_for_and_changes_nothing(bench: Bench, kind: str) -> None:
    assert bench.deliver(event(kind)).status_code == 204
    assert bench.asked() == []
    assert bench.counted == {"ignored": 1}


def test_all_accounts_are_polled_where_the_event_does_not_say_whose_it_is(tmp_path: Path) -> None:
    bench = Bench(tmp_path, "prod", "test")
    bench.deliver(event(user_id="nobody here"))
    assert (bench.asked("prod"), bench.asked("test")) == (MONEY, MONEY)


def test_only_the_named_user_s_account_is_polled(tmp_path: Path) -> None:
    bench = Bench(tmp_path, "prod", "test")
    bench.account("test").account = reading(user_id="99")
    bench.deliver(event(user_id=99))
    assert (bench.asked("prod"), bench.asked("test")) == ([], MONEY)


def test_what_is_not_polled_is_not_asked_for(bench: Bench) -> None:
    endpoints = bench.account().endpoints
    del endpoints[next(e for e in endpoints if e.value == "transactions")]
    assert bench.deliver(event()).status_code == 204
    assert bench.asked() == ["account"]


def test_a_second_delivery_is_a_duplicate_whatever_else_its_body_says(bench: Bench) -> None:
    for body in (event(id="evt_a"), event(id="evt_a", attempt=2), event(id=5), event(id=5, x=1)):
        bench.deliver(body)
    for body in (event(id="evt_b", event_id="b"), event(id="evt_c", event_id="b")):
        bench.deliver(body)
    assert bench.counted == {"accepted": 3, "duplicate": 3}


def test_one_id_of_two_types_is_two_events(bench: Bench) -> None:
    for kind in (LOW, PAYMENT, LOW):
        assert bench.deliver(event(kind, id=7)).status_code == 204
    assert bench.counted == {"accepted": 2, "duplicate": 1}


@pytest.mark.parametrize("nothing", [None, "", True, [], 1.5])
def test_without_an_id_the_body_tells_events_apart(bench: Bench, nothing: object) -> None:
    for amount in (1, 2, 1):
        bench.deliver(event(id=nothing, amount=amount))
    assert bench.counted == {"accepted": 2, "duplicate": 1}


def test_a_duplicate_asks_for_nothing_until_it_is_forgotten(bench: Bench) -> None:
    body = event()
    bench.deliver(body)
    bench.polled()
    bench.clock.time += REMEMBERED_SECONDS - 1
    bench.deliver(body)
    assert bench.asked() == []
    bench.clock.time += 1
    bench.deliver(body)
    assert bench.asked() == MONEY


def test_too_many_events_are_put_off_and_may_come_again(bench: Bench) -> None:
    bodies = [event() for _ in range(BURST + 2)]
    answers = [bench.deliver(body) for body in bodies]
    assert [answer.status_code for answer in answers] == [204] * BURST + [503] * 2
    assert answers[-1].headers["retry-after"] == "20"
    bench.clock.time += 60 / PER_MINUTE
    assert bench.deliver(bodies[-1]).status_code == 204
    assert bench.deliver(bodies[-2]).status_code == 503
    assert bench.counted == {"accepted": BURST + 1, "too_many": 3}
    bench.clock.time += 3600
    assert [bench.deliver(event()).status_code for _ in range(BURST + 1)] == [204] * BURST + [503]


def test_neither_forged_nor_replayed_deliveries_lock_out_signed_ones(bench: Bench) -> None:
    seen = event()
    bench.deliver(seen)
    for _ in range(10 * BURST):
        assert bench.deliver(event(), "sha256=" + "0" * 64).status_code == 401
        assert bench.deliver(seen).status_code == 204
    assert [bench.deliver(event()).status_code for _ in range(BURST - 1)] == [204] * (BURST - 1)


def test_a_signature_may_be_spelled_in_four_ways(bench: Bench) -> None:
    for spell in (str, str.upper, "sha256={}".format, lambda s: f" {s}\t"):
        body = event()
        assert bench.deliver(body, spell(signature(body))).status_code == 204
    assert bench.counted == {"accepted": 4}


@pytest.mark.parametrize("given", ["", "sha256=", "sha256=" + "g" * 64, "0" * 63, "0" * 65, "é"])
def test_a_delivery_without_a_signature_is_not_even_read(bench: Bench, given: str) -> None:
    assert bench.deliver(event(), given).status_code == 401
    assert bench.read == 0
    assert bench.counted == {"unsigned": 1}


def test_the_signature_is_looked_for_in_the_configured_header(bench: Bench) -> None:
    bench.configure(signature_header="X-Hub-Signature-256")
    assert bench.deliver(event()).status_code == 401
    assert bench.deliver(event(), header="X-HUB-Signature-256").status_code == 204


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"no json",
        b"\xff\xfe",
        b"[]",
        b"null",
        b"{}",
        b'{"type": null, "event": {"type": "system.payment.received"}}',
        b"[" * 60_000,
        b'{"type":' * 7000,
        b'{"type": "\\ud800", "id": "\\udfff"}',
    ],
    ids=lambda body: body[:12].decode("latin-1"),
)
def test_a_signed_body_that_is_no_event_is_refused(bench: Bench, body: bytes) -> None:
    assert bench.deliver(body).status_code == 400
    assert bench.counted == {"malformed": 1}
    assert bench.asked() == []


@pytest.mark.parametrize("pieces", [1, 7])
def test_a_body_may_be_64_kib_and_no_more(bench: Bench, pieces: int) -> None:
    body = event(pad="x" * (MAX_BODY - len(event(pad="", id="i"))), id="i")
    assert len(body) == MAX_BODY
    assert bench.deliver(body, pieces=pieces).status_code == 204
    larger = event(pad="x" * (MAX_BODY + 1 - len(event(pad="", id="i"))), id="i")
    assert bench.deliver(larger, pieces=pieces).status_code == 413
    assert bench.counted == {"accepted": 1, "too_large": 1}


def test_of_an_endless_body_no_more_is_read_than_can_be_taken(bench: Bench) -> None:
    bench.deliver(b"x" * (50 * MAX_BODY), pieces=100)
    assert bench.read <= MAX_BODY * 1.5


def test_without_a_secret_the_sender_is_asked_to_come_again(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    body = event()
    bench.secret_file.unlink()
    assert bench.deliver(body).status_code == 503
    bench.secret_file.write_text("three\nwhole\nlines")
    assert bench.deliver(body).status_code == 503
    assert (bench.read, bench.counted) == (0, {"unconfigured": 2})
    assert "does not exist; put the secret there" in caplog.text
    assert "holds more than 2 lines; put the secret there" in caplog.text
    bench.secret_file.write_text(SECRET)
    assert bench.deliver(body).status_code == 204


def test_a_changed_secret_is_noticed_and_the_old_one_is_worth_nothing(bench: Bench) -> None:
    bench.deliver(event())
    bench.secret_file.write_text("whsec_another-secret")
    body = event()
    assert bench.deliver(body).status_code == 401
    assert bench.deliver(body, signature(body, "whsec_another-secret")).status_code == 204


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE"])
def test_only_a_post_delivers(bench: Bench, method: str) -> None:
    response = bench.deliver(event(), method=method)
    assert (response.status_code, response.headers["allow"]) == (405, "POST")
    assert (bench.read, bench.counted) == (0, {})


def test_a_kind_of_trouble_is_told_once_and_says_what_to_do(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "exporter")
    for _ in range(BURST + 5):
        bench.deliver(event(), "")
        bench.deliver(event(), "0" * 64)
        bench.deliver(b"x" + event())
        bench.deliver(b"x" * (MAX_BODY + 1))
        bench.deliver(event())
    lines = [r.getMessage() for r in caplog.records if r.name.startswith("exporter")]
    assert len(lines) == len(set(lines)) == 5
    assert all(line.startswith("A delivery to the webhook was answered ") for line in lines)
    assert all(SECRET not in line for line in lines)
    advice = ("webhook.signature_header", "webhook.secret_file", "webhook.path", "subscribe only")
    assert all(any(words in line for line in lines) for words in advice)
    bench.clock.time += 601
    bench.deliver(event(), "")
    assert caplog.messages[-1].endswith(f"(and {BURST + 4} times since the last such line)")


def test_an_answer_repeats_nothing_of_what_was_sent(bench: Bench) -> None:
    body = event("echo-me", id="echo-me", pad="echo-me")
    answers = [bench.deliver(body), bench.deliver(body + b"echo-me"), bench.deliver(body, "x")]
    answers += [bench.deliver(body, "0" * 64), bench.deliver(b"echo-me" * 10_000)]
    assert {answer.status_code for answer in answers} == {204, 400, 401, 413}
    assert all(b"echo-me" not in answer.content for answer in answers)


def test_a_webhook_without_accounts_read_yet_takes_deliveries(bench: Bench) -> None:
    bench.account().account = None
    assert bench.deliver(event(user_id="88")).status_code == 204
    assert bench.asked() == MONEY
