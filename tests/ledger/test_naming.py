"""Names that come later than usage, and masks of earlier versions: nothing is counted twice."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from exporter.gateway.readings import KeyRef, RollupReading, UsageBucket, UsageRow
from exporter.ledger.cursor import Slice
from exporter.ledger.ledger import Ledger, Rules
from exporter.ledger.store import Store
from exporter.secrets import one_mask
from tests.ledger.conftest import FIRST
from tests.ledger.exporter import NAME
from tests.ledger.world import HOUR

NOW = FIRST + 600
TAIL = Slice(FIRST, NOW + HOUR, True, False)
MASK = "sk-byts-…9f3c"
LISTED = KeyRef("17", MASK, "prod")
ID = KeyRef("17")


def log(ledger: Ledger, key: KeyRef, batch: str, cost: int = 1, model: str = "m") -> None:
    rows = [UsageRow(f"{batch}-{model}", FIRST + 1, model, key, cost, 1, 1)]
    ledger.commit_log(NAME, rows, TAIL, None, NOW)


def roll(ledger: Ledger, *buckets: tuple[KeyRef, int]) -> None:
    read = tuple(UsageBucket(int(FIRST), "m", key, cost, 0, 0, cost) for key, cost in buckets)
    ledger.commit_rollup(NAME, RollupReading(read, ()), TAIL, None, NOW)


def shown(ledger: Ledger) -> dict[tuple[str, str], int]:
    return {(t.key_id, t.key_name): t.cost for t in ledger.totals()[NAME].usage if t.model == "m"}


def total(ledger: Ledger) -> tuple[int, int | None]:
    totals = ledger.totals()[NAME]
    return sum(t.cost for t in totals.usage), totals.overcount


def test_a_name_that_comes_later_counts_what_comes_after_it(ledger: Ledger) -> None:
    log(ledger, ID, "a", 5)
    assert ledger.commit_keys(NAME, [LISTED], NOW) == 1
    assert shown(ledger) == {("17", "17"): 5, (MASK, "prod"): 0}
    log(ledger, ID, "a", 5)
    log(ledger, ID, "b", 7)
    assert shown(ledger) == {("17", "17"): 5, (MASK, "prod"): 7}
    assert total(ledger) == (12, 0)


def test_a_name_that_comes_later_holds_for_the_bucket_of_an_hour_that_has_begun(
    ledger: Ledger,
) -> None:
    roll(ledger, (ID, 5))
    ledger.commit_keys(NAME, [LISTED], NOW)
    roll(ledger, (KeyRef(masked=MASK), 9))
    assert shown(ledger) == {("17", "17"): 5, (MASK, "prod"): 4}


def test_a_name_is_taken_over_once_and_a_rename_changes_nothing(ledger: Ledger) -> None:
    log(ledger, LISTED, "a")
    assert ledger.commit_keys(NAME, [KeyRef("17", MASK, "renamed")], NOW) == 0
    log(ledger, KeyRef("18"), "b")
    assert ledger.commit_keys(NAME, [KeyRef("18", "sk-byts-…1234", "new")], NOW) == 1
    assert ledger.commit_keys(NAME, [KeyRef("18", "sk-byts-…1234", "newer")], NOW) == 0
    assert (MASK, "prod") in shown(ledger)
    assert ("sk-byts-…1234", "new") in shown(ledger)


def test_a_masked_form_that_two_keys_share_names_neither(ledger: Ledger) -> None:
    log(ledger, KeyRef(masked=MASK), "a")
    assert ledger.commit_keys(NAME, [LISTED, KeyRef("18", MASK, "other")], NOW) == 0
    assert shown(ledger) == {(MASK, MASK): 1}
    assert ledger.commit_keys(NAME, [LISTED], NOW) == 1
    log(ledger, KeyRef(masked=MASK), "b", 2)
    assert shown(ledger) == {(MASK, MASK): 1, (MASK, "prod"): 2}


def test_keys_past_max_series_stay_folded_when_their_names_come(tmp_path: Path) -> None:
    store = Store(tmp_path / "state.db")
    ledger = Ledger(store, Rules(max_series=1))
    ledger.open_accounts([NAME], FIRST, FIRST)
    ledger.begin(NAME, FIRST, FIRST)
    log(ledger, ID, "a", 5)
    log(ledger, KeyRef("18"), "b", 6)
    ledger.commit_keys(NAME, [LISTED, KeyRef("18", "sk-byts-…1234", "b")], NOW)
    log(ledger, ID, "c", 7)
    log(ledger, KeyRef("18"), "d", 8)
    assert total(ledger) == (26, 0)
    assert {key for key, _ in shown(ledger)} <= {"17"}
    store.close()


OLD = "sk-byts-...****9f3c"


@pytest.mark.parametrize(
    ("keys", "series"),
    [
        ([("17", OLD, OLD, "prod")], {(MASK, "prod"): 1}),
        ([(None, OLD, OLD, OLD)], {(MASK, MASK): 1}),
        ([("17", MASK, MASK, "prod"), (None, OLD, OLD, OLD)], {(MASK, "prod"): 3}),
        ([(None, OLD, OLD, OLD), (None, MASK, MASK, MASK)], {(MASK, MASK): 3}),
        ([(None, OLD, OLD, OLD), ("17", MASK, MASK, "prod")], {(MASK, "prod"): 3}),
        (
            [("17", MASK, MASK, "prod"), ("18", OLD, OLD, "other")],
            {(MASK, "prod"): 1, (MASK, "other"): 2},
        ),
        ([("17", None, "17", "17"), (None, OLD, OLD, OLD)], {("17", "17"): 1, (MASK, MASK): 2}),
    ],
)
def test_masks_of_earlier_versions_become_one_form_without_a_cent_counted_twice(
    tmp_path: Path,
    keys: list[tuple[str | None, str | None, str, str]],
    series: dict[tuple[str, str], int],
) -> None:
    path = tmp_path / "state.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.executescript((Path(__file__).parent / "state_0_1_0.sql").read_text())
        for table in ("api_key", "series", "cell", "usage_mark"):
            db.execute(f"DELETE FROM {table}")
        for number, (gateway_id, masked, shown_id, name) in enumerate(keys, start=1):
            db.execute(
                "INSERT INTO api_key VALUES (?, 1, ?, ?, ?, ?)",
                (number, gateway_id, masked, shown_id, name),
            )
            db.execute(
                "INSERT INTO series (id, account, shown_id, shown_name, model, start_ns, fresh, "
                "cost, shown_cost) VALUES (?, 1, ?, ?, 'm', 0, 0, ?, ?)",
                (number, shown_id, name, number, number),
            )
            db.execute(
                "INSERT INTO cell (account, hour, api_key, model, series, rolled, cost) "
                "VALUES (1, 3600, ?, 'm', ?, 0, ?)",
                (number, number, number),
            )
    with closing(Store(path)) as store:
        totals = Ledger(store, Rules())
        totals.open_accounts(["prod"], NOW, NOW)
        counted = totals.totals()["prod"].usage
        assert {(t.key_id, t.key_name): t.cost for t in counted} == series
        with store.reading() as db:
            lost = db.execute(
                "SELECT COUNT(*) FROM cell WHERE series NOT IN (SELECT id FROM series)"
            )
            assert lost.fetchone() == (0,)


@pytest.mark.parametrize(
    ("text", "form"),
    [
        (OLD, MASK),
        (MASK, MASK),
        ("abc...wxyz", "…wxyz"),
        ("17", "17"),
        ("v1.2 ... x y", "v1.2 ... x y"),
    ],
)
def test_only_masks_are_spelled_anew(text: str, form: str) -> None:
    assert one_mask(text) == form
