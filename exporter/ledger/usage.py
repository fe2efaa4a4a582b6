"""What rows of the log add to which total. Both shapes of usage end in the same cells.

A log row moves its cell by what it says now less what it said before. A rollup bucket says what
its cell holds (see `exporter.ledger.buckets`). Where an hour was counted in one shape and is then
read in the other, it is reconciled (see `exporter.ledger.amounts.reconcile`), so that no part of
it counts twice.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

import msgspec

from exporter.gateway.readings import KeyRef, UsageRow
from exporter.ledger.amounts import ZERO, Amounts, fitting, reconcile, total
from exporter.ledger.cells import Cell, Cells, day_cell_of, is_day
from exporter.ledger.cursor import DAY, Cursor, Slice, aligned, hour_of

_Mark = tuple[str, int, int, int, int, int, int, int]
"""Of a row that was read: request id, cell, hour, and the cost and tokens that it said last."""

_SAID = "cost, input_tokens, output_tokens, cache_read_tokens, cache_creation_tokens"

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
        _write_marks(cells, [(row.request_id, cell.id, _NO_HOUR, 0, 0, 0, 0, 0)])


def _amounts_of_row(row: UsageRow) -> Amounts:
    cached = row.cache_read_tokens or 0, row.cache_creation_tokens or 0
    return Amounts(row.cost, row.input_tokens, row.output_tokens, 1, *cached)


def _count_rows(cells: Cells, rows: Iterable[tuple[str, UsageRow]], marks: dict[str, _Mark]) -> int:
    """Move cells by what the rows say anew, and mark the rows. Returns how many were new."""
    moves: dict[int, Amounts] = {}
    telling: set[int] = set()
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
            before = ZERO
        else:  # a row that was corrected stays where it was counted first
            _, cell, hour, *said = mark
            before = Amounts(said[0], said[1], said[2], 1, said[3], said[4])
        now = _amounts_of_row(row)
        if row.tells_caches:
            telling.add(cell)
        if now == before:
            continue
        written.append((request_id, cell, hour, *now[:3], *now[4:]))
        moves[cell] = moves.get(cell, ZERO).plus(now.minus(before))
    _write_marks(cells, written)
    for id_, move in moves.items():
        known = cells.by_id(id_)
        if not known.rolled:
            cells.count(known, known.counted.plus(move))
    for id_ in telling:
        cells.tells_caches(cells.by_id(id_))
    return len(written)


def settle_log(cells: Cells, cursor: Cursor, done: Slice) -> None:
    """The log was read from end to end of a slice: count what stood as the rollup said.

    That is every hour that begins in it, and a day that ends in it, if all of that was read now.
    """
    rolled = cells.rolled_hours(aligned(done.since, DAY), done.until)
    days = [hour for hour in rolled if is_day(hour)]
    for hour in rolled:
        if hour >= done.since and day_cell_of(hour) not in days:
            _settle(cells, cells.between(hour, hour + 1), _logged(cells, hour, hour + 1))
    for day_cell in days:
        day = int(aligned(day_cell, DAY))
        begin, end = max(day, int(cursor.floor)), day + int(DAY)
        whole = done.since <= begin or (done.sweep and cursor.sweep_began)
        if whole and (done.tail or end <= done.until):
            here = cells.between(day, end)
            logged = _logged(cells, begin, end) | _paid(here, begin)
            _settle(cells, [c for c in here if c.hour >= begin or is_day(c.hour)], logged)


def _paid(here: list[Cell], begin: int) -> dict[int, Amounts]:
    """What cells of a day count of its hours before `begin`, which are final; by cell id."""
    owed: defaultdict[tuple[int, str], Amounts] = defaultdict(Amounts)
    for cell in here:
        if cell.hour < begin and not is_day(cell.hour):
            owed[cell.api_key, cell.model] = owed[cell.api_key, cell.model].plus(cell.base)
    return {
        cell.id: ZERO.minus(cell.base).lowest(owed[cell.api_key, cell.model]).highest(ZERO)
        for cell in here
        if is_day(cell.hour)
    }


def _settle(cells: Cells, here: list[Cell], logged: dict[int, Amounts]) -> None:
    """Count cells of an hour, or of a day and its hours, by what is marked of them.

    Those of one key and model are one here: what a day has counted of them is of its hours now.
    """
    series: defaultdict[tuple[int, str], list[Cell]] = defaultdict(list)
    for cell in here:
        series[cell.api_key, cell.model].append(cell)
    counted = {one: total(cell.counted for cell in here) for one, here in series.items()}
    said = {one: total(logged.get(c.id, ZERO) for c in here) for one, here in series.items()}
    for one, amounts in reconcile(counted, said).items():
        rest = amounts.minus(said[one])
        for cell in series[one]:
            cells.adopt(cell, False, cell.base)
            cells.count(cell, logged.get(cell.id, ZERO).plus(rest))
            rest = ZERO


def _marks(cells: Cells, request_ids: list[str]) -> dict[str, _Mark]:
    found: dict[str, _Mark] = {}
    for begin in range(0, len(request_ids), _ASKED_AT_ONCE):
        asked = request_ids[begin : begin + _ASKED_AT_ONCE]
        rows = cells.db.execute(
            f"SELECT request_id, cell, hour, {_SAID} FROM usage_mark "
            f"WHERE account = ? AND request_id IN ({','.join('?' * len(asked))})",
            (cells.account, *asked),
        )
        found.update((row[0], row) for row in rows)
    return found


def _write_marks(cells: Cells, marks: list[_Mark]) -> None:
    account = cells.account
    cells.db.executemany(
        f"INSERT INTO usage_mark (account, request_id, cell, hour, {_SAID}) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) "
        "ON CONFLICT (account, request_id) DO UPDATE SET cost = excluded.cost, "
        "input_tokens = excluded.input_tokens, output_tokens = excluded.output_tokens, "
        "cache_read_tokens = excluded.cache_read_tokens, "
        "cache_creation_tokens = excluded.cache_creation_tokens",
        [(account, *mark) for mark in marks],
    )


def _logged(cells: Cells, begin: int, end: int) -> dict[int, Amounts]:
    """What the marked rows of those hours add up to, by cell id."""
    rows = cells.db.execute(
        "SELECT cell, SUM(cost), SUM(input_tokens), SUM(output_tokens), COUNT(*), "
        "SUM(cache_read_tokens), SUM(cache_creation_tokens) FROM usage_mark "
        "WHERE account = ? AND hour >= ? AND hour < ? GROUP BY cell",
        (cells.account, begin, end),
    )
    return {row[0]: Amounts(*row[1:]) for row in rows}
