"""`transactions`: the wallet movements of a month, with their sum."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from exporter.books.each_account import ask_each
from exporter.books.month import Month, movements_of
from exporter.books.printed import Row, as_csv, as_json, as_table
from exporter.config.types import Account, Config
from exporter.gateway.client import GatewayClient
from exporter.gateway.readings import Stage, Transaction
from exporter.money import usd_text
from exporter.web.formats import plural

_COLUMNS = ("account", "created_at", "id", "kind", "status", "amount_usd", "balance_after_usd")


async def transactions(
    config: Config, environ: Mapping[str, str], month: Month, kind: str | None, form: str
) -> None:
    """Print them. Raises GatewayError."""
    rows = await ask_each(config, environ, partial(_rows_of, month=month, kind=kind))
    sums = [_sum(rows, account.name) for account in config.accounts]
    if form == "json":
        parts: dict[str, str | list[Row]] = {"month": month.name}
        print(as_json(parts | {"transactions": rows, "sums": sums}))
        return
    if form == "csv":
        print(as_csv([*rows, *({**row, "status": "sum"} for row in sums)], _COLUMNS))
        return
    print("\n".join(as_table(rows, _COLUMNS)))
    print()
    for row in sums:
        amount, number = row["amount_usd"], row["transactions"]
        assert isinstance(amount, int)
        assert isinstance(number, int)
        print(f"{row['account']}: {usd_text(amount)} USD by {plural(number, 'good movement')}")


async def _rows_of(
    account: Account, client: GatewayClient, month: Month, kind: str | None
) -> list[Row]:
    items, _ = await movements_of(client, month.begin, month.end)
    return [_row(account.name, item) for item in items if kind in (None, item.kind)]


def _row(account: str, item: Transaction) -> Row:
    return {
        "account": account,
        "created_at": item.created_at,
        "id": item.id,
        "kind": item.kind,
        "status": item.stage.value,
        "amount_usd": item.amount,
        "balance_after_usd": item.balance_after,
    }


def _sum(rows: list[Row], account: str) -> Row:
    """Of what is money."""
    good = [row for row in rows if (row["account"], row["status"]) == (account, Stage.GOOD.value)]
    amounts = [row["amount_usd"] for row in good]
    total = sum(amount for amount in amounts if isinstance(amount, int))
    return {"account": account, "transactions": len(good), "amount_usd": total}
