"""What is bounded: how many events are taken in, and how many are remembered."""

from __future__ import annotations

from exporter.clock import Clock


class Bucket:
    """A token bucket: `burst` at once, and `per_minute` for ever."""

    def __init__(self, per_minute: float, burst: int, clock: Clock) -> None:
        self._per_second = per_minute / 60
        self._burst = burst
        self._clock = clock
        self._left = float(burst)
        self._filled_at = clock.monotonic()

    def take(self) -> bool:
        """Take one out. False if there is none."""
        now = self._clock.monotonic()
        filled = self._left + (now - self._filled_at) * self._per_second
        self._left, self._filled_at = min(filled, self._burst), now
        if self._left < 1:
            return False
        self._left -= 1
        return True


class Seen:
    """What was seen in the last `seconds`, of the last `at_most`."""

    def __init__(self, seconds: float, at_most: int, clock: Clock) -> None:
        self._seconds = seconds
        self._at_most = at_most
        self._clock = clock
        self._at: dict[bytes, float] = {}

    def __contains__(self, identity: bytes) -> bool:
        at = self._at.get(identity)
        return at is not None and self._clock.monotonic() - at < self._seconds

    def add(self, identity: bytes) -> None:
        """Remember it from now on, at the cost of the oldest one if there are too many."""
        self._at.pop(identity, None)
        self._at[identity] = self._clock.monotonic()
        if len(self._at) > self._at_most:
            del self._at[next(iter(self._at))]
