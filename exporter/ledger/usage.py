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
from exporter.ledger.hours import Bucket, read_hour

_Mark = tuple[str, int, int, int, int, int]
"""Of a row that was read: request id, cell, hour, and the cost and tokens that it said last."""

FIRST_READING = 60.0
"""Seconds after the start within which the first reading of a rollup shows what came before it."""

_ASKED_AT_ONCE = 500
_NO_HOUR = -1
"""In marks: the row is of no hour, and no part of what the log says of one."""


class Counted(msgspec.Struct, frozen=True):
    """What became of the rows of one commit; `newest` is the Unix second of the newest one.

    `refused` names rows with which a total would no longer fit 64 bits: they cost themselves only.
    `doubted` (nano-USD): so much growth at once waits for a second reading; nothing was counted.
    `unknown` (nano-USD): of so much nobody can tell whether it came before counting began.
    """

    counted: int = 0
    duplicate: int = 0
    newest: float | None = None
    refused: tuple[str, ...] = ()
    doubted: int | None = None
    unknown: int = 0

    def since(self, newest: float | None) -> Counted:
        """The same, where `newest` is the newest row of earlier commits."""
        if newest is None or (self.newest is not None and self.newest >= newest):
            return self
        return msgspec.structs.replace(self, newest=newest)


def count_log(cells: Cells, cursor: Cursor, rows: Sequence[UsageRow], baselined: bool) -> Counted:
    """Count log rows, each request once; a row that changed counts the difference.

    In an hour that was counted from the rollup, rows are only marked: `settle_log` counts that
    hour once it was read to its end. Unless `baselined`, the rows of the first hour that came
    before counting began are remembered, should the hour be told by a rollup one day.
    """
    newest = max([row.created_at for row in rows], default=None)
    if not baselined:
        first = hour_of(cursor.start)
        _remember(cells, [row for row in rows if first <= row.created_at < cursor.start])
    earliest = max(cursor.start, cursor.floor)
    countable, absurd = fitting(
        [row for row in rows if row.created_at >= earliest], cells.room(), _amounts_of_row
    )
    # The last word on a request that comes twice; sorted, as the marks are stored.
    latest = sorted({row.request_id: row for row in countable}.items())
    changed = _count_rows(cells, latest, _marks(cells, [request_id for request_id, _ in latest]))
    refused = tuple(row.request_id for row in absurd)
    return Counted(changed, len(countable) - changed, newest, refused)


def _remember(cells: Cells, rows: Sequence[UsageRow]) -> None:
    """Take rows from before counting began into the bases of their cells, each once."""
    latest = {row.request_id: row for row in rows}
    marks = _marks(cells, list(latest))
    new = [row for request_id, row in latest.items() if request_id not in marks]
    for row in new:
        cell = cells.cell(hour_of(row.created_at), row.key, row.model, False)
        cells.adopt(cell, cell.rolled, cell.base.plus(_amounts_of_row(row)))
        _write_marks(cells, [(row.request_id, cell.id, _NO_HOUR, 0, 0, 0)])


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
            cells.adopt(cell, False, cell.base)
            cells.count(cell, counted[cell.id])


def count_rollup(
    cells: Cells,
    cursor: Cursor,
    reading: RollupReading,
    done: Slice,
    now: float,
    baselined: bool,
    spent: int,
) -> Counted:
    """Count what buckets hold more, or less, than when they were read last.

    The hour in which counting began is a baseline when it is read first: what its buckets held
    by then is not ours, but for what lifetime spend has grown by since then (`spent`, nano-USD)
    and later hours do not hold.
    """
    newest = max([bucket.hour for bucket in reading.buckets], default=None)
    earliest = cursor.first_bucket(reading.days)
    buckets, absurd = fitting(
        [bucket for bucket in reading.buckets if bucket.hour >= earliest],
        cells.room(),
        _amounts_of_bucket,
    )
    asked = range(max(int(done.since), earliest), max(int(done.until), earliest))
    said = _said(cells, buckets)
    whole = not reading.rejected and not absurd
    changed = unknown = 0
    for hour, here in _by_hour(cells, said, asked).items():
        partial = hour < cursor.start
        holds = said[hour]
        told = whole and hour in asked
        judged = [cell.id for cell in here if told and reading.covers(cell.model)]
        if any(not cell.rolled for cell in here):
            changed += _take_over(cells, here, holds, judged, partial and not baselined)
        elif partial and not baselined:
            later = sum(_cost(said[other]) for other in said if other > hour)
            ours = max(0, spent - later)
            changed += _begin_hour(cells, holds, ours)
            if now - cursor.start > FIRST_READING:
                unknown = max(0, _cost(holds) - ours)
        else:
            changed += _count_hour(cells, here, holds, now, judged, partial)
    refused = tuple(f"the bucket of {bucket.model} at {bucket.hour}" for bucket in absurd)
    return Counted(changed, max(0, len(buckets) - changed), newest, refused, unknown=unknown)


