"""Which series usage belongs to: keys by id, masked form or name; renames; folding."""

from __future__ import annotations

import pytest

from exporter.gateway.readings import (
    KeyRef,
    Rejected,
    RollupReading,
    UsageBucket,
    UsageRow,
    UsageShape,
)
from exporter.ledger import names
from exporter.ledger.cursor import Slice
from exporter.ledger.ledger import Ledger, Rules
from tests.ledger.conftest import FIRST, MakeExporter
from tests.ledger.exporter import NAME, Exporter
from tests.ledger.world import HOUR, MASKED, Naming

NOW = FIRST + 600
TAIL = Slice(FIRST, NOW + HOUR, True, False)
BOTH = KeyRef("17", "sk…a", "vision")
ID = KeyRef("17")
MASK = KeyRef(masked="sk…a")


def bucket(key: KeyRef, cost: int, model: str = "m") -> UsageBucket:
    return UsageBucket(int(FIRST), model, key, cost, 0, 0, cost)


def roll(ledger: Ledger, *buckets: UsageBucket, rejected: bool = False, now: float = NOW) -> None:
    bad = (Rejected("x", "y"),) if rejected else ()
    ledger.commit_rollup(NAME, RollupReading(buckets, bad), TAIL, None, now)


def log(ledger: Ledger, *keys: KeyRef, model: str = "m", batch: str = "", cost: int = 1) -> None:
    rows = [
        UsageRow(f"{batch}-{number}", FIRST + 1, model, key, cost, 1, 1)
        for number, key in enumerate(keys)
    ]
    ledger.commit_log(NAME, rows, TAIL, None, NOW)


def shown(ledger: Ledger) -> dict[tuple[str, str, str], int]:
    return {(t.key_id, t.key_name, t.model): t.cost for t in ledger.totals()[NAME].usage}


def total(ledger: Ledger) -> tuple[int, int | None]:
    totals = ledger.totals()[NAME]
    return sum(t.cost for t in totals.usage), totals.overcount


@pytest.mark.parametrize(
    ("keys", "series"),
    [
        ([BOTH, ID, MASK], {("sk…a", "vision", "m"): 3}),
        ([MASK, BOTH, ID], {("sk…a", "sk…a", "m"): 3}),
        ([ID, BOTH, MASK], {("17", "17", "m"): 3}),
        ([MASK, ID], {("sk…a", "sk…a", "m"): 1, ("17", "17", "m"): 1}),
        ([KeyRef()] * 3, {("unknown", "unknown", "m"): 3}),
        (
            [KeyRef(name="n"), KeyRef(name="n"), KeyRef()],
            {("n", "n", "m"): 2, ("unknown",) * 2 + ("m",): 1},
        ),
        ([BOTH, KeyRef("17", "sk…z", "renamed")], {("sk…a", "vision", "m"): 2}),
        (
            [BOTH, KeyRef("18", "sk…a", "other key")],
            {("sk…a", "vision", "m"): 1, ("sk…a", "other key", "m"): 1},
        ),
        ([BOTH, KeyRef("18", "sk…a", "vision")], {("sk…a", "vision", "m"): 2}),
    ],
)
def test_keys_are_told_apart_by_the_best_that_is_known(
    ledger: Ledger, keys: list[KeyRef], series: dict[tuple[str, str, str], int]
) -> None:
    for number, key in enumerate(keys):  # one commit each, as polls would
        log(ledger, key, batch=str(number))
    assert shown(ledger) == series


@pytest.mark.parametrize("key", [BOTH, ID, MASK, KeyRef(name="n"), KeyRef()])
def test_a_bucket_that_is_read_again_counts_once_however_it_names_its_key(
    ledger: Ledger, key: KeyRef
) -> None:
    for _ in range(3):
        roll(ledger, bucket(key, 5))
    roll(ledger, bucket(key, 8))
    assert total(ledger) == (8, 0)


