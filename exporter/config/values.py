"""Values of the configuration that are no plain texts or numbers: addresses, durations, starts."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from ipaddress import ip_address

from msgspec import Struct

_MILLISECONDS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_SHOWN_FROM = {"d": 2, "h": 1, "m": 2, "s": 1, "ms": 0}


class Listen(Struct, frozen=True):
    """An address to listen on. Port 0 takes a free one."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class UsageStart(Struct, frozen=True):
    """Where counting begins on the first start: `at` (Unix s), or `back` seconds before it."""

    at: float | None = None
    back: float = 0.0

    def __str__(self) -> str:
        if self.at is not None:
            return datetime.fromtimestamp(self.at, UTC).isoformat().replace("+00:00", "Z")
        return f"-{show_duration(self.back)}" if self.back else "now"

    def instant(self, now: float) -> float:
        """The start in Unix s on a first start at `now`: never later than `now`."""
        return min(now, self.at if self.at is not None else now - self.back)


def seconds_of(text: str) -> float:
    number, unit = re.split("(?<=[0-9])(?=[a-z])", text)
    return int(number) * _MILLISECONDS[unit] / 1000


def show_duration(seconds: float) -> str:
    """A duration in the largest unit that reads well: `60s`, `5m`, `1h`, `24h`, `2d`."""
    milliseconds = round(seconds * 1000)
    for unit, least in _SHOWN_FROM.items():
        count, rest = divmod(milliseconds, _MILLISECONDS[unit])
        if count >= least and not rest:
            return f"{count}{unit}"
    return f"{milliseconds}ms"


def is_loopback(host: str) -> bool:
    """Whether a host's name or address is this machine."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
