"""Whose wallet an account is. Behind one name there can be another one tomorrow.

An account is a wallet of a gateway. Where a name turns out to stand for another one, the old
account is set aside under a name that nobody can configure, and a new one begins.
"""

from __future__ import annotations

import sqlite3

import msgspec

from exporter.gateway.readings import AccountReading
from exporter.secrets import Secret


class Owner(msgspec.Struct, frozen=True):
    """Whose an account is, as far as it is known.

    `gateway` is its address, `user` the user's id there. `wallet` says who pays: `user 88` or
    `organization 5`. `api_key` is the masked form of the key that said so.
    """

    gateway: str | None = None
    user: str | None = None
    wallet: str | None = None
    api_key: str | None = None

    def other_than(self, before: Owner) -> bool:
        """Whether it is certain that this is another wallet. A key alone says nothing."""
        pairs = (
            (self.gateway, before.gateway),
            (self.user, before.user),
            (self.wallet, before.wallet),
        )
        return any(None not in pair and pair[0] != pair[1] for pair in pairs)

    def could_be(self, before: Owner) -> bool:
        """Whether this, of which nobody told the user yet, is the same: it has the same key."""
        if before.api_key is None:
            return before.gateway in (None, self.gateway)
        return (self.gateway, self.api_key) == (before.gateway, before.api_key)

    def __str__(self) -> str:
        paying = [] if self.wallet in (None, f"user {self.user}") else [self.wallet]
        user = "an unknown user" if self.user is None else f"user {self.user}"
        return " of ".join((user, *paying, f"gateway {self.gateway or 'unknown'}"))


def wallet_of(reading: AccountReading) -> str | None:
    """Who pays, None where the answer does not say: see `Owner.wallet`."""
    if reading.paid_by_organization(told=False):
        return None if reading.organization is None else f"organization {reading.organization.id}"
    if reading.tier is None or reading.user_id is None:
        return None
    return f"user {reading.user_id}"


def identity_of(reading: AccountReading, gateway: str, key: Secret) -> tuple[str, str | Secret]:
    """What is the same for all names of one wallet: the key where it is not told whose it is."""
    user = None if reading.user_id is None else f"user {reading.user_id}"
    return gateway, wallet_of(reading) or user or key


def owner_of(reading: AccountReading, gateway: str, api_key: str) -> Owner:
    """Whose account was read at this address with this key (its masked form)."""
    return Owner(gateway, reading.user_id, wallet_of(reading), api_key)


def read_owner(db: sqlite3.Connection, account: int) -> Owner:
    """Whose an account was when it was read last."""
    row = db.execute(
        "SELECT gateway, user_id, wallet, api_key FROM account WHERE id = ?", (account,)
    ).fetchone()
    return Owner(*row)


def write_owner(db: sqlite3.Connection, account: int, owner: Owner) -> None:
    """Remember what is known of the owner; what is not known now stays."""
    db.execute(
        "UPDATE account SET gateway = COALESCE(?, gateway), user_id = COALESCE(?, user_id), "
        "wallet = COALESCE(?, wallet), api_key = COALESCE(?, api_key) WHERE id = ?",
        (*msgspec.structs.astuple(owner), account),
    )


def set_aside(db: sqlite3.Connection, account: int) -> None:
    """Keep an account and all that it counted, shown nowhere: no name begins with a space."""
    db.execute("UPDATE account SET name = ' ' || name || ' #' || id WHERE id = ?", (account,))


def set_all_aside(db: sqlite3.Connection) -> int:
    """Set every account aside; gives how many they are."""
    shown = db.execute("SELECT id FROM account WHERE name NOT LIKE ' %'").fetchall()
    for (account,) in shown:
        set_aside(db, account)
    return len(shown)


def replaced(db: sqlite3.Connection, account: int, owner: Owner, wallet_start_ns: int) -> int:
    """Set an account aside and put a new one of that name in its place; gives its id.

    Its wallet's counters are another stream, which begins at `wallet_start_ns` (Unix ns).
    """
    (name,) = db.execute("SELECT name FROM account WHERE id = ?", (account,)).fetchone()
    set_aside(db, account)
    made = db.execute(
        "INSERT INTO account (name, wallet_start_ns) VALUES (?, ?)", (name, wallet_start_ns)
    )
    assert made.lastrowid is not None
    write_owner(db, made.lastrowid, owner)
    return made.lastrowid
