"""A state file of version 0.1.0 is taken over: nothing in it begins anew or counts again.

`state_0_1_0.sql` was dumped from a file that version 0.1.0 wrote: usage of one account from the
log and of another from the rollup, movements, wallets, names of keys, a sweep under way.
`state_0_1_0.json` is what version 0.1.0 said of it.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest

from exporter.gateway.readings import AccountReading, KeyRef, Transaction, UsageRow
from exporter.ledger.cursor import FIRST_SPAN, next_sweep_slice
from exporter.ledger.ledger import Ledger, Rules
from exporter.ledger.store import Store
from exporter.ledger.totals import AccountTotals, UsageTotal
from tests.clock import NOW

_HERE = Path(__file__).parent
OLD: dict[str, Any] = json.loads((_HERE / "state_0_1_0.json").read_text())
VISION = KeyRef("17", "sk-byts-…9f3c", "prod-vision")
START = NOW - 3 * 86_400


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    path = tmp_path / "state.db"
    with closing(sqlite3.connect(path)) as db:
        db.executescript((_HERE / "state_0_1_0.sql").read_text())
    store = Store(path)
    yield store
    store.close()


@pytest.fixture
def ledger(store: Store) -> Ledger:
    ledger = Ledger(store, Rules())
    ledger.open_accounts(["prod", "research"], NOW, NOW)
    return ledger


def row(number: int, key: KeyRef = VISION) -> UsageRow:
    """The rows that version 0.1.0 counted were numbered like this."""
    cost, at = (number + 1) * 1_234_567, START + 60 + number * 4000
    model = ("sonnet", "gpt")[number % 2]
    return UsageRow(f"req_{number:06}", at, model, key, cost, 100 + number, 10 + number)


def counted(totals: AccountTotals) -> tuple[int, int, int]:
    """Cost, requests and movements."""
    usage = totals.usage
    return (
        sum(total.cost for total in usage),
        sum(total.requests for total in usage),
        sum(total.count for total in totals.billing),
    )


def test_the_file_is_no_first_start_and_keeps_its_instance_id(store: Store) -> None:
    assert not store.created
    assert store.recovered_from is None
    assert store.instance_id == OLD["service.instance.id"]


@pytest.mark.parametrize("name", ["prod", "research"])
def test_counters_start_times_and_names_go_on(ledger: Ledger, name: str) -> None:
    now = msgspec.json.decode(msgspec.json.encode(ledger.totals()[name]))
    before = {field: value for field, value in OLD["totals"][name].items() if field != "runway"}
    assert before["usage"]
    # Version 0.1.0 knew nothing of caches.
    untold = {"cache_read_tokens": 0, "cache_creation_tokens": 0, "caches": 0}
    before["usage"] = [series | untold for series in before["usage"]]
    # The rate of spending is known at once, by the hours that were counted.
    assert now["usage_rate"] is None or now["usage_rate"]["seconds"] > 0
    for total in before["usage"]:  # one form of a masked key, whichever it was kept in
        total["key_id"] = total["key_id"].replace("...****", "…")
    assert {field: now[field] for field in before} == before


@pytest.mark.parametrize("name", ["prod", "research"])
def test_cursors_go_on(ledger: Ledger, name: str) -> None:
    for kind, before in OLD["cursors"][name].items():
        now = msgspec.to_builtins(ledger.cursor(name, kind))
        assert {field: now[field] for field in before} == before


def test_rows_and_movements_that_were_counted_do_not_count_again(ledger: Ledger) -> None:
    before = counted(ledger.totals()["prod"])
    result = ledger.commit_log("prod", [row(n) for n in range(0, 54, 3)], None, None, NOW)
    assert result.counted == 0
    movements = [Transaction("902", START + 3600, "topup", 20 * 10**9)]
    assert ledger.commit_transactions("prod", movements, None, None, NOW).duplicate == 1
    assert counted(ledger.totals()["prod"]) == before


def test_new_rows_move_the_series_that_were_there(ledger: Ledger) -> None:
    def vision() -> list[UsageTotal]:
        return [total for total in ledger.totals()["prod"].usage if total.key_name == "prod-vision"]

    before = vision()
    renamed = KeyRef("17", "sk-byts-…9f3c", "another name")
    new = [UsageRow("new", NOW - 60, "sonnet", renamed, 10**9, 1, 1)]
    assert ledger.commit_log("prod", new, None, None, NOW).counted == 1
    after = vision()
    assert [total.id for total in after] == [total.id for total in before]
    assert [total.start_ns for total in after] == [total.start_ns for total in before]
    assert sum(t.cost for t in after) == sum(t.cost for t in before) + 10**9


def test_the_sweep_goes_on_where_it_had_got_to_and_ends(ledger: Ledger) -> None:
    began = ledger.cursor("prod", "usage").sweep_began
    assert began is not None
    for _ in range(100):
        cursor = ledger.cursor("prod", "usage")
        if cursor.sweep_from is None:
            break
        span = next_sweep_slice(cursor, NOW, FIRST_SPAN)
        ledger.commit_log("prod", [], span, None, NOW)
    cursor = ledger.cursor("prod", "usage")
    assert (cursor.sweep_from, cursor.swept_at) == (None, began)


def test_lifetime_counters_of_the_wallet_go_on(ledger: Ledger) -> None:
    before = ledger.totals()["prod"]
    assert before.spent is not None
    reading = AccountReading(NOW, "88", available=10**9, lifetime_spent=before.spent + 5)
    ledger.commit_account("prod", reading)
    after = ledger.totals()["prod"]
    assert (after.spent, after.topup) == (before.spent + 5, before.topup)
    assert after.wallet_start_ns == before.wallet_start_ns
