"""API keys: who they are, their lifetime caps, and their rolling spend windows."""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random

FIRST_KEY_ID = 17

LENGTHS = (5 * 3600, 86_400, 7 * 86_400)
"""Lengths of a key's three windows in seconds: 5 h, 1 d, 7 d."""

_LENGTH_NAMES = dict(zip(LENGTHS, ("5h", "1d", "7d"), strict=True))

_NAMES = ("prod-vision", "prod-chat", "batch-nightly", "dev-ada", "ci-evals", "support-bot")
_ODD_NAMES = (
    'prod "vision"\\chat',
    "two\nlines\tand a tab",
    "naïve-ключ-🔑",
    "مفتاح",
    "",
    "x" * 300,
)


@dataclass
class Window:
    """One window. It opens with the first charge after the last one ended. Money in credits."""

    length: int
    cap: int = 0
    opened: float = float("-inf")
    spent: int = 0

    def roll(self, now: float) -> None:
        """Empty the window if it has ended; the next one opens at `now` (Unix s)."""
        if now >= self.opened + self.length:
            self.opened = now
            self.spent = 0

    @property
    def name(self) -> str:
        return _LENGTH_NAMES[self.length]

    @property
    def remaining(self) -> int:
        return max(0, self.cap - self.spent)

    @property
    def reset(self) -> float:
        return self.opened + self.length


@dataclass
class Key:
    """One API key. `quota` is its lifetime cap in credits, None = uncapped; `spent` in credits.

    `windows` is empty for a key that no window limits. It `expires` at that Unix time, if ever.
    """

    id: int
    name: str
    secret: str
    org_owned: bool
    windows: list[Window] = field(default_factory=list)
    quota: int | None = None
    spent: int = 0
    expires: float | None = None

    @property
    def masked(self) -> str:
        """The form in which the gateway shows a key: `sk-byts-…9f3c`."""
        return f"sk-byts-…{self.secret[-4:]}"

    def charge(self, credits: int, now: float) -> None:
        self.spent += credits
        for window in self.windows:
            window.roll(now)
            window.spent += credits

    def tightest(self, now: float) -> Window | None:
        """The window closest to constraining the key: the one with the least left."""
        for window in self.windows:
            window.roll(now)
        return min(self.windows, key=lambda window: window.remaining, default=None)


def make_keys(count: int, rng: Random, *, colliding: bool, odd: bool) -> list[Key]:
    """`count` keys with ids from 17 on. The org owns the first and every fourth after it."""
    keys: list[Key] = []
    for index in range(count):
        secret = f"sk-byts-sim-{rng.getrandbits(96):024x}"
        if colliding and index == 2:
            secret = secret[:-4] + keys[1].secret[-4:]
        names = _ODD_NAMES if odd else _NAMES
        name = names[index] if index < len(names) else f"team-{index + 1:02d}"
        keys.append(Key(FIRST_KEY_ID + index, name, secret, org_owned=index % 4 == 0))
    return keys
