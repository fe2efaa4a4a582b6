"""`reconcile --month`: a month's books as the gateway has them, held against the state."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from functools import partial

import msgspec

from exporter.books.balance_chain import Spent, breaks, links
from exporter.books.each_account import ask_each
from exporter.books.month import DAY, Month, UsageOfMonth, movements_of, read_usage_of
from exporter.books.printed import Row, as_csv, as_json, as_table, when
from exporter.config.types import Account, Config
from exporter.gateway.client import GatewayClient
from exporter.gateway.readings import AccountReading, Stage, Transaction
from exporter.ledger import wallet
from exporter.ledger.account_rows import read_cursor
from exporter.ledger.cursor import Cursor
from exporter.ledger.days import counted_days
from exporter.ledger.state_reader import account_id, reading_state, unit_of
from exporter.money import usd_text

_DAYS = ("account", "day", "usage_usd", "counted_usd", "movements_usd", "balance_usd", "said")
_SUMS = (
    *("account", "usage_usd", "counted_usd", "movements_usd", "lifetime_spent_usd", "drift_usd"),
    "links_of_the_chain",
)
_AN_HOUR = 3600.0


class State(msgspec.Struct, frozen=True):
    """What the state holds of an account. Money in nano-USD.

    `movements`: what was counted of each that is not final yet, by id.
    """

    cursor: Cursor | None = None
    billed: Cursor | None = None
    days: dict[int, int] = {}
    drift: int | None = None
    movements: dict[str, int | None] = {}


class Books(msgspec.Struct, frozen=True):
    """One account's month: days as rows, their sums, and where they part."""

    days: list[Row]
    sums: Row
    findings: list[Row]


async def reconcile_month(
    config: Config, environ: Mapping[str, str], month: Month, form: str
) -> bool:
    """Print the books; whether nothing parts. Raises GatewayError, StateError."""
    with reading_state(config.state.path):
        pass  # a state that cannot be read is told before the gateway is asked for all of a month
    books = await ask_each(config, environ, partial(_books, config=config, month=month))
    days = [row for one in books for row in one.days]
    sums = [one.sums for one in books]
    findings = [row for one in books for row in one.findings]
    if form == "json":
        parts: dict[str, str | list[Row]] = {"month": month.name}
        print(as_json(parts | {"accounts": sums, "days": days, "findings": findings}))
    elif form == "csv":
        print(as_csv(days, _DAYS))
    else:
        for line in _told(days, sums, findings):
            print(line)
    return not findings


def _told(days: list[Row], sums: list[Row], findings: list[Row]) -> Iterator[str]:
    yield from as_table(days, _DAYS)
    yield ""
    yield from as_table(sums, _SUMS)
    yield ""
    if findings:
        yield from as_table(findings, ("account", "day", "said"))
    else:
        yield "Nothing parts."


async def _books(
    account: Account, client: GatewayClient, config: Config, month: Month
) -> list[Books]:
    client.know_credits(unit_of(config.state.path, account.name, config.usage.credits_per_usd))
    reading = await client.account()
    now = client.gateway_clock.now()
    until = min(float(month.end), now)
    before = _state_of(config, account.name)
    start = before.cursor.start if before.cursor is not None else float(month.end)
    usage = await read_usage_of(client, month.begin, until, start)
    items, rejected = await movements_of(client, month.begin, until)
    state = _state_of(config, account.name)
    findings = list(_parts_of_days(month, usage, state))
    findings += _parts_of_movements(items, state, now)
    for broken in breaks(items, Spent(usage.costs, usage.width)):
        amount = usd_text(abs(broken.missing))
        which = "less" if broken.missing > 0 else "more"
        said = f"the balance after {broken.item.id} is {amount} USD {which} than is explained"
        findings.append(_finding(broken.item.created_at, said))
    if abs(state.drift or 0) > config.thresholds.ledger_drift_usd * 1e9:
        said = f"lifetime spend and counted usage are {usd_text(state.drift or 0)} USD apart"
        findings.append(_finding(now, said))
    if usage.rejected or rejected:
        findings.append(_finding(now, f"{usage.rejected + rejected} rows could not be read"))
    findings = [{"account": account.name, **found} for found in findings]
    days = list(_days(account.name, month, until, usage, items, state, findings))
    return [Books(days, _sums(account.name, days, items, reading, state), findings)]


