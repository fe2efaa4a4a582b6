"""What usage adds to which total, and why. Both shapes end in the same cells.

A log row moves its cell by what it says now less what it said before. A rollup bucket says what
its cell holds. Where an hour was counted in one shape and is then read in the other, the hour
is reconciled (see `exporter.ledger.amounts.reconcile`), so that no part of it counts twice.
"""

from __future__ import annotations

import json
import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Sequence

import msgspec

from exporter.gateway.readings import UsageBucket, UsageRow
from exporter.ledger.amounts import ZERO, Amounts, reconcile
from exporter.ledger.cells import Cell, Cells
from exporter.ledger.cursor import Cursor, hour_of


class Counted(msgspec.Struct, frozen=True):
    """What became of the rows of one commit; `newest` is the Unix second of the newest one."""

    counted: int = 0
    duplicate: int = 0
    newest: float | None = None


class _Mark(msgspec.Struct, frozen=True, gc=False):
    """What a row said when it was read last, and the cell in which it counts."""

    cell: int
    hour: int
    says: tuple[int, int, int]


def count_log(cells: Cells, cursor: Cursor, rows: Sequence[UsageRow]) -> Counted:
    """Count log rows, each request once; a row that changed counts the difference.

    In an hour that was counted from the rollup, rows are only marked: `settle_log` counts that
    hour once it was read to its end.
    """
    newest = max((row.created_at for row in rows), default=None)
    earliest = max(cursor.start, cursor.floor)
    countable = [row for row in rows if row.created_at >= earliest]
    if not countable:
        return Counted(newest=newest)
    last = {row.request_id: row for row in countable}
    marks = _marks(cells, list(last))
    hours = [hour_of(row.created_at) for row in countable] + [mark.hour for mark in marks.values()]
    cells.load(min(hours), max(hours) + 1)
    changed = _count_rows(cells, last.values(), marks)
    return Counted(changed, len(countable) - changed, newest)


def _count_rows(cells: Cells, rows: Iterable[UsageRow], marks: dict[str, _Mark]) -> int:
    """Move cells by what the rows say anew, and mark the rows. Returns how many were new."""
    rolled = {cell.hour for cell in cells.loaded() if cell.rolled}
    moves: defaultdict[int, list[int]] = defaultdict(lambda: [0, 0, 0, 0])
    written = []
    for row in rows:
        says = (row.cost, row.input_tokens, row.output_tokens)
        mark = marks.get(row.request_id)
        if mark is None:
            hour, before = hour_of(row.created_at), (0, 0, 0)
            cell = cells.cell(hour, row.key, row.model, hour in rolled).id
        elif mark.says != says:  # corrected: it stays where it was counted first
            hour, before, cell = mark.hour, mark.says, mark.cell
        else:
            continue
        written.append((cells.account, row.request_id, cell, hour, *says))
        if hour not in rolled:
            move = moves[cell]
            for i in range(3):
                move[i] += says[i] - before[i]
            move[3] += mark is None
    _write_marks(cells.db, written)
    for cell, move in moves.items():
        known = cells.by_id(cell)
        cells.count(known, known.counted.plus(Amounts(*move)))
    return len(written)


def settle_log(cells: Cells, since: float, until: float) -> None:
    """The log was read from `since` to `until`: count its hours that stood as the rollup said."""
    cells.load(hour_of(since), hour_of(until) + 1)
    hours = {cell.hour for cell in cells.loaded() if cell.rolled and since <= cell.hour < until}
    if not hours:
        return
    logged = _logged(cells, min(hours), max(hours) + 1)
    for hour in hours:
        here = [cell for cell in cells.loaded() if cell.hour == hour]
        counted = reconcile(
            {cell.id: cell.counted for cell in here},
            {cell.id: logged.get(cell.id, ZERO) for cell in here},
        )
        for cell in here:
            cells.adopt(cell, False, ZERO)
            cells.count(cell, counted[cell.id])


def count_rollup(
    cells: Cells, cursor: Cursor, buckets: Sequence[UsageBucket], baselined: bool
) -> Counted:
    """Count what buckets have grown, or lost, since they were read last.

    The hour in which counting began is a baseline when it is read first: what its buckets held
    by then is not ours.
    """
    newest = max((bucket.hour for bucket in buckets), default=None)
    earliest = max(hour_of(cursor.start), cursor.floor)
    countable = [bucket for bucket in buckets if bucket.hour >= earliest]
    if not countable:
        return Counted(newest=newest)
    hours = [bucket.hour for bucket in countable]
    cells.load(min(hours), max(hours) + 1)
    existing: defaultdict[int, list[Cell]] = defaultdict(list)
    for cell in cells.loaded():
        existing[cell.hour].append(cell)
    read: defaultdict[int, dict[int, Amounts]] = defaultdict(dict)
    for bucket in countable:
        cell = cells.cell(bucket.hour, bucket.key, bucket.model, True)
        holds = Amounts(bucket.cost, bucket.input_tokens, bucket.output_tokens, bucket.calls)
        hour = read[bucket.hour]
        hour[cell.id] = hour.get(cell.id, ZERO).plus(holds)
    changed = 0
    for start, held in read.items():
        partial = start < cursor.start
        changed += _count_hour(cells, existing[start], held, partial and not baselined, partial)
    return Counted(changed, len(countable) - changed, newest)


def _count_hour(
    cells: Cells, existing: list[Cell], held: dict[int, Amounts], baseline: bool, partial: bool
) -> int:
    """Count one hour of the rollup; `held`: what each cell's buckets hold. Returns the changes."""
    logged = any(not cell.rolled for cell in existing)
    if not baseline and not logged:
        return sum(
            cells.count(cell, holds.minus(cell.base))
            for cell, holds in ((cells.by_id(id_), holds) for id_, holds in held.items())
        )
    counted = {cell.id: cell.counted for cell in existing}
    if not partial:
        counted = reconcile(counted, held)
    changed = 0
    for id_ in {**counted, **held}:
        cell = cells.by_id(id_)
        changed += cells.count(cell, counted.get(id_, ZERO))
        cells.adopt(cell, True, held.get(id_, ZERO).minus(cell.counted))
    return changed


def _marks(cells: Cells, request_ids: list[str]) -> dict[str, _Mark]:
    """The marks of those requests that were read before."""
    rows = cells.db.execute(
        "SELECT request_id, cell, hour, cost, input_tokens, output_tokens FROM usage_mark "
        "WHERE account = ? AND request_id IN (SELECT value FROM json_each(?))",
        (cells.account, json.dumps(request_ids)),
    )
    return {row[0]: _Mark(row[1], row[2], row[3:]) for row in rows}


def _write_marks(db: sqlite3.Connection, marks: Sequence[tuple[int | str, ...]]) -> None:
    db.executemany(
        "INSERT INTO usage_mark VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET "
        "cost = excluded.cost, input_tokens = excluded.input_tokens, output_tokens = excluded.output_tokens",
        marks,
    )


def _logged(cells: Cells, since: int, until: int) -> dict[int, Amounts]:
    """What the marked rows of those hours add up to, by cell id."""
    rows = cells.db.execute(
        "SELECT cell, SUM(cost), SUM(input_tokens), SUM(output_tokens), COUNT(*) FROM usage_mark "
        "WHERE account = ? AND hour >= ? AND hour < ? GROUP BY cell",
        (cells.account, since, until),
    )
    return {row[0]: Amounts(*row[1:]) for row in rows}
