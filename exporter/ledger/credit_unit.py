"""How many credits make one USD in rows of the log, and how that is known.

The gateway documents 1,000,000 and has pages on which credits are USD. Which of the two it is shows
in the answers: `judge` says what they tell. It is decided once for a wallet and then stays; what
speaks against it later is told and not followed. Credits are exact, money is in nano-USD.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping
from decimal import Decimal
from enum import StrEnum
from typing import Final

import msgspec

from exporter.gateway.readings import UsageBucket, UsageRow
from exporter.ledger.cursor import hour_of
from exporter.money import CREDITS_PER_USD, NANOS_PER_USD

UNITS: Final = (CREDITS_PER_USD, 1)

POLLS: Final = 10
"""So often rows are read in vain before they are taken for what is documented."""

_BAND: Final = 30
"""Two sums of the same spend differ less: in time, by roundings, by rows that are late."""

_CHEAPEST, _DEAREST = Decimal("1e-9"), Decimal("1e-2")
"""USD between which the price of a token lies."""

_TOLD_FROM: Final = NANOS_PER_USD // 10
"""What speaks against a unit must be as much, in nano-USD."""


class Why(StrEnum):
    """How the unit is known."""

    CONFIGURED = "usage.credits_per_usd says so"
    KEPT = "rows were counted so before"
    LIFETIME = "lifetime spend grew by what the rows say then"
    ROLLUP = "the rollup of the same hours says as much"
    FRACTION = "credits have fractions, which micro-USD have not"
    PRICE = "only then a token has a price that can be"
    DOCUMENTED = "the gateway documents it, and nothing in its answers told"


class CreditUnit(msgspec.Struct, frozen=True):
    """How many credits make one USD; None while rows wait for it, as they have for so many `polls`.

    `contradicted`: the unit that lifetime spend speaks for instead.
    """

    per_usd: int | None = None
    why: Why | None = None
    polls: int = 0
    contradicted: int | None = None

    def __str__(self) -> str:
        return "not known yet" if self.per_usd is None else in_words(self.per_usd)


class Witnesses(msgspec.Struct, frozen=True):
    """What is known of rows that wait.

    `by_hour`: their credits by hour, `told_by_hour` (nano-USD) what a rollup says of hours.
    `recent`: credits of those rows since which lifetime spend has grown by `grown` (nano-USD).
    `fraction`: whether one has a fraction. `priced`: credits of those with tokens, `tokens` theirs.
    """

    by_hour: Mapping[int, Decimal] = {}
    told_by_hour: Mapping[int, int] = {}
    recent: Decimal = Decimal(0)
    grown: int = 0
    fraction: bool = False
    priced: Decimal = Decimal(0)
    tokens: int = 0

    def with_rows(self, rows: Iterable[UsageRow], since: float) -> Witnesses:
        """These too; `since` (Unix s) as in `recent`."""
        by_hour, recent, priced = dict(self.by_hour), self.recent, self.priced
        tokens, fraction = self.tokens, self.fraction
        for row in rows:
            if row.credits is None:
                continue
            credits, hour = Decimal(row.credits), hour_of(row.created_at)
            by_hour[hour] = by_hour.get(hour, Decimal(0)) + credits
            fraction = fraction or credits != credits.to_integral_value()
            if row.created_at >= since:
                recent += credits
            its_tokens = row.input_tokens + row.output_tokens
            its_tokens += (row.cache_read_tokens or 0) + (row.cache_creation_tokens or 0)
            if its_tokens > 0:
                priced, tokens = priced + credits, tokens + its_tokens
        return msgspec.structs.replace(
            self, by_hour=by_hour, recent=recent, fraction=fraction, priced=priced, tokens=tokens
        )

    def with_rollup(self, buckets: Iterable[UsageBucket]) -> Witnesses:
        """What a rollup by hours says besides."""
        told = dict(self.told_by_hour)
        for bucket in buckets:
            told[bucket.hour] = told.get(bucket.hour, 0) + bucket.cost
        return msgspec.structs.replace(self, told_by_hour=told)


def judge(witnesses: Witnesses) -> tuple[int, Why] | None:
    """The unit that the first witness tells which tells one; None where none does."""
    unit = _told_by(witnesses.recent, witnesses.grown)
    if unit is not None:
        return unit, Why.LIFETIME
    hours = witnesses.by_hour.keys() & witnesses.told_by_hour.keys()
    credits = sum((witnesses.by_hour[hour] for hour in hours), Decimal(0))
    unit = _told_by(credits, sum(witnesses.told_by_hour[hour] for hour in hours))
    if unit is not None:
        return unit, Why.ROLLUP
    if witnesses.fraction:
        return 1, Why.FRACTION
    if witnesses.tokens:
        price = witnesses.priced / witnesses.tokens
        fitting = [unit for unit in UNITS if _CHEAPEST <= price / unit <= _DEAREST]
        if len(fitting) == 1:
            return fitting[0], Why.PRICE
    return None


def contradicted(per_usd: int, used: int, spent: int) -> int | None:
    """The other unit, where only that makes of the usage that was counted what was spent.

    Both grew (in nano-USD) in the same time.
    """
    if max(used, spent) < _TOLD_FROM:
        return None
    credits = Decimal(used) * per_usd / NANOS_PER_USD
    unit = _told_by(credits, spent)
    return None if unit is None or _fits(credits, per_usd, spent) else unit


def in_words(per_usd: int) -> str:
    return "1 credit is 1 USD" if per_usd == 1 else f"{per_usd:,} credits are 1 USD"


def _told_by(credits: Decimal, nanos: int) -> int | None:
    """The one unit in which so many credits are about so much."""
    return next((unit for unit in UNITS if _fits(credits, unit, nanos)), None)


def _fits(credits: Decimal, per_usd: int, nanos: int) -> bool:
    if credits <= 0 or nanos <= 0:
        return False
    cost = credits / per_usd * NANOS_PER_USD
    return nanos <= cost * _BAND and cost <= nanos * _BAND


def read(db: sqlite3.Connection, account: int, configured: int | None) -> CreditUnit:
    """The unit of an account; `configured` wins over what was decided."""
    row = db.execute(
        "SELECT per_usd, why, polls FROM credit_unit WHERE account = ?", (account,)
    ).fetchone()
    stored = CreditUnit() if row is None else CreditUnit(row[0], row[1] and Why[row[1]], row[2])
    if configured is not None:
        stored = CreditUnit(configured, Why.CONFIGURED)
    if stored.per_usd is None:
        return stored
    speaks_for = contradicted(stored.per_usd, *_moved(db, account))
    return msgspec.structs.replace(stored, contradicted=speaks_for)


def watch(db: sqlite3.Connection, account: int, known: CreditUnit, caught_up: bool) -> None:
    """Lifetime spend was read. What it and usage, which is `caught_up`, grow by is held together.

    From now on anew, unless that speaks against the unit, or says nothing yet.
    """
    used, spent = _moved(db, account)
    begun = db.execute(
        "SELECT 1 FROM credit_unit WHERE account = ? AND used IS NOT NULL AND spent IS NOT NULL",
        (account,),
    ).fetchone()
    if caught_up and begun is not None:
        # Corrections make usage fall: then it is held against the wallet from there on.
        says_nothing = max(used, spent) < _TOLD_FROM or used == 0 or spent <= 0
        if says_nothing or known.contradicted is not None:
            return
    db.execute(
        f"UPDATE credit_unit SET used = CASE WHEN :caught_up THEN ({_USED}) END, "
        f"spent = CASE WHEN :caught_up THEN ({_SPENT}) END WHERE account = :account",
        {"account": account, "caught_up": caught_up},
    )


_USED: Final = "SELECT COALESCE(SUM(cost), 0) FROM series WHERE account = :account"
_SPENT: Final = "SELECT last_spent FROM account WHERE id = :account"


def _moved(db: sqlite3.Connection, account: int) -> tuple[int, int]:
    """How much usage and lifetime spend have grown since they last agreed; 0 if unknown."""
    row = db.execute(
        f"SELECT ({_USED}) - used, ({_SPENT}) - spent FROM credit_unit WHERE account = :account",
        {"account": account},
    ).fetchone()
    return (0, 0) if row is None else (row[0] or 0, row[1] or 0)


def grown(db: sqlite3.Connection, account: int) -> int:
    """How much lifetime spend (nano-USD) has grown since usage was last read to its end."""
    (growth,) = db.execute(
        "SELECT COALESCE(last_spent - COALESCE(witness_spent, first_spent), 0) FROM account "
        "WHERE id = ?",
        (account,),
    ).fetchone()
    return int(growth)


def remember(db: sqlite3.Connection, account: int, per_usd: int, why: Why) -> None:
    """From now on the account's rows are counted in this unit."""
    db.execute(
        "INSERT INTO credit_unit (account, per_usd, why) VALUES (?, ?, ?) ON CONFLICT (account) "
        "DO UPDATE SET per_usd = excluded.per_usd, why = excluded.why, polls = 0, "
        "used = NULL, spent = NULL "
        "WHERE per_usd IS NOT excluded.per_usd",
        (account, per_usd, why.name),
    )


def decide(
    db: sqlite3.Connection, account: int, known: CreditUnit, witnesses: Witnesses, poll_ended: bool
) -> CreditUnit:
    """The unit, decided for good where that can be told; `poll_ended`: one more poll without it."""
    told = judge(msgspec.structs.replace(witnesses, grown=grown(db, account)))
    if told is not None:
        remember(db, account, *told)
        return CreditUnit(*told)
    return waited(db, account, known) if poll_ended else known


def waited(db: sqlite3.Connection, account: int, known: CreditUnit) -> CreditUnit:
    """Rows have waited in one more poll. After `POLLS` of them it is the documented unit."""
    if known.polls + 1 >= POLLS:
        remember(db, account, CREDITS_PER_USD, Why.DOCUMENTED)
        return CreditUnit(CREDITS_PER_USD, Why.DOCUMENTED)
    db.execute(
        "INSERT INTO credit_unit (account, polls) VALUES (?, 1) "
        "ON CONFLICT (account) DO UPDATE SET polls = polls + 1",
        (account,),
    )
    return msgspec.structs.replace(known, polls=known.polls + 1)
