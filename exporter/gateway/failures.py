"""What an answer other than 200 means, and what an operator can do (contract §6).

Of a 402, 403 or 429 the status says little. What it means is told by the code, by how the message
begins, or by the envelope that came with it; of the message nothing is ever shown.
"""

from __future__ import annotations

import random
import re
from collections.abc import Container, Mapping
from datetime import UTC, datetime
from enum import Enum
from typing import Final

import msgspec

from exporter.errors import (
    AuthError,
    BadRequestError,
    BadResponseError,
    GatewayError,
    NetworkError,
    NotFoundError,
    QuotaSpentError,
    RateLimitedError,
    RefusedParameterError,
    ServerError,
)
from exporter.gateway.envelope import read_envelope, reset_at, retry_after, wait_for_window
from exporter.gateway.exchange import Answer
from exporter.gateway.jsontext import Json, parse


class Cause(Enum):
    """Why a request was refused: what an operator reads of it."""

    WALLET = "the wallet is empty: top it up"
    ORGANIZATION = "the organization's wallet is empty: top it up"
    CAP = "the key's lifetime cap is reached: raise the cap, or use another key"
    KEY_LEFT = (
        "nothing is left of the key's lifetime cap, or of the wallet if the key has no cap: raise "
        "the cap or top up"
    )
    WINDOW = "{window} is used up{until}: wait, or raise the window"
    IN_FLIGHT = (
        "too many calls of the account are in flight, whichever of its keys made them; "
        "it is asked again shortly"
    )
    REQUESTS = (
        "too many management requests: lower gateway.max_requests_per_minute, or look who else "
        "asks with this key"
    )
    IN_FRONT = (
        "that is an HTML page, so something in front of the gateway has answered, with a challenge "
        "perhaps, or as a firewall: have it let the exporter through"
    )
    ADDRESS = "this machine's IP address is not allowed: add it to the key's allowlist"
    PAUSED = "the key's organization is paused: its owner has to resume it"


_CODES: Final = (
    ("concurrency", Cause.IN_FLIGHT),
    ("insufficient_balance", Cause.WALLET),
    ("quota_exceeded", Cause.CAP),
    ("quota_exhausted", Cause.CAP),
)
"""What stands in a code, and what it means under 402, 403 or 429."""

_KINDS: Final[dict[Cause, type[GatewayError]]] = {
    Cause.WALLET: QuotaSpentError,
    Cause.ORGANIZATION: QuotaSpentError,
    Cause.CAP: QuotaSpentError,
    Cause.KEY_LEFT: QuotaSpentError,
    Cause.IN_FLIGHT: RateLimitedError,
    Cause.REQUESTS: RateLimitedError,
    Cause.ADDRESS: AuthError,
    Cause.PAUSED: AuthError,
}
"""The error of a cause, whatever its status. Others have that of their status."""

_MEANINGS: Final[tuple[tuple[Container[int], type[GatewayError], str], ...]] = (
    ((401,), AuthError, "the key is wrong, revoked or expired: check {place}"),
    ((403,), AuthError, "this address is not allowed, or the key's organization is paused"),
    (
        (402,),
        QuotaSpentError,
        "the wallet is empty or the key's cap is reached: top up or raise the cap",
    ),
    ((429,), RateLimitedError, "too many requests; it is asked again later"),
    (
        (400, 422),
        RefusedParameterError,
        "it does not understand a parameter: check usage.mode",
    ),
    (range(500, 1000), ServerError, "the gateway is failing: nothing to do here unless it lasts"),
    ((404, 405, 410), NotFoundError, "check base_url"),
    (range(400, 500), BadRequestError, "check base_url"),
    (
        range(300, 400),
        BadResponseError,
        "redirects are not followed: set base_url to where the gateway is",
    ),
)
"""Statuses, the error that each means, and what an operator can do. The first that fits."""

_WORD: Final = re.compile(r"[a-z_]{1,40}|[A-Z_]{1,40}|rate_limit_(?:5h|1d|7d)")
_FIRST_WORD: Final = re.compile(r"\W*(\w{1,80})", re.ASCII)
_WINDOW: Final = re.compile(r"(?:api_key_)?rate_(?:limit_)?(5h|1d|7d)(?![a-z0-9])")
_WINDOWS: Final = {"5h": "5 hours", "1d": "1 day", "7d": "7 days"}
_ADDRESS: Final = re.compile(r"(?<![a-z])ip(?![a-z])|allow_?list|white_?list")
_PAUSED: Final = re.compile(r"(?<![a-z])org(?:anization|anisation)?(?![a-z])")


class _Said(msgspec.Struct, frozen=True):
    """What an error body says: its type, code and reason, and its message in lower case."""

    words: tuple[str, ...] = ()
    message: str = ""

    @property
    def codes(self) -> tuple[str, ...]:
        """The words, and the first one of the message, all in lower case."""
        first = _FIRST_WORD.match(self.message)
        return (*(word.lower() for word in self.words), *((first[1],) if first else ()))

    @property
    def shown(self) -> str:
        """What of it may be shown: plain words only."""
        plain = (word.lower() for word in self.words if _WORD.fullmatch(word))
        return " ".join(dict.fromkeys(plain))