def _said(cells: Cells, buckets: Sequence[UsageBucket]) -> defaultdict[int, dict[int, Amounts]]:
    """What the buckets of each cell hold together, by hour and cell."""
    said: defaultdict[int, dict[int, Amounts]] = defaultdict(dict)
    shared: dict[int, tuple[Cell, str]] = {}
    for bucket in buckets:
        cell = cells.cell(bucket.hour, bucket.key, bucket.model, True)
        here = said[bucket.hour]
        here[cell.id] = here.get(cell.id, ZERO).plus(_amounts_of_bucket(bucket))
        if bucket.key.gateway_id is None and bucket.key.masked is not None:
            shared[cell.id] = cell, bucket.key.masked
    for cell, masked in shared.values():
        _spread(cells, cell, masked, said[cell.hour])
    return said


def _spread(cells: Cells, cell: Cell, masked: str, said: dict[int, Amounts]) -> None:
    """A masked form stands for all keys that have it: each holds what it held, and one the rest."""
    rest = said[cell.id]
    for api_key in cells.sharing(masked):
        other = cells.known(cell.hour, api_key, cell.model)
        if other is not None and other.id not in said:
            said[other.id] = other.held.highest(ZERO).lowest(rest)
            rest = rest.minus(said[other.id])
    said[cell.id] = rest


def _by_hour(
    cells: Cells, said: defaultdict[int, dict[int, Amounts]], asked: range
) -> dict[int, list[Cell]]:
    """The cells of the asked hours, and of others that were answered, by hour."""
    hours: dict[int, list[Cell]] = {}
    first = min([asked.start, *said])
    for cell in cells.between(first, max([asked.stop, *(hour + 1 for hour in said)])):
        if cell.hour in said or cell.hour in asked:
            hours.setdefault(cell.hour, []).append(cell)
    return hours


def _cost(holds: dict[int, Amounts]) -> int:
    return sum(amounts.cost for amounts in holds.values())


def _begin_hour(cells: Cells, holds: dict[int, Amounts], ours: int) -> int:
    """Take what the hour holds for its base, but for so many nano-USD. Returns the changes.

    Of which bucket they are nobody can tell: it is taken from the largest ones.
    """
    changed = 0
    for id_, amounts in sorted(holds.items(), key=lambda held: -held[1].cost):
        share = Amounts(cost=min(ours, amounts.cost))
        ours -= share.cost
        changed += cells.count(cells.by_id(id_), share)
        cells.adopt(cells.by_id(id_), True, amounts.minus(share))
    return changed


def _take_over(
    cells: Cells,
    here: list[Cell],
    holds: dict[int, Amounts],
    judged: list[int],
    unknown: bool,
) -> int:
    """Count an hour from the rollup that was counted from the log. Returns the changes.

    An hour of which nothing is said stays as the log told it. `unknown`: it is not known what
    the hour held before counting began.
    """
    if not holds:
        return 0
    held = {cell.id: cell.held for cell in here}
    kept = {id_: amounts for id_, amounts in held.items() if id_ not in judged}
    holds = kept | holds
    if not unknown:
        held = reconcile(held, holds)
    changed = 0
    for cell in here:
        changed += cells.count(cell, held[cell.id].minus(cell.base))
        cells.adopt(cell, True, holds.get(cell.id, ZERO).minus(cell.counted))
    return changed


def _count_hour(
    cells: Cells,
    here: list[Cell],
    holds: dict[int, Amounts],
    now: float,
    judged: list[int],
    partial: bool,
) -> int:
    """Count an hour that is counted from the rollup already. Returns the changes."""
    buckets = [Bucket(c.id, c.api_key, c.model, c.held, c.base, c.missing_since) for c in here]
    read_hour(buckets, holds, now, judged, partial)
    changed = 0
    for cell, bucket in zip(here, buckets, strict=True):
        changed += cells.count(cell, bucket.counted)
        cells.adopt(cell, True, bucket.base, bucket.missing_since)
    return changed


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
