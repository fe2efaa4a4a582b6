"""Between the world and the wire: money, instants, queries, refusals."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from urllib.parse import parse_qsl

import msgspec

from bytespike_simulator.wallet import CREDITS

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_CENT = CREDITS // 100


class Refusal(Exception):
    """An error answer of the gateway (gateway contract, section 6)."""

    def __init__(
        self,
        status: int,
        kind: str,
        message: str,
        code: str | None = None,
        headers: tuple[tuple[str, str], ...] = (),
    ) -> None:
        super().__init__(message)
        self.status = status
        self.headers = headers
        self.error = {"type": kind, "message": message} | ({"code": code} if code else {})

    def body(self, wrapped: bool) -> bytes:
        """The JSON body; `wrapped` adds `"type": "error"`."""
        outer: dict[str, object] = {"type": "error"} if wrapped else {}
        return msgspec.json.encode(outer | {"error": self.error})


_REASONS: dict[str, tuple[int, str, str, str | None]] = {
    "revoked": (401, "authentication_error", "unknown or revoked API key", None),
    "wallet_empty": (402, "insufficient_balance", "the wallet is empty", None),
    "key_cap_reached": (402, "quota_exceeded", "the key's lifetime cap is reached", None),
    "model_cap_reached": (402, "quota_exceeded", "the model's cap is reached", None),
    "ip_denied": (403, "permission_error", "this IP address is not allowed", None),
    "org_paused": (403, "permission_error", "the key's organization is paused", None),
    "window_spent": (429, "rate_limit_error", "a rolling window is spent", None),
    "concurrency": (429, "rate_limit_error", "too many requests in flight", "concurrency_limit"),
}


def refusal(reason: str) -> Refusal:
    """The refusal for one of the reasons that `Options.state` and `Life.lacks` give."""
    return Refusal(*_REASONS[reason])


def bad_request(message: str) -> Refusal:
    """A parameter was not understood."""
    return Refusal(400, "invalid_request_error", message)


def usd(credits: int) -> str:
    """Credits as a JSON number in USD: exact, at least two decimals."""
    sign = "-" if credits < 0 else ""
    whole, part = divmod(abs(credits), CREDITS)
    digits = f"{part:06d}".rstrip("0").ljust(2, "0")
    return f"{sign}{whole}.{digits}"


def cents(credits: int) -> str:
    """Credits as a JSON number in USD, rounded half to even to cents."""
    return usd(round_to_cents(credits))


def round_to_cents(credits: int) -> int:
    """Credits of whole cents, rounded half to even."""
    whole, rest = divmod(credits, _CENT)
    up = rest * 2 > _CENT or (rest * 2 == _CENT and whole % 2)
    return (whole + (1 if up else 0)) * _CENT


def floor_cents(credits: int) -> str:
    """Credits as USD with two decimals, rounded down: how headers show what is left."""
    return f"{credits // _CENT / 100:.2f}"


def number(text: str) -> msgspec.Raw:
    """A JSON number, spelled exactly so."""
    return msgspec.Raw(text.encode())


def money(credits: int) -> msgspec.Raw:
    """`usd` for use inside an encoded object."""
    return number(usd(credits))


@lru_cache(maxsize=4096)
def _minute_prefix(minute: int) -> str:
    return (_EPOCH + timedelta(minutes=minute)).strftime("%Y-%m-%dT%H:%M:")


def timestamp_ms(instant: int) -> str:
    """Unix ms as `2026-05-21T14:08:11.123Z`."""
    minute, rest = divmod(instant, 60_000)
    return f"{_minute_prefix(minute)}{rest // 1000:02d}.{rest % 1000:03d}Z"


def timestamp(instant: int) -> str:
    """Unix s as `2026-05-21T14:08:11Z`."""
    return timestamp_ms(instant * 1000)[:-5] + "Z"


def quoted(text: str) -> str:
    """A JSON string."""
    return msgspec.json.encode(text).decode()


class Query:
    """The parameters of one request; the last of a repeated one counts."""

    def __init__(self, raw: bytes) -> None:
        self._values = dict(parse_qsl(raw.decode("latin-1"), keep_blank_values=True))

    def text(self, name: str) -> str | None:
        """The value as it is, None if the parameter is not there."""
        return self._values.get(name)

    def only(self, names: Iterable[str]) -> None:
        """Refuse every parameter that is not one of `names`."""
        unknown = sorted(self._values.keys() - set(names))
        if unknown:
            raise bad_request(f"unknown parameter: {unknown[0]}")

    def integer(self, name: str, default: int) -> int:
        """A whole number from 1 on."""
        value = self._values.get(name)
        if value is None:
            return default
        if not value.isascii() or not value.isdecimal() or len(value) > 9 or int(value) < 1:
            raise bad_request(f"{name}: must be a whole number from 1 on")
        return int(value)

    def instant(self, name: str) -> int | None:
        """An ISO date or timestamp, UTC unless it says otherwise, as Unix ms rounded up.

        Rows have whole milliseconds, so that rounding up keeps both "≥ since" and "< until".
        """
        value = self._values.get(name)
        if value is None:
            return None
        try:
            parsed = datetime.fromisoformat(value)
        except ValueError:
            raise bad_request(f"{name}: must be an ISO date or timestamp") from None
        if parsed.tzinfo is None:
            parsed = parsed.replace(tzinfo=UTC)
        return -((_EPOCH - parsed) // timedelta(milliseconds=1))