def failure(what: str, answer: Answer, place: str, now: float) -> GatewayError:
    """The error that an answer other than 200 to the request `what` is, at `now` (Unix s).

    `place` is where an operator finds the key.
    """
    said = _said(answer.body)
    cause = cause_of(answer, now)
    kind, advice = next(
        ((kind, advice) for statuses, kind, advice in _MEANINGS if answer.status in statuses),
        (BadResponseError, "200 was expected"),
    )
    if cause is not None:
        kind = _KINDS.get(cause, kind)
        advice = cause.value.format(window=_window(said), until=_until(answer.headers))
    if cause is Cause.IN_FRONT and answer.status == 403:  # nobody has looked at the key
        kind = NetworkError
    shown = f" ({said.shown})" if said.shown else ""
    return kind(
        f"{what} answered {answer.status}{shown}: {advice.format(place=place)}",
        retry_after=_wait(answer, cause, now),
    )


def cause_of(answer: Answer, now: float) -> Cause | None:
    """Why the request was refused; None where its status says all that is known."""
    status, said = answer.status, _said(answer.body)
    if status in (403, 429, 503) and _is_html(answer):
        return Cause.IN_FRONT
    if status not in (402, 403, 429):
        return None
    told = _told_by_codes(said)
    envelope = read_envelope(answer.headers, "", now)
    left = envelope.org_quota_remaining if envelope is not None else None
    if told is Cause.WALLET and left is not None and left <= 0:
        return Cause.ORGANIZATION
    if told is not None:
        return told
    if status == 403:
        return _why_forbidden(said)
    if envelope is not None and status == 402:
        return _used_up(left, envelope.key_quota_remaining, envelope.remaining)
    if status == 402:
        return None
    # The reset comes with every answer, but for calls in flight: what is left decides first.
    remaining = envelope.remaining if envelope is not None else None
    spent = reset_at(answer.headers) is not None if remaining is None else remaining <= 0
    return Cause.WINDOW if spent else Cause.REQUESTS


def too_many_in_flight(answer: Answer, now: float) -> bool:
    return answer.status == 429 and cause_of(answer, now) is Cause.IN_FLIGHT


def _told_by_codes(said: _Said) -> Cause | None:
    codes = said.codes
    if any(_WINDOW.match(code) for code in codes):
        return Cause.WINDOW
    return next((cause for part, cause in _CODES if any(part in code for code in codes)), None)


def _used_up(organization: int | None, key: int | None, window: int | None) -> Cause | None:
    """Which of three amounts that are left is nothing; None where none is known to be."""
    if organization is not None and organization <= 0:
        return Cause.ORGANIZATION
    if key is not None and key <= 0:
        return Cause.KEY_LEFT  # of an uncapped key the header may tell what the wallet holds
    return Cause.WINDOW if window is not None and window <= 0 else None


def _why_forbidden(said: _Said) -> Cause | None:
    text = " ".join((*said.codes, said.message))
    if _ADDRESS.search(text):
        return Cause.ADDRESS
    return Cause.PAUSED if _PAUSED.search(text) else None


def _window(said: _Said) -> str:
    found = next(filter(None, map(_WINDOW.match, said.codes)), None)
    length = f" of {_WINDOWS[found[1]]}" if found else ""
    return f"the key's rolling spend window{length}" if found else "a rolling spend window"


def _until(headers: Mapping[bytes, bytes]) -> str:
    reset = reset_at(headers)
    if reset is None:
        return ""
    return f" until {datetime.fromtimestamp(reset, UTC):%Y-%m-%d %H:%M:%S} UTC"


def _wait(answer: Answer, cause: Cause | None, now: float) -> float | None:
    """The shortest wait (s) before the next poll, where there is one to keep."""
    wait = retry_after(answer.headers, now)
    if answer.status != 429:
        return wait
    if cause is Cause.IN_FLIGHT:
        return random.uniform(2.0, 5.0) if wait is None else wait
    return wait_for_window(answer.headers, now) if cause is Cause.WINDOW else wait


def _is_html(answer: Answer) -> bool:
    start = answer.body[:256].lstrip().lower()
    if start.startswith((b"{", b"[")):
        return False
    kind = answer.headers.get(b"content-type", b"").strip().lower()
    return kind.startswith(b"text/html") or start.startswith((b"<!doctype html", b"<html"))


def _said(body: bytes) -> _Said:
    """Reads the three documented shapes and the wrapped one, which has `code` and `reason`."""
    try:
        answer = parse(body[:65536])
    except BadResponseError:
        return _Said()
    if not isinstance(answer, dict):
        return _Said()
    error = answer.get("error")
    told: dict[str, Json] = error if isinstance(error, dict) else answer
    names = ("type", "code", "status", "reason")
    words = tuple(word for name in names if isinstance(word := told.get(name), str))
    message = told.get("message", error)
    return _Said(words, message[:1000].lower() if isinstance(message, str) else "")