def test_a_masked_key_from_the_rollup_is_the_key_that_the_log_gives_an_id(
    exporter: Exporter,
) -> None:
    exporter.shape, exporter.world.naming = UsageShape.ROLLUP, Naming.MASKED
    exporter.world.bill(5)
    exporter.poll()
    exporter.shape, exporter.world.naming = UsageShape.LOG, Naming.OBJECT
    exporter.world.now += 60
    exporter.world.bill(8)
    exporter.poll()
    assert shown(exporter.ledger) == {(MASKED[1], MASKED[1], "m"): 13}


@pytest.mark.parametrize(("before", "after"), [(ID, MASK), (MASK, ID), (KeyRef(), MASK)])
def test_a_bucket_whose_key_is_named_anew_counts_only_its_growth(
    ledger: Ledger, before: KeyRef, after: KeyRef
) -> None:
    roll(ledger, bucket(before, 5), bucket(BOTH, 3, "n"))
    for cost in (5, 7, 7, 9):
        roll(ledger, bucket(after, cost), bucket(BOTH, 3, "n"))
        assert total(ledger) == (cost + 3, 0)
    roll(ledger, bucket(before, 10), bucket(BOTH, 3, "n"))
    assert total(ledger) == (13, 0)


def test_a_bucket_that_stays_away_for_an_hour_is_taken_back(ledger: Ledger) -> None:
    roll(ledger, bucket(BOTH, 5), bucket(BOTH, 3, "n"))
    for minute in range(60):
        roll(ledger, bucket(BOTH, 3, "n"), now=NOW + 60 * minute)
        assert total(ledger) == (8, 0)
    roll(ledger, bucket(BOTH, 3, "n"), now=NOW + HOUR)
    assert total(ledger) == (8, 5)
    roll(ledger, bucket(BOTH, 5), bucket(BOTH, 3, "n"), now=NOW + HOUR)
    assert total(ledger) == (8, 0)


def test_an_answer_without_buckets_does_not_make_them_count_again(ledger: Ledger) -> None:
    roll(ledger, bucket(BOTH, 5), bucket(BOTH, 3, "n"))
    for _ in range(3):
        roll(ledger)
    assert total(ledger) == (8, 0)
    roll(ledger, bucket(BOTH, 6), bucket(BOTH, 3, "n"))
    assert total(ledger) == (9, 0)


def test_a_masked_form_stands_for_all_keys_that_have_it(ledger: Ledger) -> None:
    other = KeyRef("18", "sk…a", "other key")
    roll(ledger, bucket(BOTH, 6), bucket(other, 4))
    for cost in (10, 12, 12):
        roll(ledger, bucket(MASK, cost))
        assert total(ledger) == (cost, 0)
    roll(ledger, bucket(BOTH, 8), bucket(other, 4))
    assert total(ledger) == (12, 0)


def test_a_bucket_that_could_not_be_read_is_not_gone(ledger: Ledger) -> None:
    roll(ledger, bucket(BOTH, 5), bucket(BOTH, 3, "n"))
    roll(ledger, bucket(BOTH, 4, "n"), rejected=True)
    assert total(ledger) == (9, 0)
    roll(ledger, bucket(BOTH, 6), bucket(BOTH, 4, "n"))
    assert total(ledger) == (10, 0)


def test_a_bucket_that_could_not_be_read_at_a_switch_is_not_counted_twice(
    ledger: Ledger,
) -> None:
    log(ledger, BOTH, BOTH, cost=5)
    roll(ledger, bucket(BOTH, 2, "n"), rejected=True)
    assert total(ledger) == (12, 0)
    roll(ledger, bucket(BOTH, 13), bucket(BOTH, 2, "n"))
    assert total(ledger) == (15, 0)


