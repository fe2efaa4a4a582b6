"""Who usage belongs to: keys, and the series in which they are shown.

Keys are told apart by the gateway's own id. What is shown of a key is frozen at first sight, so
that a rename cannot split or double a total. Past `usage.max_series` keys and models are folded.
"""

from __future__ import annotations

import sqlite3

from exporter.gateway.readings import KeyRef

OTHER = "other"
"""Key and model of the series that takes what no longer fits under `usage.max_series`."""

UNKNOWN = "unknown"
"""Shown of a key of which nothing is known."""

MAX_FOLDED = 100_000
"""Folded keys and models that are remembered, so that a hostile gateway cannot fill the disk."""


class Names:
    """The keys and series of one account, within one transaction."""

    def __init__(
        self, db: sqlite3.Connection, account: int, max_series: int, start_ns: int
    ) -> None:
        """`start_ns`: when series that appear now were last known to be zero (Unix ns)."""
        self._db = db
        self._account = account
        self._max_series = max_series
        self._start_ns = start_ns
        self._keys: dict[KeyRef, int] = {}
        self._series: dict[tuple[int, str], int] = {}
        self._numbers: dict[str, int] = {}

    def key(self, key: KeyRef) -> int:
        """The number of a key, new or known. Past all bounds new keys count as one, "other"."""
        known = self._keys.get(key)
        if known is None:
            found = self._find(key)
            known = self._make_key(key) if found is None else self._bind(found, key)
            self._keys[key] = known
        return known

    def sharing(self, masked: str) -> list[int]:
        """The keys that are known by this masked form, oldest first."""
        rows = self._db.execute(
            "SELECT id FROM api_key WHERE account = ? AND masked = ? ORDER BY id",
            (self._account, masked),
        )
        return [row[0] for row in rows]

    def series(self, api_key: int, model: str) -> int:
        known = self._series.get((api_key, model))
        if known is None:
            known = self._series[api_key, model] = self._series_for(api_key, model)
        return known

    def _find(self, key: KeyRef) -> int | None:
        """By the gateway's id, else by the masked form, else by the name.

        One that was known by its masked form only belongs to the first id that comes with it.
        """
        if key.gateway_id is not None:
            found = self._one("gateway_id = ?", key.gateway_id)
            if found is None and key.masked is not None:
                found = self._one("masked = ? AND gateway_id IS NULL", key.masked)
            return found
        if key.masked is not None:
            return self._one("masked = ?", key.masked)
        return self._one(
            "masked IS NULL AND gateway_id IS NULL AND shown_name = ?", key.name or UNKNOWN
        )

    def _one(self, where: str, value: str) -> int | None:
        row = self._db.execute(
            f"SELECT id FROM api_key WHERE account = ? AND {where} "
            "ORDER BY gateway_id IS NULL, id LIMIT 1",
            (self._account, value),
        ).fetchone()
        return None if row is None else int(row[0])

    def _bind(self, api_key: int, key: KeyRef) -> int:
        """Remember what is said of a known key for the first time."""
        self._db.execute(
            "UPDATE api_key "
            "SET gateway_id = COALESCE(gateway_id, ?), masked = COALESCE(masked, ?) "
            "WHERE id = ? AND (gateway_id IS NULL OR masked IS NULL)",
            (key.gateway_id, key.masked, api_key),
        )
        return api_key

    def _make_key(self, key: KeyRef) -> int:
        if self._number("api_key") >= self._max_series + MAX_FOLDED:
            key = KeyRef(name=OTHER)
            known = self._find(key)
            if known is not None:
                return known
        shown_id = key.masked or key.gateway_id or key.name or UNKNOWN
        self._numbers["api_key"] += 1
        return self._inserted(
            "INSERT INTO api_key (account, gateway_id, masked, shown_id, shown_name) "
            "VALUES (?, ?, ?, ?, ?)",
            (self._account, key.gateway_id, key.masked, shown_id, key.name or shown_id),
        )

    def _series_for(self, api_key: int, model: str) -> int:
        shown_id, shown_name = self._db.execute(
            "SELECT shown_id, shown_name FROM api_key WHERE id = ?", (api_key,)
        ).fetchone()
        known = self._series_of(shown_id, shown_name, model)
        if known is not None:
            return known
        if self._number("series") < self._max_series:
            self._db.execute(
                "DELETE FROM folded WHERE account = ? AND api_key = ? AND model = ?",
                (self._account, api_key, model),
            )
            return self._make_series(shown_id, shown_name, model)
        if self._number("folded") < MAX_FOLDED:
            folded = self._db.execute(
                "INSERT OR IGNORE INTO folded VALUES (?, ?, ?)", (self._account, api_key, model)
            )
            self._numbers["folded"] += folded.rowcount
        return self._series_of(OTHER, OTHER, OTHER) or self._make_series(OTHER, OTHER, OTHER)

    def _series_of(self, shown_id: str, shown_name: str, model: str) -> int | None:
        row = self._db.execute(
            "SELECT id FROM series "
            "WHERE account = ? AND shown_id = ? AND shown_name = ? AND model = ?",
            (self._account, shown_id, shown_name, model),
        ).fetchone()
        return None if row is None else int(row[0])

    def _make_series(self, shown_id: str, shown_name: str, model: str) -> int:
        self._number("series")
        self._numbers["series"] += 1
        return self._inserted(
            "INSERT INTO series (account, shown_id, shown_name, model, start_ns) "
            "VALUES (?, ?, ?, ?, ?)",
            (self._account, shown_id, shown_name, model, self._start_ns),
        )

    def _number(self, table: str) -> int:
        if table not in self._numbers:
            (self._numbers[table],) = self._db.execute(
                f"SELECT COUNT(*) FROM {table} WHERE account = ?", (self._account,)
            ).fetchone()
        return self._numbers[table]

    def _inserted(self, statement: str, values: tuple[int | str | None, ...]) -> int:
        number = self._db.execute(statement, values).lastrowid
        assert number is not None
        return number
