"""Cells in the state file: finding them, making them, moving their amounts.

Every change of a cell moves its series by the same difference, inside one transaction.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Sequence

import msgspec

from exporter.gateway.readings import KeyRef
from exporter.ledger import spend
from exporter.ledger.amounts import MOST, ZERO, Amounts
from exporter.ledger.cursor import DAY, HOUR, Slice, aligned, hour_of
from exporter.ledger.names import Names

_BASES = tuple(f"base_{name}" for name in Amounts._fields)
_OWN = ("id", "hour", "api_key", "model", "series", "rolled")
_COLUMNS = ", ".join((*_OWN, *Amounts._fields, *_BASES, "missing_since"))
_WRITE = (
    f"UPDATE cell SET rolled = ?, {', '.join(f'{name} = ?' for name in Amounts._fields)}, "
    f"{', '.join(f'{name} = ?' for name in _BASES)}, missing_since = ? WHERE id = ?"
)
_MOVE = (
    f"UPDATE series SET {', '.join(f'{name} = {name} + :{name}' for name in Amounts._fields)}, "
    + ", ".join(f"shown_{one} = max(shown_{one}, {one} + :{one})" for one in Amounts._fields)
    + " WHERE id = :series"
)
_SHOWN = ", ".join(f"TOTAL(shown_{name})" for name in Amounts._fields)


def day_cell_of(hour: int) -> int:
    """The `hour` of cells that hold the day of an hour: a second after the day's first hour."""
    return int(aligned(hour, DAY)) + 1


def is_day(hour: int) -> bool:
    """Whether this is the `hour` of cells that hold a day."""
    return hour % int(HOUR) == 1


class Cell(msgspec.Struct):
    """One hour, or day, of one key and model.

    `counted` is our share, `base` what a bucket holds besides.

    `missing_since` (Unix s): no reading has had its bucket since then.
    """

    id: int
    hour: int
    api_key: int
    model: str
    series: int
    rolled: bool
    counted: Amounts
    base: Amounts
    missing_since: float | None = None
    changed: bool = False

    @property
    def held(self) -> Amounts:
        """What its bucket held when it was read last."""
        return self.counted.plus(self.base)


