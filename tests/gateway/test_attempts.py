"""Budget, attempts and waits (contract §6)."""

from __future__ import annotations

from email.utils import formatdate

import httpx
import pytest

from exporter.errors import (
    AuthError,
    BadRequestError,
    BadResponseError,
    GatewayError,
    GatewayTimeoutError,
    NetworkError,
    Outcome,
    QuotaSpentError,
    RateLimitedError,
    ServerError,
)
from tests.gateway.fakes import (
    FINE,
    NOW,
    Bench,
    Handler,
    paged,
    raw,
    reply,
    row,
    script,
    transaction,
)


def failing(error: Exception) -> Handler:
    def handler(request: httpx.Request) -> httpx.Response:
        raise error

    return handler


def limited(code: str | None = None, **headers: str) -> Handler:
    error = {"type": "rate_limit_error", "message": "slow down"} | ({"code": code} if code else {})
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return reply({"type": "error", "error": error}, 429, named)


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_a_failing_gateway_is_tried_four_times_with_growing_waits(status: int) -> None:
    bench = Bench(raw(b"<html>oops</html>", status))
    with pytest.raises(ServerError):
        bench.account()
    assert len(bench.requests) == 4
    first, second, third = bench.clock.slept
    assert 1 <= first <= 1.5
    assert 2 <= second <= 3
    assert 4 <= third <= 6


def test_a_gateway_that_recovers_costs_only_the_wait() -> None:
    bench = Bench(script(raw(b"", 502), raw(b"", 503), FINE))
    assert bench.account().available == 1_000_000_000
    assert len(bench.clock.slept) == 2


def test_retry_after_of_a_503_is_honoured_within_reason() -> None:
    patient = Bench(script(raw(b"", 503, {"Retry-After": "20"}), FINE))
    patient.account()
    assert patient.clock.slept == [20]
    hurried = Bench(raw(b"", 503, {"Retry-After": "600"}))
    with pytest.raises(ServerError) as caught:
        hurried.account()
    assert caught.value.retry_after == 600
    assert len(hurried.requests) == 1


@pytest.mark.parametrize(
    ("status", "kind", "outcome"),
    [
        (204, BadResponseError, Outcome.BAD_RESPONSE),
        (301, BadResponseError, Outcome.BAD_RESPONSE),
        (307, BadResponseError, Outcome.BAD_RESPONSE),
        (400, BadRequestError, Outcome.BAD_REQUEST),
        (401, AuthError, Outcome.AUTH),
        (402, QuotaSpentError, Outcome.OUT_OF_MONEY),
        (403, AuthError, Outcome.AUTH),
        (404, BadRequestError, Outcome.BAD_REQUEST),
        (418, BadRequestError, Outcome.BAD_REQUEST),
        (429, RateLimitedError, Outcome.RATE_LIMITED),
        (501, ServerError, Outcome.SERVER_ERROR),
    ],
)
def test_every_other_status_ends_the_poll_at_once(
    status: int, kind: type[GatewayError], outcome: Outcome
) -> None:
    for location in ("https://elsewhere.test/", "https://[::::/\x01"):
        bench = Bench(raw(b'{"balance": 1}', status, {"Location": location}))
        with pytest.raises(kind, match=f"GET /api/v1/me/account answered {status}") as caught:
            bench.account()
        assert caught.value.outcome is outcome
        assert ("redirects are not followed" in str(caught.value)) == (status in (301, 307))
        # Where there is no account, the key's own is asked for.
        assert len(bench.requests) == (2 if status == 404 else 1)
        assert bench.clock.slept == []


def test_the_gateways_words_are_shown_only_as_type_and_code() -> None:
    error = {"type": "permission_error", "code": "ip_not_allowed", "message": "no\nentry"}
    with pytest.raises(AuthError, match=r"403 \(permission_error ip_not_allowed\)") as caught:
        Bench(reply({"error": error}, 403)).account()
    assert "entry" not in str(caught.value)


