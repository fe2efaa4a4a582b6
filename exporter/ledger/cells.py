"""Keys, series and cells in the state file: finding them, making them, moving their amounts.

Every change of a cell moves its series by the same difference, inside one transaction.
"""

from __future__ import annotations

import sqlite3
import msgspec

from exporter.gateway.readings import KeyRef
from exporter.ledger.amounts import ZERO, Amounts

OTHER = "other"
"""Key and model of the series that takes what no longer fits under `usage.max_series`."""

MAX_FOLDED = 100_000
"""Folded keys and models that are remembered, so that a hostile gateway cannot fill the disk."""

_AMOUNTS = "cost, input_tokens, output_tokens, requests"
_BASES = "base_cost, base_input_tokens, base_output_tokens, base_requests"


class Cell(msgspec.Struct):
    """One hour of one key and model. `counted` is our share, `base` what a bucket holds besides."""

    id: int
    hour: int
    api_key: int
    model: str
    series: int
    rolled: bool
    counted: Amounts
    base: Amounts
    changed: bool = False


class Cells:
    """The cells of one account, within one transaction."""

    def __init__(
        self, db: sqlite3.Connection, account: int, max_series: int, start_ns: int
    ) -> None:
        """`start_ns`: when series that appear now were last known to be zero (Unix ns)."""
        self.db = db
        self.account = account
        self._max_series = max_series
        self._start_ns = start_ns
        self._keys: dict[KeyRef, int] = {}
        self._cells: dict[tuple[int, int, str], Cell] = {}
        self._by_id: dict[int, Cell] = {}
        self._moves: dict[int, Amounts] = {}

    def load(self, since: int, until: int) -> None:
        """Fetch the cells with `since` ≤ hour < `until` (Unix s)."""
        rows = self.db.execute(
            f"SELECT id, hour, api_key, model, series, rolled, {_AMOUNTS}, {_BASES} "
            "FROM cell WHERE account = ? AND hour >= ? AND hour < ?",
            (self.account, since, until),
        )
        for row in rows:
            if row[0] not in self._by_id:
                self._know(Cell(*row[:5], bool(row[5]), Amounts(*row[6:10]), Amounts(*row[10:14])))

    def loaded(self) -> list[Cell]:
        """The cells that are known so far."""
        return list(self._by_id.values())

    def by_id(self, cell: int) -> Cell:
        """A cell that is known already."""
        return self._by_id[cell]

    def cell(self, hour: int, key: KeyRef, model: str, rolled: bool) -> Cell:
        """The cell of an hour, key and model; made, empty, if there is none yet."""
        api_key = self._keys.get(key)
        if api_key is None:
            api_key = self._keys[key] = self._find_key(key)
        known = self._cells.get((hour, api_key, model))
        return known if known is not None else self._make_cell(hour, api_key, model, rolled)

    def count(self, cell: Cell, counted: Amounts) -> bool:
        """Set what a cell counts. Returns whether that changed anything."""
        if counted == cell.counted:
            return False
        step = counted.minus(cell.counted)
        self._moves[cell.series] = self._moves.get(cell.series, ZERO).plus(step)
        cell.counted = counted
        cell.changed = True
        return True

    def adopt(self, cell: Cell, rolled: bool, base: Amounts) -> None:
        """From now on the cell is counted from the rollup, or from the log."""
        cell.rolled, cell.base, cell.changed = rolled, base, True

    def store(self) -> None:
        """Write what changed and move the series. Counters follow up, never down."""
        changed = [cell for cell in self._by_id.values() if cell.changed]
        self.db.executemany(
            "UPDATE cell SET rolled = ?, cost = ?, input_tokens = ?, output_tokens = ?, requests = ?, "
            "base_cost = ?, base_input_tokens = ?, base_output_tokens = ?, base_requests = ? WHERE id = ?",
            [(c.rolled, *c.counted, *c.base, c.id) for c in changed],
        )
        self.db.executemany(
            "UPDATE series SET cost = cost + ?1, input_tokens = input_tokens + ?2, "
            "output_tokens = output_tokens + ?3, requests = requests + ?4, "
            "shown_cost = max(shown_cost, cost + ?1), "
            "shown_input_tokens = max(shown_input_tokens, input_tokens + ?2), "
            "shown_output_tokens = max(shown_output_tokens, output_tokens + ?3), "
            "shown_requests = max(shown_requests, requests + ?4) WHERE id = ?5",
            [(*step, series) for series, step in self._moves.items()],
        )
        for cell in changed:
            cell.changed = False
        self._moves.clear()

    def _make_cell(self, hour: int, api_key: int, model: str, rolled: bool) -> Cell:
        series = self._find_series(api_key, model)
        inserted = self.db.execute(
            "INSERT INTO cell (account, hour, api_key, model, series, rolled) VALUES (?, ?, ?, ?, ?, ?)",
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

    def _find_key(self, key: KeyRef) -> int:
        """The key by the gateway's id, else by its masked form; new ones are frozen as they are.

        A key that was known by its masked form only is bound to the first id that comes with it.
        """
        known = self.db.execute(
            "SELECT id, masked FROM api_key WHERE account = ?1 AND CASE "
            "WHEN ?2 IS NULL THEN masked = ?3 "
            "ELSE gateway_id = ?2 OR (gateway_id IS NULL AND masked = ?3) END "
            "ORDER BY gateway_id IS NULL, id LIMIT 1",
            (self.account, key.gateway_id, key.masked),
        ).fetchone()
        if known is not None:
            self.db.execute(
                "UPDATE api_key SET gateway_id = COALESCE(gateway_id, ?), masked = COALESCE(masked, ?) "
                "WHERE id = ?",
                (key.gateway_id, key.masked, known[0]),
            )
            return int(known[0])
        shown_id = key.masked or key.gateway_id or "unknown"
        inserted = self.db.execute(
            "INSERT INTO api_key (account, gateway_id, masked, shown_id, shown_name) VALUES (?, ?, ?, ?, ?)",
            (self.account, key.gateway_id, key.masked, shown_id, key.name or shown_id),
        )
        assert inserted.lastrowid is not None
        return inserted.lastrowid

    def _find_series(self, api_key: int, model: str) -> int:
        shown_id, shown_name = self.db.execute(
            "SELECT shown_id, shown_name FROM api_key WHERE id = ?", (api_key,)
        ).fetchone()
        known = self._series_of(shown_id, shown_name, model)
        if known is not None:
            return known
        (number,) = self.db.execute(
            "SELECT COUNT(*) FROM series WHERE account = ?", (self.account,)
        ).fetchone()
        if number < self._max_series:
            return self._make_series(shown_id, shown_name, model)
        self.db.execute(
            "INSERT OR IGNORE INTO folded SELECT ?1, ?2, ?3 "
            "WHERE (SELECT COUNT(*) FROM folded WHERE account = ?1) < ?4",
            (self.account, api_key, model, MAX_FOLDED),
        )
        return self._series_of(OTHER, OTHER, OTHER) or self._make_series(OTHER, OTHER, OTHER)

    def _series_of(self, shown_id: str, shown_name: str, model: str) -> int | None:
        row = self.db.execute(
            "SELECT id FROM series WHERE account = ? AND shown_id = ? AND shown_name = ? AND model = ?",
            (self.account, shown_id, shown_name, model),
        ).fetchone()
        return None if row is None else int(row[0])

    def _make_series(self, shown_id: str, shown_name: str, model: str) -> int:
        inserted = self.db.execute(
            "INSERT INTO series (account, shown_id, shown_name, model, start_ns) VALUES (?, ?, ?, ?, ?)",
            (self.account, shown_id, shown_name, model, self._start_ns),
        )
        assert inserted.lastrowid is not None
        return inserted.lastrowid