def test_an_hour_that_was_not_asked_for_is_not_gone(ledger: Ledger) -> None:
    roll(ledger, bucket(BOTH, 5))
    later = Slice(FIRST + HOUR, FIRST + 2 * HOUR, True, False)
    ledger.commit_rollup(NAME, RollupReading((), ()), later, None, FIRST + HOUR)
    assert total(ledger) == (5, 0)
    unasked = RollupReading((bucket(BOTH, 2, "n"),), ())
    ledger.commit_rollup(NAME, unasked, later, None, FIRST + HOUR)
    assert total(ledger) == (7, 0)


def test_buckets_of_keys_with_one_masked_form_are_added(ledger: Ledger) -> None:
    roll(ledger, bucket(MASK, 5), bucket(MASK, 5))
    roll(ledger, bucket(MASK, 5), bucket(MASK, 7))
    assert shown(ledger) == {("sk…a", "sk…a", "m"): 12}


def key(number: int) -> KeyRef:
    return KeyRef(str(number), f"sk…{number}", f"k{number}")


def test_past_the_bound_series_fold_and_the_totals_stay_right(make_exporter: MakeExporter) -> None:
    exporter = make_exporter(max_series=3)
    log(exporter.ledger, *[key(number) for number in range(6)])
    for _ in range(2):
        ledger = exporter.ledger
        assert len(shown(ledger)) == 4
        assert shown(ledger)["other", "other", "other"] == 3
        assert total(ledger) == (6, 0)
        assert ledger.totals()[NAME].folded == 3
        log(ledger, *[key(number) for number in range(6)])
        exporter.restart()


def test_a_folded_bucket_grows_where_it_was_folded(make_exporter: MakeExporter) -> None:
    ledger = make_exporter(max_series=1).ledger
    for cost in (5, 6, 6, 9):
        roll(ledger, *[bucket(key(number), cost) for number in range(3)])
        assert shown(ledger)["other", "other", "other"] == 2 * cost


def test_a_higher_bound_unfolds_what_comes_next(make_exporter: MakeExporter) -> None:
    exporter = make_exporter(max_series=2)
    log(exporter.ledger, *[key(number) for number in range(4)])
    exporter.rules = Rules(max_series=10)
    exporter.restart()
    ledger = exporter.ledger
    log(ledger, *[key(number) for number in range(4)])  # nothing moves by itself
    assert len(shown(ledger)) == 3
    assert ledger.totals()[NAME].folded == 2
    later = [UsageRow(f"late{n}", FIRST + HOUR + n, "m", key(n), 1, 1, 1) for n in range(4)]
    ledger.commit_log(NAME, later, None, None, FIRST + 2 * HOUR)
    assert shown(ledger)["sk…3", "k3", "m"] == 1
    assert total(ledger) == (8, 0)
    assert ledger.totals()[NAME].folded == 0


def test_a_lower_bound_takes_no_series_away(make_exporter: MakeExporter) -> None:
    exporter = make_exporter(max_series=10)
    log(exporter.ledger, *[key(number) for number in range(4)])
    exporter.rules = Rules(max_series=2)
    exporter.restart()
    ledger = exporter.ledger
    log(ledger, *[key(number) for number in range(6)], batch="more")
    assert [shown(ledger)[f"sk…{n}", f"k{n}", "m"] for n in range(4)] == [2] * 4
    assert shown(ledger)["other", "other", "other"] == 2
    assert ledger.totals()[NAME].folded == 2


def test_keys_without_end_do_not_fill_the_disk(
    make_exporter: MakeExporter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(names, "MAX_FOLDED", 5)
    exporter = make_exporter(max_series=2)
    for start in range(0, 40, 4):
        log(exporter.ledger, *[key(number) for number in range(start, start + 4)], batch=str(start))
    db = exporter.store.db
    assert db.execute("SELECT COUNT(*) FROM api_key").fetchone() == (8,)
    assert db.execute("SELECT COUNT(*) FROM folded").fetchone() == (5,)
    assert total(exporter.ledger) == (40, 0)
    for cost in (5, 6):
        roll(exporter.ledger, *[bucket(key(number), cost, "x") for number in range(40)])
        assert total(exporter.ledger) == (40 * cost, 0)
