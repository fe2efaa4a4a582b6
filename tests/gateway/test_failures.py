"""What 402, 403, 429 and a page of something in front mean (contract §6)."""

from __future__ import annotations

import pytest

from exporter.errors import (
    AuthError,
    GatewayError,
    NetworkError,
    Outcome,
    QuotaSpentError,
    RateLimitedError,
    ServerError,
)
from tests.gateway.fakes import NOW, Bench, raw, reply

LEFT = "X-RateLimit-Remaining"
RESET = {"X-RateLimit-Reset": str(int(NOW) + 600)}
WALLET = "the wallet is empty: top it up"
CAP = "the key's lifetime cap is reached"
REQUESTS = "too many management requests: lower gateway.max_requests_per_minute"
IN_FLIGHT = "too many calls of the account are in flight"
CHALLENGE = b"<!DOCTYPE html><title>Just a moment...</title>"


def bodies(status: int, code: str, message: str = "no") -> dict[str, object]:
    """One refusal in every shape in which gateways write it."""
    error = {"type": "permission_error", "message": message, "code": code}
    return {
        "openai": {"error": error},
        "by type": {"error": {"type": code, "message": message}},
        "anthropic": {"type": "error", "error": error},
        "google": {"error": {"code": status, "message": message, "status": code.upper()}},
        "in the message": {"error": {"code": status, "message": f"{code}: {message}"}},
        "wrapped": {"code": status, "message": message, "reason": code.upper()},
        "code alone": {"code": code.upper(), "message": message},
        "success": {"success": False, "error": {"code": code, "message": message}},
    }


SHAPES = tuple(bodies(402, ""))


def failed(body: object, status: int, headers: dict[str, str] | None = None) -> GatewayError:
    with pytest.raises(GatewayError) as caught:
        Bench(reply(body, status, headers or {})).account()
    return caught.value


def page(status: int, body: bytes = CHALLENGE, kind: str = "text/html") -> GatewayError:
    with pytest.raises(GatewayError) as caught:
        Bench(raw(body, status, {"Content-Type": kind})).account()
    return caught.value


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(
    ("code", "advice"), [("insufficient_balance", WALLET), ("quota_exceeded", CAP)]
)
@pytest.mark.parametrize("status", [402, 403, 429])
def test_an_empty_wallet_and_a_reached_cap_are_told_apart_in_every_shape(
    shape: str, code: str, advice: str, status: int
) -> None:
    error = failed(bodies(status, code)[shape], status)
    assert isinstance(error, QuotaSpentError)
    assert error.outcome is Outcome.OUT_OF_MONEY
    assert advice in str(error)


@pytest.mark.parametrize(
    ("headers", "advice"),
    [
        ({"X-Org-Quota-Remaining-Credits": "-0.20"}, "the organization's wallet is empty"),
        (
            {"X-Quota-Remaining-Credits": "0.00", LEFT: "3"},
            "of the key's lifetime cap, or of the wallet",
        ),
        ({LEFT: "0.00", **RESET}, "a rolling spend window is used up until 2026-"),
        ({LEFT: "3.00"}, "the wallet is empty or the key's cap is reached"),
        ({}, "the wallet is empty or the key's cap is reached"),
    ],
)
def test_a_402_without_a_code_is_told_by_its_envelope(headers: dict[str, str], advice: str) -> None:
    body = {"type": "error", "error": {"type": "permission_error", "message": "payment required"}}
    assert advice in str(failed(body, 402, headers))


def test_an_empty_wallet_is_the_organizations_where_its_header_says_so() -> None:
    headers = {"X-Org-Quota-Remaining-Credits": "0.00"}
    body = bodies(402, "insufficient_balance")["openai"]
    assert "the organization's wallet is empty" in str(failed(body, 402, headers))


@pytest.mark.parametrize("shape", ["openai", "anthropic", "google", "wrapped"])
@pytest.mark.parametrize(("name", "length"), [("5h", "5 hours"), ("1d", "1 day"), ("7d", "7 days")])
def test_a_spent_window_says_which_it_is_and_until_when(shape: str, name: str, length: str) -> None:
    body = bodies(429, "rate_limit_error", f"rate_limit_{name} exceeded, sk-byts-secret")[shape]
    for status, kind in ((429, RateLimitedError), (402, QuotaSpentError)):
        error = failed(body, status, {"X-RateLimit-Reset": "1798000000"})
        assert type(error) is kind
        said = (
            f"the key's rolling spend window of {length} is used up until 2026-12-23 04:26:40 UTC"
        )
        assert said in str(error)
        assert "exceeded" not in str(error)


def test_a_window_that_is_nowhere_named_shows_in_what_is_left() -> None:
    error = failed({"error": {"type": "rate_limit_error"}}, 429, {LEFT: "-0.10", **RESET})
    assert "a rolling spend window is used up until" in str(error)
    assert error.retry_after == 600


@pytest.mark.parametrize("shape", SHAPES)
def test_calls_in_flight_are_of_the_account_not_of_the_key(shape: str) -> None:
    error = failed(bodies(429, "concurrency_limit")[shape], 429)
    assert isinstance(error, RateLimitedError)
    assert IN_FLIGHT in str(error)
    assert error.retry_after is not None
    assert error.retry_after <= 5


@pytest.mark.parametrize("headers", [{}, {LEFT: "8.00", **RESET}, {"Retry-After": "30"}])
def test_any_other_429_is_about_management_requests(headers: dict[str, str]) -> None:
    error = failed({"error": {"type": "rate_limit_error", "message": "slow down"}}, 429, headers)
    assert isinstance(error, RateLimitedError)
    assert REQUESTS in str(error)
    assert error.retry_after == (30 if "Retry-After" in headers else None)


@pytest.mark.parametrize(
    ("code", "message", "advice"),
    [
        ("ip_not_allowed", "no", "this machine's IP address is not allowed"),
        ("permission_error", "Your IP address is not allowed", "this machine's IP address"),
        ("permission_error", "Not on the allowlist", "this machine's IP address is not allowed"),
        ("org_paused", "no", "the key's organization is paused"),
        ("permission_error", "The organization is paused.", "the key's organization is paused"),
        ("permission_error", "zip of orgies", "address is not allowed, or the key's organization"),
    ],
)
def test_a_403_says_whether_address_or_organization(code: str, message: str, advice: str) -> None:
    for body in bodies(403, code, message).values():
        error = failed(body, 403)
        assert isinstance(error, AuthError)
        assert advice in str(error)


@pytest.mark.parametrize(
    ("status", "kind"), [(403, NetworkError), (429, RateLimitedError), (503, ServerError)]
)
def test_a_page_of_something_in_front_is_not_the_gateways_word(
    status: int, kind: type[GatewayError]
) -> None:
    for error in (page(status), page(status, kind=""), page(status, b"denied")):
        assert type(error) is kind
        assert "something in front of the gateway has answered" in str(error)
    for error in (page(status, b'{"error": {}}'), page(status, b"", "text/plain")):
        assert "in front" not in str(error)


def test_a_gateway_that_fails_with_a_page_of_its_proxy_is_failing() -> None:
    assert "the gateway is failing" in str(page(502))


@pytest.mark.parametrize("body", [b"[]", b"null", b'"x"', b'{"error": [1]}', b'{"code": {}}', b"{"])
@pytest.mark.parametrize("status", [402, 403, 429])
def test_a_body_in_no_known_shape_leaves_what_the_status_says(status: int, body: bytes) -> None:
    with pytest.raises(GatewayError, match=f"GET /api/v1/me/account answered {status}: "):
        Bench(raw(body, status)).account()
