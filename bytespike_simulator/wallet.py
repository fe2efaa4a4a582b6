"""The wallet: what went in, what was spent, what is held, and the list of movements."""

from __future__ import annotations

from bisect import insort

import msgspec

CREDITS = 1_000_000
"""Credits in one USD."""

TOPUP = "topup"
REFUND = "refund"


class Movement(msgspec.Struct, frozen=True, order=True):
    """One wallet movement that was not an API call. Money in credits, `created` in Unix s.

    With a `status`, `pending` or `failed`, it moved nothing.
    """

    created: int
    id: int
    kind: str
    amount: int
    balance_after: int
    source: tuple[tuple[str, str], ...]
    note: str | None
    status: str | None = None


class Wallet:
    """Money in credits.

    At every moment `balance = topup + other - spent` and `available = balance - held`.
    `topup` and `spent` are the lifetime numbers; `other` is every movement but top-ups.
    """

    def __init__(self, first_id: int) -> None:
        self.topup = 0
        self.other = 0
        self.spent = 0
        self.held = 0
        self.movements: list[Movement] = []
        self._next_id = first_id

    @property
    def balance(self) -> int:
        return self.topup + self.other - self.spent

    @property
    def available(self) -> int:
        """What can be spent: the balance net of holds."""
        return self.balance - self.held

    def move(
        self,
        kind: str,
        amount: int,
        created: int,
        source: tuple[tuple[str, str], ...],
        note: str | None,
        status: str | None = None,
    ) -> Movement:
        if status is None and kind == TOPUP:
            self.topup += amount
        elif status is None:
            self.other += amount
        number, after = self._next_id, self.balance
        movement = Movement(created, number, kind, amount, after, source, note, status)
        self._next_id += 1
        insort(self.movements, movement)
        return movement

    def open_with(self, credits: int) -> None:
        """Top up by `credits` before the first movement: every balance so far shifts by it."""
        self.topup += credits
        self.movements = [
            msgspec.structs.replace(movement, balance_after=movement.balance_after + credits)
            for movement in self.movements
        ]
