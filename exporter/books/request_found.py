"""`reconcile --request-id`: what the gateway billed for one request, and where it was counted."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from functools import partial

import msgspec

from exporter.books.each_account import ask_each
from exporter.books.printed import Row, as_csv, as_json, as_table, when
from exporter.config.types import Account, Config
from exporter.errors import GatewayError
from exporter.gateway.client import GatewayClient
from exporter.gateway.readings import UsageRow
from exporter.ledger.account_rows import read_cursor
from exporter.ledger.cells import day_cell_of
from exporter.ledger.cursor import Cursor, hour_of
from exporter.ledger.state_reader import account_id, reading_state, unit_of

_COLUMNS = (
    *("account", "request_id", "created_at", "model", "key", "cost_usd"),
    *("input_tokens", "output_tokens", "cell_hour_at", "cell_cost_usd", "cell_requests"),
    *("counted_usd", "verdict"),
)


_OF_KEY = (
    " AND api_key IN (SELECT id FROM api_key WHERE account = cell.account "
    "AND (gateway_id = ? OR masked = ?))"
)


class Found(msgspec.Struct, frozen=True):
    """What one account's gateway says of the request; `row` None where it does not know it."""

    account: str
    row: UsageRow | None
    now: float
    problem: str = ""


class _Cell(msgspec.Struct, frozen=True):
    """The cells of the row's hour, or day, and model, together."""

    hour: int
    cost: int
    requests: int


class Verdict(msgspec.Struct, frozen=True):
    """Whether all is well, why, and where it was counted."""

    fine: bool
    said: str
    cell: _Cell | None = None
    counted: int | None = None


async def reconcile_request(
    config: Config, environ: Mapping[str, str], request_id: str, form: str
) -> bool:
    """Print it; whether it is found, and counted if it should be. Raises StateError."""
    ask = partial(_ask, config=config, request_id=request_id)
    asked = await ask_each(config, environ, ask)
    found = [one for one in asked if one.row is not None]
    with reading_state(config.state.path) as db:
        judged = [(one, _judge(db, config, one)) for one in found]
    rows = [_shown(one, verdict) for one, verdict in judged]
    missing = [f"{one.account}: {one.problem}" for one in asked if one.row is None]
    if form == "json":
        print(as_json({"requests": rows, "not_found": [{"said": said} for said in missing]}))
    elif form == "csv":
        print(as_csv(rows, _COLUMNS))
    else:
        for row in rows:
            print("\n".join(_lines(row)))
        if not rows:
            print("\n".join(as_table([{"not_found": said} for said in missing], ("not_found",))))
    return bool(judged) and all(verdict.fine for _, verdict in judged)


def _lines(row: Row) -> list[str]:
    """One line a member, as a person reads it."""
    width = max(map(len, _COLUMNS))
    return [
        f"{name.removesuffix('_usd').removesuffix('_at').replace('_', ' '):{width}}  {line}"
        for name in _COLUMNS
        for line in list(as_table([row], (name,)))[1:]
    ]


async def _ask(
    account: Account, client: GatewayClient, config: Config, request_id: str
) -> list[Found]:
    client.know_credits(unit_of(config.state.path, account.name, config.usage.credits_per_usd))
    try:
        row = await client.request(request_id)
    except GatewayError as error:
        return [Found(account.name, None, client.gateway_clock.now(), str(error))]
    problem = "" if row is not None else "the gateway knows no such request"
    return [Found(account.name, row, client.gateway_clock.now(), problem)]


def _judge(db: sqlite3.Connection, config: Config, found: Found) -> Verdict:
    row = found.row
    assert row is not None
    account = account_id(db, found.account)
    cursor = None if account is None else read_cursor(db, account, "usage")
    if account is None or cursor is None:
        return Verdict(False, "the state does not know the account: nothing of it was counted")
    cell = _cell(db, account, row)
    if row.created_at < cursor.start:
        return Verdict(True, f"older than counting, which began {when(cursor.start)}", cell)
    mark = db.execute(
        "SELECT cost FROM usage_mark WHERE account = ? AND request_id = ? AND hour >= 0",
        (account, row.request_id),
    ).fetchone()
    if mark is not None and mark[0] != row.cost:
        said = "counted with another cost; the gateway has corrected it since"
        return Verdict(False, said, cell, mark[0])
    if mark is not None:
        return Verdict(True, "counted", cell, mark[0])
    if row.created_at < max(cursor.floor, found.now - config.usage.settle_window):
        return Verdict(True, "older than usage.settle_window: its hour is final", cell)
    if cell is not None and cell.cost >= row.cost and _is_rolled(db, account, cell.hour):
        return Verdict(True, "counted in its hour, of which the gateway gives the sum", cell)
    return _not_counted(row, cursor, found.now, config, cell)


def _not_counted(
    row: UsageRow, cursor: Cursor, now: float, config: Config, cell: _Cell | None
) -> Verdict:
    """The newest rows are counted with the next poll, and an exporter that lags says so itself."""
    lag = config.thresholds.usage_lag_minutes * 60
    if row.created_at > cursor.polled_ns / 1e9 and now - row.created_at < lag:
        return Verdict(True, f"not read yet: usage is counted up to {when(cursor.position)}", cell)
    return Verdict(False, "not counted, and should be", cell)


def _is_rolled(db: sqlite3.Connection, account: int, hour: int) -> bool:
    query = "SELECT 1 FROM cell WHERE account = ? AND hour = ? AND rolled LIMIT 1"
    return db.execute(query, (account, hour)).fetchone() is not None


def _cell(db: sqlite3.Connection, account: int, row: UsageRow) -> _Cell | None:
    """Of its hour, or of its day where the gateway tells no hours; of its key where that is told.

    A row and a bucket may name one key differently, so that all keys are taken where none fits.
    """
    hour = hour_of(row.created_at)
    sums = (
        "SELECT SUM(cost), SUM(requests), COUNT(*) FROM cell "
        "WHERE account = ? AND hour = ? AND model = ?"
    )
    of_key = sums + _OF_KEY
    keys = (row.key.gateway_id, row.key.masked)
    for begin in (hour, day_cell_of(hour)):
        place = (account, begin, row.model)
        for query, parameters in ((of_key, (*place, *keys)), (sums, place)):
            cost, requests, number = db.execute(query, parameters).fetchone()
            if number:
                return _Cell(begin, cost, requests)
    return None


def _shown(found: Found, verdict: Verdict) -> Row:
    row, cell = found.row, verdict.cell
    assert row is not None
    return {
        "account": found.account,
        "request_id": row.request_id,
        "created_at": row.created_at,
        "model": row.model,
        "key": row.key.name or row.key.masked or row.key.gateway_id,
        "cost_usd": row.cost,
        "input_tokens": row.input_tokens,
        "output_tokens": row.output_tokens,
        "cell_hour_at": None if cell is None else cell.hour // 3600 * 3600,
        "cell_cost_usd": None if cell is None else cell.cost,
        "cell_requests": None if cell is None else cell.requests,
        "counted_usd": verdict.counted,
        "verdict": verdict.said,
    }