@pytest.mark.parametrize("word", ["Shouting", "two words", "x" * 41, "a\nb", 7, None])
def test_other_words_than_plain_ones_are_not_shown(word: object) -> None:
    with pytest.raises(AuthError, match="answered 401: the key"):
        Bench(reply({"error": {"type": word}}, 401)).account()


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry_After": "7"}, 7),
        ({"Retry_After": "0"}, 0),
        ({"Retry_After": "999999999999999"}, 3600),
        ({"Retry_After": "-5"}, None),
        ({"Retry_After": "soon"}, None),
        ({"Retry_After": "1.5"}, None),
        ({"Retry_After": formatdate(NOW + 90, usegmt=True)}, 90),
        ({"Retry_After": formatdate(NOW - 90, usegmt=True)}, 0),
        (
            {"Retry_After": formatdate(9000, usegmt=True), "Date": formatdate(8000, usegmt=True)},
            1000,
        ),
        ({"X_RateLimit_Reset": str(int(NOW) + 50)}, 50),
        ({"X_RateLimit_Reset": "9050", "Date": formatdate(9000, usegmt=True)}, 50),
        ({"X_RateLimit_Reset": str(int(NOW) + 10**6)}, 3600),
        ({"X_RateLimit_Reset": "100"}, 0),
        ({"Retry_After": "soon", "X_RateLimit_Reset": str(int(NOW) + 50)}, 50),
        ({}, None),
    ],
)
def test_a_spent_window_says_how_long_to_wait(
    headers: dict[str, str], seconds: float | None
) -> None:
    with pytest.raises(RateLimitedError) as caught:
        Bench(limited(**headers)).account()
    assert caught.value.retry_after == seconds


def test_too_many_in_flight_is_waited_out_shortly() -> None:
    bench = Bench(script(limited("concurrency_limit"), limited("concurrency_limit"), FINE))
    bench.account()
    assert all(0.5 <= seconds <= 1.5 for seconds in bench.clock.slept)


def test_too_many_in_flight_for_long_ends_the_poll() -> None:
    bench = Bench(limited("concurrency_limit", X_RateLimit_Reset=str(int(NOW) + 9000)))
    with pytest.raises(RateLimitedError) as caught:
        bench.account()
    assert len(bench.requests) == 3
    assert caught.value.retry_after is not None
    assert 2 <= caught.value.retry_after <= 5


@pytest.mark.parametrize("error", [httpx.ReadError("reset"), httpx.WriteError("broken pipe")])
def test_a_connection_that_broke_before_the_answer_is_tried_once_more(error: Exception) -> None:
    assert Bench(script(failing(error), FINE)).account().available == 1_000_000_000
    bench = Bench(failing(error))
    with pytest.raises(NetworkError):
        bench.account()
    assert len(bench.requests) == 2


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (httpx.ConnectError("All connection attempts failed"), NetworkError),
        (httpx.ProxyError("xyzzy"), NetworkError),
        (httpx.RemoteProtocolError("illegal status line"), NetworkError),
        (httpx.UnsupportedProtocol("xyzzy"), BadRequestError),
        (httpx.ConnectTimeout("xyzzy"), GatewayTimeoutError),
        (httpx.PoolTimeout("xyzzy"), GatewayTimeoutError),
        (OSError("xyzzy"), NetworkError),
    ],
)
def test_other_network_errors_end_the_poll_at_once(
    error: Exception, kind: type[GatewayError]
) -> None:
    bench = Bench(failing(error))
    with pytest.raises(kind, match="GET /api/v1/me/account: ") as caught:
        bench.account()
    assert len(bench.requests) == 1
    assert caught.value.__cause__ is None
    assert str(error) not in str(caught.value)


def test_the_budget_is_an_exact_sliding_window_over_all_endpoints_and_attempts() -> None:
    sent: list[float] = []

    def handler(request: httpx.Request) -> httpx.Response:
        sent.append(bench.clock.monotonic())
        if len(sent) % 3 == 1:
            return httpx.Response(502)
        if request.url.path.endswith("account"):
            return FINE(request)
        kind = row if request.url.path.endswith("usage") else transaction
        return paged([kind(number) for number in range(500)])(request)

    bench = Bench(handler, budget=5)
    for _ in range(3):
        bench.account()
        bench.usage()
        bench.transactions(NOW - 60, NOW)
    assert len(sent) > 20
    assert all(later - earlier >= 60 for earlier, later in zip(sent, sent[5:], strict=False))


def test_an_unusable_base_url_is_said() -> None:
    with pytest.raises(BadRequestError, match="base_url"):
        Bench(FINE, base_url="https://gateway.test:port").account()


def test_catching_up_leaves_a_part_of_the_budget_to_the_account() -> None:
    rows = [row(number) for number in range(9 * 200 + 10)]
    bench = Bench(
        lambda request: (FINE if request.url.path.endswith("account") else paged(rows))(request),
        budget=12,
    )
    bench.usage()
    assert len(bench.requests) == 11
    assert bench.clock.slept == []
    bench.account()
    assert bench.clock.slept == [], "the balance does not wait for history"
    bench.usage()
    assert sum(bench.clock.slept) >= 60
