"""Rolling spend windows of one key, and which of them the envelope shows."""

from __future__ import annotations

from dataclasses import dataclass, field

LENGTHS = (5 * 3600, 86_400, 7 * 86_400)
"""Lengths of the three windows in seconds: 5 h, 1 d, 7 d."""


@dataclass
class Window:
    """One window. It opens with the first charge after the last one ended. Money in credits."""

    length: int
    cap: int
    opened: float = float("-inf")
    spent: int = 0

    def roll(self, now: float) -> None:
        """Empty the window if it has ended; the next one opens at `now` (Unix s)."""
        if now >= self.opened + self.length:
            self.opened = now
            self.spent = 0

    @property
    def remaining(self) -> int:
        """Credits left, never below 0."""
        return max(0, self.cap - self.spent)

    @property
    def reset(self) -> float:
        """Unix seconds at which the window ends."""
        return self.opened + self.length


@dataclass
class Windows:
    """All windows of one key; none for an uncapped key."""

    windows: list[Window] = field(default_factory=list)

    def cap(self, caps: tuple[int, int, int]) -> None:
        """Set the caps (credits) of the three windows, keeping what is spent in them."""
        old = self.windows or [Window(length, 0) for length in LENGTHS]
        self.windows = [
            Window(was.length, cap, was.opened, was.spent)
            for was, cap in zip(old, caps, strict=True)
        ]

    def charge(self, credits: int, now: float) -> None:
        """Book spending at `now` (Unix s)."""
        for window in self.windows:
            window.roll(now)
            window.spent += credits

    def tightest(self, now: float) -> Window | None:
        """The window closest to constraining the key: the one with the least left."""
        for window in self.windows:
            window.roll(now)
        return min(self.windows, key=lambda window: window.remaining, default=None)
