"""What usage adds to which total, and why. Both shapes end in the same cells.

A log row moves its cell by what it says now less what it said before. A rollup bucket says what
its cell holds. Where an hour was counted in one shape and is then read in the other, the hour
is reconciled (see `exporter.ledger.amounts.reconcile`), so that no part of it counts twice.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

import msgspec

from exporter.gateway.readings import KeyRef, RollupReading, UsageBucket, UsageRow
from exporter.ledger.amounts import ZERO, Amounts, fitting, reconcile
from exporter.ledger.cells import Cell, Cells
from exporter.ledger.cursor import Cursor, Slice, hour_of

_Mark = tuple[str, int, int, int, int, int]
"""Of a row that was read: request id, cell, hour, and the cost and tokens that it said last."""

_ASKED_AT_ONCE = 500


class Counted(msgspec.Struct, frozen=True):
    """What became of the rows of one commit; `newest` is the Unix second of the newest one.

    `refused` names rows with which a total would no longer fit 64 bits: they cost themselves only.
    """

    counted: int = 0
    duplicate: int = 0
    newest: float | None = None
    refused: tuple[str, ...] = ()

    def since(self, newest: float | None) -> Counted:
        """The same, where `newest` is the newest row of earlier commits."""
        if newest is None or (self.newest is not None and self.newest >= newest):
            return self
        return msgspec.structs.replace(self, newest=newest)


def count_log(cells: Cells, cursor: Cursor, rows: Sequence[UsageRow]) -> Counted:
    """Count log rows, each request once; a row that changed counts the difference.

    In an hour that was counted from the rollup, rows are only marked: `settle_log` counts that
    hour once it was read to its end.
    """
    newest = max([row.created_at for row in rows], default=None)
    earliest = max(cursor.start, cursor.floor)
    countable, absurd = fitting(
        [row for row in rows if row.created_at >= earliest], cells.room(), _amounts_of_row
    )
    # The last word on a request that comes twice; sorted, as the marks are stored.
    latest = sorted({row.request_id: row for row in countable}.items())
    changed = _count_rows(cells, latest, _marks(cells, [request_id for request_id, _ in latest]))
    refused = tuple(row.request_id for row in absurd)
    return Counted(changed, len(countable) - changed, newest, refused)


def _amounts_of_row(row: UsageRow) -> Amounts:
    return Amounts(row.cost, row.input_tokens, row.output_tokens, 1)


def _amounts_of_bucket(bucket: UsageBucket) -> Amounts:
    return Amounts(bucket.cost, bucket.input_tokens, bucket.output_tokens, bucket.calls)


def _count_rows(cells: Cells, rows: Iterable[tuple[str, UsageRow]], marks: dict[str, _Mark]) -> int:
    """Move cells by what the rows say anew, and mark the rows. Returns how many were new."""
    moves: defaultdict[int, list[int]] = defaultdict(lambda: [0, 0, 0, 0])
    places: dict[tuple[int, KeyRef, str], int] = {}
    written: list[_Mark] = []
    for request_id, row in rows:
        mark = marks.get(request_id)
        if mark is None:
            hour = hour_of(row.created_at)
            place = (hour, row.key, row.model)
            cell = places.get(place)
            if cell is None:
                # Of the same shape as the others of its hour.
                rolled = cells.is_rolled(hour)
                cell = places[place] = cells.cell(hour, row.key, row.model, rolled).id
            cost, input_tokens, output_tokens, new = 0, 0, 0, 1
        else:  # a row that was corrected stays where it was counted first
            _, cell, hour, cost, input_tokens, output_tokens = mark
            if (row.cost, row.input_tokens, row.output_tokens) == mark[3:]:
                continue
            new = 0
        written.append((request_id, cell, hour, row.cost, row.input_tokens, row.output_tokens))
        move = moves[cell]
        move[0] += row.cost - cost
        move[1] += row.input_tokens - input_tokens
        move[2] += row.output_tokens - output_tokens
        move[3] += new
    _write_marks(cells, written)
    for id_, move in moves.items():
        known = cells.by_id(id_)
        if not known.rolled:
            cells.count(known, known.counted.plus(Amounts(*move)))
    return len(written)


def settle_log(cells: Cells, since: float, until: float) -> None:
    """The log was read from `since` to `until`: count its hours that stood as the rollup said."""
    hours = cells.rolled_hours(since, until)
    if not hours:
        return
    logged = _logged(cells, min(hours), max(hours))
    for hour in hours:
        here = cells.between(hour, hour + 1)
        counted = reconcile(
            {cell.id: cell.counted for cell in here},
            {cell.id: logged.get(cell.id, ZERO) for cell in here},
        )
        for cell in here:
            cells.adopt(cell, False, ZERO)
            cells.count(cell, counted[cell.id])


def count_rollup(
    cells: Cells,
    cursor: Cursor,
    reading: RollupReading,
    done: Slice,
    baselined: bool,
) -> Counted:
    """Count what buckets have grown, or lost, since they were read last.

    The hour in which counting began is a baseline when it is read first: what its buckets held
    by then is not ours. A bucket that is gone holds nothing, if the reading is whole and each of
    its buckets could be counted.
    """
    newest = max([bucket.hour for bucket in reading.buckets], default=None)
    earliest = cursor.first_bucket(reading.days)
    buckets, absurd = fitting(
        [bucket for bucket in reading.buckets if bucket.hour >= earliest],
        cells.room(),
        _amounts_of_bucket,
    )
    asked = range(max(int(done.since), earliest), max(int(done.until), earliest))
    existing = _existing(cells, [bucket.hour for bucket in buckets], asked)
    held = _held(cells, buckets)
    whole = bool(buckets) and not reading.rejected and not absurd
    changed = 0
    for hour in existing.keys() | held.keys():
        told = whole and hour in asked
        holds = _completed(existing[hour], held[hour], told, reading)
        partial = hour < cursor.start
        changed += _count_hour(cells, existing[hour], holds, partial, partial and not baselined)
    refused = tuple(f"the bucket of {bucket.model} at {bucket.hour}" for bucket in absurd)
    return Counted(changed, max(0, len(buckets) - changed), newest, refused)


def _existing(cells: Cells, hours: list[int], asked: range) -> defaultdict[int, list[Cell]]:
    """The cells of the asked hours, and of others that were answered, by hour."""
    existing: defaultdict[int, list[Cell]] = defaultdict(list)
    first = min([asked.start, *hours])
    for cell in cells.between(first, max([asked.stop, *(hour + 1 for hour in hours)])):
        existing[cell.hour].append(cell)
    return existing


def _held(cells: Cells, buckets: Sequence[UsageBucket]) -> defaultdict[int, dict[int, Amounts]]:
    """What the buckets of each cell hold together, by hour and cell."""
    held: defaultdict[int, dict[int, Amounts]] = defaultdict(dict)
    for bucket in buckets:
        cell = cells.cell(bucket.hour, bucket.key, bucket.model, True).id
        holds = _amounts_of_bucket(bucket)
        here = held[bucket.hour]
        here[cell] = here[cell].plus(holds) if cell in here else holds
    return held


def _completed(
    existing: list[Cell], held: dict[int, Amounts], whole: bool, reading: RollupReading
) -> dict[int, Amounts]:
    """What every cell of an hour holds; without a bucket nothing, if the hour was read whole."""
    gone = [cell for cell in existing if cell.id not in held]
    return held | {
        cell.id: ZERO if whole and reading.covers(cell.model) else cell.counted.plus(cell.base)
        for cell in gone
    }


def _count_hour(
    cells: Cells, existing: list[Cell], holds: dict[int, Amounts], partial: bool, baseline: bool
) -> int:
    """Count one hour of the rollup, only a part of it ours if `partial`. Returns the changes."""
    counted = {cell.id: cell.counted for cell in existing}
    logged = any(not cell.rolled for cell in existing)
    if logged and not partial:
        counted = reconcile(counted, holds)
    elif not logged and not baseline:
        counted = _grown(cells, counted, holds, partial)
    changed = 0
    for id_, amounts in holds.items():
        cell = cells.by_id(id_)
        changed += cells.count(cell, counted.get(id_, ZERO))
        cells.adopt(cell, True, amounts.minus(cell.counted))
    return changed


def _grown(
    cells: Cells, counted: dict[int, Amounts], holds: dict[int, Amounts], partial: bool
) -> dict[int, Amounts]:
    """What the cells of an hour count that is counted from the rollup already."""
    said = {id_: amounts.minus(cells.by_id(id_).base) for id_, amounts in holds.items()}
    if partial:  # a bucket below its baseline lost something that was not ours
        said = {id_: amounts.highest(ZERO) for id_, amounts in said.items()}
    # A bucket that is gone may have come back under another name of its key.
    if any(holds[id_] == ZERO and said[id_] != before for id_, before in counted.items()):
        return reconcile(counted, said)
    return said


def _marks(cells: Cells, request_ids: list[str]) -> dict[str, _Mark]:
    found: dict[str, _Mark] = {}
    for begin in range(0, len(request_ids), _ASKED_AT_ONCE):
        asked = request_ids[begin : begin + _ASKED_AT_ONCE]
        rows = cells.db.execute(
            "SELECT request_id, cell, hour, cost, input_tokens, output_tokens FROM usage_mark "
            f"WHERE account = ? AND request_id IN ({','.join('?' * len(asked))})",
            (cells.account, *asked),
        )
        found.update((row[0], row) for row in rows)
    return found


def _write_marks(cells: Cells, marks: list[_Mark]) -> None:
    account = cells.account
    cells.db.executemany(
        "INSERT INTO usage_mark VALUES (?, ?, ?, ?, ?, ?, ?) "
        "ON CONFLICT (account, request_id) DO UPDATE SET cost = excluded.cost, "
        "input_tokens = excluded.input_tokens, output_tokens = excluded.output_tokens",
        [(account, *mark) for mark in marks],
    )


def _logged(cells: Cells, first: int, last: int) -> dict[int, Amounts]:
    """What the marked rows of those hours add up to, by cell id."""
    rows = cells.db.execute(
        "SELECT cell, SUM(cost), SUM(input_tokens), SUM(output_tokens), COUNT(*) FROM usage_mark "
        "WHERE account = ? AND hour >= ? AND hour <= ? GROUP BY cell",
        (cells.account, first, last),
    )
    return {row[0]: Amounts(*row[1:]) for row in rows}
