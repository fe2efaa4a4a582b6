"""What happened: who called what, when, for how much, and how money moved."""

from __future__ import annotations

import bisect
import heapq
import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from decimal import Decimal

WINDOWS = {"5h": 5 * 3600, "1d": 86400, "7d": 7 * 86400}


@dataclass(frozen=True, slots=True)
class Org:
    id: int
    name: str
    role: str = "member"


@dataclass(frozen=True, slots=True)
class User:
    id: int
    username: str
    tier: str = "individual"
    org: Org | None = None

    @property
    def owner(self) -> str:
        """Whose wallet pays for this user's calls."""
        if self.tier == "enterprise" and self.org is not None:
            return f"org:{self.org.id}"
        return f"user:{self.id}"


@dataclass(slots=True)
class Wallet:
    topped_up: Decimal = Decimal(0)
    spent: Decimal = Decimal(0)
    held: Decimal = Decimal(0)
    low_below: Decimal = Decimal(5)

    @property
    def available(self) -> Decimal:
        return self.topped_up - self.spent - self.held


@dataclass(frozen=True, slots=True)
class Key:
    """A key. Its id outlives its secret, which a rotation replaces."""

    id: int
    secret: str
    name: str
    user: User
    quota: Decimal = Decimal(0)
    limits: tuple[tuple[str, Decimal], ...] = ()
    expires_at: float | None = None
    status: str = "active"

    @property
    def masked(self) -> str:
        return f"{self.secret[:8]}…{self.secret[-4:]}"

    @property
    def listed(self) -> str:
        return f"{self.secret[:8]}...****{self.secret[-4:]}"


@dataclass(frozen=True, slots=True)
class Call:
    """One call. `number` is its place in the order in which calls were settled."""

    at: float
    number: int
    request_id: str
    key: int
    owner: str
    user: int
    model: str
    usd: Decimal
    input_tokens: int = 100
    output_tokens: int = 10
    cache_read_tokens: int = 0
    cache_creation_tokens: int = 0
    failed: bool = False


@dataclass(frozen=True, slots=True)
class Movement:
    """A movement of a wallet. One with a status that is not None and not good is no money."""

    id: int
    at: float
    owner: str
    kind: str
    usd: Decimal
    status: str | None = None
    balance_after: Decimal = Decimal(0)

    @property
    def money(self) -> Decimal:
        return Decimal(0) if self.status in ("pending", "failed") else self.usd


@dataclass(slots=True)
class Books:
    keys: dict[int, Key] = field(default_factory=dict)
    wallets: dict[str, Wallet] = field(default_factory=dict)
    movements: dict[int, Movement] = field(default_factory=dict)
    calls: list[Call] = field(default_factory=list)
    """The settled ones, by time."""
    _waiting: list[tuple[float, str, Call]] = field(default_factory=list)
    _settled: Iterator[int] = field(default_factory=itertools.count)

    def add_key(self, key: Key, *, topped_up: str = "100", spent: str = "0") -> Key:
        self.keys[key.id] = key
        if key.user.owner not in self.wallets:
            self.wallets[key.user.owner] = Wallet(Decimal(topped_up), Decimal(spent))
        return key

    def wallet_of(self, user: User) -> Wallet:
        return self.wallets.setdefault(user.owner, Wallet())

    def rotate(self, key: int, secret: str) -> Key:
        self.keys[key] = replace(self.keys[key], secret=secret)
        return self.keys[key]

    def add(self, call: Call, *, seen_from: float) -> None:
        """A call that shows in usage, and in its wallet, from then on."""
        heapq.heappush(self._waiting, (seen_from, call.request_id, call))

    def settle(self, now: float) -> None:
        while self._waiting and self._waiting[0][0] <= now:
            _, _, call = heapq.heappop(self._waiting)
            call = replace(call, number=next(self._settled))
            bisect.insort(self.calls, call, key=lambda one: one.at)
            if not call.failed:
                self.wallets[call.owner].spent += call.usd

    def take_back(self, request_id: str, usd: Decimal) -> None:
        """Rebate part of a call: its bucket shrinks, and so does what was spent."""
        for place, call in enumerate(self.calls):
            if call.request_id == request_id:
                self.calls[place] = replace(call, usd=call.usd - usd)
                self.wallets[call.owner].spent -= usd
                return
        raise KeyError(request_id)

    def move(self, movement: Movement) -> Movement:
        """A new movement, or another version of one that is known."""
        wallet = self.wallets[movement.owner]
        before = self.movements.get(movement.id)
        wallet.topped_up += movement.money - (before.money if before else Decimal(0))
        after = replace(movement, balance_after=wallet.available)
        self.movements[movement.id] = after
        return after

    def between(self, since: float, until: float) -> list[Call]:
        first = bisect.bisect_left(self.calls, since, key=lambda one: one.at)
        last = bisect.bisect_left(self.calls, until, key=lambda one: one.at)
        return self.calls[first:last]

    def spent_by(self, key: int, since: float = float("-inf")) -> Decimal:
        mine = (one for one in self.between(since, float("inf")) if one.key == key)
        return sum((one.usd for one in mine if not one.failed), Decimal(0))