def _finding(at: float, said: str) -> Row:
    return {"day": when(at)[:10], "said": said}


def _state_of(config: Config, name: str) -> State:
    with reading_state(config.state.path) as db:
        account = account_id(db, name)
        return State() if account is None else _read_state(db, account)


def _read_state(db: sqlite3.Connection, account: int) -> State:
    low, high = db.execute(
        "SELECT drift_low, drift_high FROM account WHERE id = ?", (account,)
    ).fetchone()
    marks = db.execute("SELECT id, amount FROM transaction_mark WHERE account = ?", (account,))
    return State(
        read_cursor(db, account, "usage"),
        read_cursor(db, account, "transactions"),
        counted_days(db, account),
        wallet.drift_between(low, high),
        dict(marks.fetchall()),
    )


def _parts_of_days(month: Month, usage: UsageOfMonth, state: State) -> Iterator[Row]:
    """Of whole days that were read to their end and are known to the state."""
    for day in range(month.begin, month.end, DAY):
        if _judged(day, usage, state):
            apart = state.days.get(day, 0) - usage.since_start.get(day, 0)
            if apart:
                which = "more" if apart > 0 else "less"
                amount = usd_text(abs(apart))
                yield _finding(day, f"counted {amount} USD {which} than the gateway tells")


def _judged(day: int, usage: UsageOfMonth, state: State) -> bool:
    cursor = state.cursor
    if cursor is None or not state.days or day < min(state.days) or not cursor.caught_up:
        return False
    # A rollup cannot tell what of the first hour, or day, came before counting began.
    begun = day + DAY > cursor.start if usage.is_log else day >= cursor.start
    return begun and day + DAY + _AN_HOUR <= cursor.position + _AN_HOUR / 2


def _parts_of_movements(items: list[Transaction], state: State, now: float) -> Iterator[Row]:
    """Of good movements of which the state must still know that it has counted them."""
    cursor = state.billed
    if cursor is None:
        return
    for item in items:
        known = state.movements.get(item.id)
        told = max(cursor.start + 1, cursor.floor) <= item.created_at < cursor.position - _AN_HOUR
        if item.stage is Stage.GOOD and told and known != item.amount:
            counted = "nothing" if known is None else f"{usd_text(known)} USD"
            said = f"{item.kind} {item.id} of {usd_text(item.amount)} USD: {counted} was counted"
            yield _finding(item.created_at, said)


def _days(
    name: str,
    month: Month,
    until: float,
    usage: UsageOfMonth,
    items: list[Transaction],
    state: State,
    findings: list[Row],
) -> Iterator[Row]:
    for day in range(month.begin, int(until) + (until % 1 > 0), DAY):
        of_day = [one for one in items if day <= one.created_at < day + DAY]
        balances = [one.balance_after for one in links(of_day)]
        date = when(day)[:10]
        said = [str(found["said"]) for found in findings if found["day"] == date]
        if not said and not _judged(day, usage, state):
            said = [_why_open(day, state)]
        known = bool(state.days) and day >= min(state.days)
        yield {
            "account": name,
            "day": date,
            "usage_usd": usage.of_day(day),
            "counted_usd": state.days.get(day, 0) if known else None,
            "movements_usd": sum(one.amount for one in of_day if one.stage is Stage.GOOD),
            "balance_usd": balances[-1] if balances else None,
            "said": "; ".join(said),
        }


def _why_open(day: int, state: State) -> str:
    cursor = state.cursor
    if cursor is None:
        return "the state does not know the account"
    if day < cursor.start:
        return f"counting began {when(cursor.start)}"
    if state.days and day < min(state.days):
        return "before the state kept days"
    return "not over, or not read to its end"


def _sums(
    name: str,
    days: list[Row],
    items: list[Transaction],
    reading: AccountReading,
    state: State,
) -> Row:
    def total(column: str) -> int:
        return sum(value for row in days if isinstance(value := row[column], int))

    return {
        "account": name,
        "usage_usd": total("usage_usd"),
        "counted_usd": total("counted_usd"),
        "movements_usd": total("movements_usd"),
        "lifetime_spent_usd": reading.lifetime_spent,
        "drift_usd": state.drift,
        "links_of_the_chain": len(links(items)),
    }
