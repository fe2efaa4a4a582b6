"""Error answers of the gateway (gateway contract, section 6)."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec


class Refusal(Exception):
    """An error answer: raised by whoever cannot answer otherwise."""

    def __init__(
        self,
        status: int,
        kind: str,
        message: str,
        code: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.headers = headers
        self.error = {"type": kind, "message": message} | ({"code": code} if code else {})

    def body(self, shape: str = "openai") -> bytes:
        """The error in one of the documented shapes, or wrapped."""
        error, code = self.error, self.error.get("code", self.error["type"])
        told: dict[str, object] = {"error": error}
        if shape == "anthropic":
            kind = "permission_error" if self.status == 402 else error["type"]
            told = {"type": "error", "error": error | {"type": kind, "code": code}}
        elif shape == "google":
            known = {"code": self.status, "message": error["message"], "status": code.upper()}
            told = {"error": known}
        elif shape == "wrapped":
            told = {"code": self.status, "message": error["message"], "reason": code.upper()}
        return msgspec.json.encode(told)


_REASONS: dict[str, tuple[int, str, str, str | None]] = {
    "revoked": (401, "authentication_error", "unknown or revoked API key", None),
    "wallet_empty": (402, "insufficient_balance", "the wallet is empty", None),
    "key_cap_reached": (402, "quota_exceeded", "the key's lifetime cap is reached", None),
    "model_cap_reached": (402, "quota_exceeded", "the model's cap is reached", None),
    "ip_denied": (403, "permission_error", "this IP address is not allowed", None),
    "org_paused": (403, "permission_error", "the key's organization is paused", None),
    "not_allowed": (403, "permission_error", "this key may not list keys", None),
    "no_route": (404, "not_found_error", "no such route", None),
    "window_spent": (429, "rate_limit_error", "rate_limit_{window}: the window is spent", None),
    "too_many": (429, "rate_limit_error", "too many requests a minute", None),
    "concurrency": (429, "rate_limit_error", "too many requests in flight", "concurrency_limit"),
}
KINDS = {status: kind for status, kind, _, _ in reversed(_REASONS.values())}
"""The kind of error for a status."""


def refusal(reason: str, window: str = "5h") -> Refusal:
    """The refusal for one of the reasons that `Options.state` and `World.refuses` give.

    `window`: the name of the one that is spent.
    """
    status, kind, message, code = _REASONS[reason]
    return Refusal(status, kind, message.format(window=window), code)


def bad_request(message: str) -> Refusal:
    return Refusal(400, "invalid_request_error", message)
