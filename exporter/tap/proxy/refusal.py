"""Answers of the proxy itself, in the shape of the gateway's errors (contract §6)."""

from __future__ import annotations

from http import HTTPStatus
from typing import Final

import msgspec

PREFIX: Final = "bytespike_tap_"
"""Begins every error type of the proxy, so that nobody takes it for the gateway's."""


class BadAnswerError(Exception):
    """What the gateway sent cannot be passed on; says why, in words of ours."""


class Refusal(Exception):
    """What the proxy answers instead of passing a request on. `kind` goes behind `PREFIX`."""

    def __init__(self, status: HTTPStatus, kind: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.kind = kind

    def answer(self, *, body: bool = True) -> bytes:
        """The whole response; without its `body` where the request was a HEAD."""
        error = {"type": PREFIX + self.kind, "message": str(self)}
        content = msgspec.json.encode({"error": error})
        allow = "Allow: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS\r\n"
        head = (
            f"HTTP/1.1 {self.status.value} {self.status.phrase}\r\n"
            "Content-Type: application/json\r\n"
            f"Content-Length: {len(content)}\r\n"
            f"{allow if self.status is HTTPStatus.METHOD_NOT_ALLOWED else ''}"
            "Connection: close\r\n\r\n"
        )
        return head.encode() + (content if body else b"")


def bad_request(why: str) -> Refusal:
    """400: what was sent is not one request that everybody reads alike."""
    return Refusal(HTTPStatus.BAD_REQUEST, "bad_request", f"this is not a request: {why}")


def head_too_large() -> Refusal:
    """431: the head has too many bytes or headers."""
    return Refusal(
        HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
        "head_too_large",
        "the request's head is too large: send fewer or shorter headers",
    )


def too_slow() -> Refusal:
    """408: the request did not arrive in time."""
    return Refusal(
        HTTPStatus.REQUEST_TIMEOUT, "request_timeout", "the request did not arrive in time"
    )


def too_busy() -> Refusal:
    """503: every connection is in use."""
    return Refusal(
        HTTPStatus.SERVICE_UNAVAILABLE,
        "too_many_connections",
        "the tap's proxy has all of its connections in use: try again, or run another one",
    )


def wrong_host() -> Refusal:
    """421: the request is addressed to somebody else."""
    return Refusal(
        HTTPStatus.MISDIRECTED_REQUEST,
        "wrong_host",
        "this proxy passes requests to its one gateway only, and the request names another host: "
        "correct the base URL, or add the name to tap.proxy.allow_hosts",
    )


def no_tunnel() -> Refusal:
    """405: CONNECT."""
    return Refusal(
        HTTPStatus.METHOD_NOT_ALLOWED,
        "no_tunnel",
        "this is no general proxy and opens no tunnels: use its address as the base URL, "
        "not in HTTPS_PROXY",
    )


def unreachable(why: str) -> Refusal:
    """502: nothing came from the gateway."""
    return Refusal(HTTPStatus.BAD_GATEWAY, "gateway_unreachable", why)


def bad_answer(why: str) -> Refusal:
    """502: what came from the gateway is not an answer."""
    return Refusal(
        HTTPStatus.BAD_GATEWAY, "gateway_bad_answer", f"the gateway's answer is broken: {why}"
    )


def gateway_silent() -> Refusal:
    """504: the gateway took too long."""
    return Refusal(
        HTTPStatus.GATEWAY_TIMEOUT, "gateway_timeout", "the gateway did not answer in time"
    )