class Cells:
    """The cells of one account, within one transaction. Only those that are asked for are held."""

    def __init__(
        self, db: sqlite3.Connection, account: int, max_series: int, start_ns: int
    ) -> None:
        """`start_ns`: when series that appear now were last known to be zero (Unix ns)."""
        self.db = db
        self.account = account
        self._names = Names(db, account, max_series, start_ns)
        self._cells: dict[tuple[int, int, str], Cell] = {}
        self._by_id: dict[int, Cell] = {}
        self._moves: dict[int, Amounts] = {}
        self._telling: set[int] = set()
        self._spent: dict[int, int] = {}
        self._rolled: dict[int, bool] = {}

    def room(self) -> Amounts:
        """How much more all series together may show."""
        shown = self.db.execute(
            f"SELECT {_SHOWN} FROM series WHERE account = ?", (self.account,)
        ).fetchone()
        return Amounts(*(MOST - int(total) for total in shown))

    def between(self, since: int, until: int, models: Collection[str] | None = None) -> list[Cell]:
        """The cells with `since` ≤ hour < `until` (Unix s); of these models, or of all."""
        where = "hour >= ? AND hour < ?"
        if models is None:
            return self._fetch(where, (since, until))
        places = ",".join("?" * len(models))
        return self._fetch(f"{where} AND model IN ({places})", (since, until, *models))

    def hours(self, since: int) -> set[int]:
        """The hours of all cells from `since` (Unix s) on."""
        rows = self.db.execute(
            "SELECT DISTINCT hour FROM cell WHERE account = ? AND hour >= ?", (self.account, since)
        )
        return {row[0] for row in rows}

    def rolled_hours(self, since: float, until: float) -> list[int]:
        """The hours that are counted from the rollup and begin in the range."""
        rows = self.db.execute(
            "SELECT DISTINCT hour FROM cell "
            "WHERE rolled AND account = ? AND hour >= ? AND hour < ?",
            (self.account, since, until),
        )
        return [row[0] for row in rows]

    def is_rolled(self, hour: int) -> bool:
        """Whether an hour or its day was counted from the rollup when this transaction began."""
        known = self._rolled.get(hour)
        if known is None:
            day = day_cell_of(hour)
            known = bool(self.rolled_hours(hour, hour + 1) or self.rolled_hours(day, day + 1))
            self._rolled[hour] = known
        return known

    def by_id(self, cell: int) -> Cell:
        known = self._by_id.get(cell)
        return known if known is not None else self._fetch("id = ?", (cell,))[0]

    def cell(self, hour: int, key: KeyRef, model: str, rolled: bool) -> Cell:
        """The cell of an hour, key and model; made, empty, if there is none yet."""
        api_key = self._names.key(key)
        return self.known(hour, api_key, model) or self._make(hour, api_key, model, rolled)

    def known(self, hour: int, api_key: int, model: str) -> Cell | None:
        """The cell of an hour, key (its number) and model, if there is one."""
        known = self._cells.get((hour, api_key, model))
        if known is not None:
            return known
        found = self._fetch("hour = ? AND api_key = ? AND model = ?", (hour, api_key, model))
        return found[0] if found else None

    def count(self, cell: Cell, counted: Amounts) -> bool:
        """Set what a cell counts. Returns whether that changed anything."""
        if counted == cell.counted:
            return False
        step = counted.minus(cell.counted)
        self._moves[cell.series] = self._moves.get(cell.series, ZERO).plus(step)
        self._spent[cell.hour] = self._spent.get(cell.hour, 0) + step.cost
        cell.counted = counted
        cell.changed = True
        return True

    def tells_caches(self, cell: Cell) -> None:
        """A row of the cell says how many tokens came from caches and went there."""
        self._telling.add(cell.series)

    def adopt(
        self, cell: Cell, rolled: bool, base: Amounts, missing_since: float | None = None
    ) -> None:
        """From now on the cell is counted from the rollup, or from the log."""
        if (cell.rolled, cell.base, cell.missing_since) != (rolled, base, missing_since):
            cell.rolled, cell.base, cell.missing_since = rolled, base, missing_since
            cell.changed = True

    def growth(self) -> int:
        """What the counters are about to gain, in nano-USD."""
        return sum(max(0, step.cost) for step in self._moves.values())

    def usual(self, done: Slice | None) -> int:
        """What a slice may be expected to hold, in nano-USD, by what is stored of other hours.

        What it held before, or as much for each of its hours as the stored ones hold on average.
        A day is 24 of them.
        """
        all_cost, cells, days = self.db.execute(
            "SELECT TOTAL(cost + base_cost), COUNT(DISTINCT hour), "
            "COUNT(DISTINCT hour) FILTER (WHERE hour % 3600 = 1) FROM cell WHERE account = ?",
            (self.account,),
        ).fetchone()
        hours = cells + 23 * days
        if done is None or not hours:
            return 0
        (held,) = self.db.execute(
            "SELECT TOTAL(cost + base_cost) FROM cell WHERE account = ? AND hour >= ? AND hour < ?",
            (self.account, hour_of(done.since), done.until),
        ).fetchone()
        return int(max(held, all_cost / hours * (done.until - done.since) / HOUR))

    def sharing(self, masked: str) -> list[int]:
        """The keys that are known by this masked form, oldest first."""
        return self._names.sharing(masked)

    def store(self, now: float) -> None:
        """Write what changed and move the series. Counters follow up, never down.

        `now` (Unix s) is when it was read.
        """
        changed = [cell for cell in self._by_id.values() if cell.changed]
        self.db.executemany(
            _WRITE,
            [(c.rolled, *c.counted, *c.base, c.missing_since, c.id) for c in changed],
        )
        self.db.executemany(
            _MOVE,
            [{**step._asdict(), "series": series} for series, step in self._moves.items()],
        )
        self.db.executemany(
            "UPDATE series SET caches = 1 WHERE caches = 0 AND id = ?",
            [(series,) for series in self._telling],
        )
        for cell in changed:
            cell.changed = False
        self._moves.clear()
        self._telling.clear()
        for hour, step in self._spent.items():
            length = DAY if is_day(hour) else HOUR
            spend.count(self.db, self.account, hour_of(hour), length, step, now)
        self._spent.clear()

    def _fetch(self, where: str, parameters: Sequence[int | str]) -> list[Cell]:
        rows = self.db.execute(
            f"SELECT {_COLUMNS} FROM cell WHERE account = ? AND {where}",
            (self.account, *parameters),
        )
        return [self._by_id.get(row[0]) or self._know(_cell(*row)) for row in rows]

    def _make(self, hour: int, api_key: int, model: str, rolled: bool) -> Cell:
        series = self._names.series(api_key, model)
        inserted = self.db.execute(
            "INSERT INTO cell (account, hour, api_key, model, series, rolled) "
            "VALUES (?, ?, ?, ?, ?, ?)",
            (self.account, hour, api_key, model, series, rolled),
        )
        assert inserted.lastrowid is not None
        return self._know(
            Cell(inserted.lastrowid, hour, api_key, model, series, rolled, ZERO, ZERO)
        )

    def _know(self, cell: Cell) -> Cell:
        self._cells[cell.hour, cell.api_key, cell.model] = cell
        self._by_id[cell.id] = cell
        return cell


def _cell(
    id_: int,
    hour: int,
    api_key: int,
    model: str,
    series: int,
    rolled: int,
    *amounts_and_missing: int,
) -> Cell:
    *amounts, missing_since = amounts_and_missing
    counted, base = Amounts(*amounts[: len(ZERO)]), Amounts(*amounts[len(ZERO) :])
    return Cell(id_, hour, api_key, model, series, bool(rolled), counted, base, missing_since)
