"""What keys are called: names that come later than a key's first usage, and masks spelled anew.

A series keeps what it has counted and its name. A key that gets its name later counts under it
from then on, in another series: so no receiver sees anything twice.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterable

from exporter.gateway.readings import KeyRef
from exporter.ledger.names import Names
from exporter.secrets import one_mask

_LABELS = frozenset({"id", "account", "shown_id", "shown_name", "model", "start_ns", "fresh"})
"""Of a series: whatever else it has is a sum."""


def adopt_names(db: sqlite3.Connection, account: int, names: Names, keys: Iterable[KeyRef]) -> int:
    """Let keys without a name count under the one that they have in the list from now on.

    Returns how many they are. A masked form that several keys share names none of them.
    """
    listed = list(keys)
    shared = Counter(key.masked for key in listed)
    by_id = {key.gateway_id: key for key in listed if key.gateway_id is not None}
    by_mask = {key.masked: key for key in listed if key.masked and shared[key.masked] == 1}
    adopted = 0
    rows = db.execute(
        "SELECT id, gateway_id, masked, shown_id FROM api_key "
        "WHERE account = ? AND shown_name = shown_id",
        (account,),
    ).fetchall()
    for api_key, gateway_id, masked, shown_id in rows:
        key = by_mask.get(masked) if gateway_id is None else by_id.get(gateway_id)
        if key is None:
            continue
        new_id = masked or key.masked or shown_id
        new = new_id, key.name or new_id
        if new != (shown_id, shown_id):
            db.execute(
                "UPDATE api_key SET masked = COALESCE(masked, ?), shown_id = ?, shown_name = ? "
                "WHERE id = ?",
                (key.masked, *new, api_key),
            )
            _count_elsewhere(db, account, names, api_key)
            adopted += 1
    return adopted


def _count_elsewhere(db: sqlite3.Connection, account: int, names: Names, api_key: int) -> None:
    """From now on what a key's hours gain or lose counts in the series of its new name."""
    models = db.execute(
        "SELECT DISTINCT model FROM cell WHERE account = ? AND api_key = ?", (account, api_key)
    ).fetchall()
    for (model,) in models:
        db.execute(
            "UPDATE cell SET series = ? WHERE account = ? AND api_key = ? AND model = ?",
            (names.series(api_key, model), account, api_key, model),
        )


def spell_masks_anew(db: sqlite3.Connection) -> None:
    """Bring keys that earlier versions kept in several spellings into the one form.

    What was counted under two spellings of one key is one series from now on.
    """
    keys = db.execute(
        "SELECT id, account, masked, shown_id, shown_name FROM api_key WHERE masked IS NOT NULL "
        "ORDER BY gateway_id IS NULL, id"
    ).fetchall()
    respelled = {(account, one_mask(m)) for _, account, m, *_ in keys if one_mask(m) != m}
    named: dict[tuple[int, str], str] = {}
    renamed: dict[tuple[int, str, str], tuple[str, str]] = {}
    for api_key, account, masked, shown_id, shown_name in keys:
        mask = one_mask(masked)
        if (account, mask) not in respelled:
            continue
        new_id = one_mask(shown_id)
        new_name = one_mask(shown_name) if shown_name == shown_id else shown_name
        if new_name == new_id:  # another spelling of it may have brought its name
            new_name = named.get((account, mask), new_name)
        elif new_id == mask:
            named.setdefault((account, mask), new_name)
        renamed[account, shown_id, shown_name] = new_id, new_name
        db.execute(
            "UPDATE api_key SET masked = ?, shown_id = ?, shown_name = ? WHERE id = ?",
            (mask, new_id, new_name, api_key),
        )
    _rename(db, renamed)


def _rename(db: sqlite3.Connection, renamed: dict[tuple[int, str, str], tuple[str, str]]) -> None:
    """Give series their new labels; those that have the same ones become one."""
    db.execute("CREATE TEMP TABLE joined (old INTEGER PRIMARY KEY, new INTEGER NOT NULL)")
    rows = db.execute("SELECT id, account, shown_id, shown_name, model FROM series ORDER BY id")
    for series, account, shown_id, shown_name, model in rows.fetchall():
        new = renamed.get((account, shown_id, shown_name))
        if new is None or new == (shown_id, shown_name):
            continue
        twin = db.execute(
            "SELECT id FROM series "
            "WHERE account = ? AND shown_id = ? AND shown_name = ? AND model = ?",
            (account, *new, model),
        ).fetchone()
        if twin is None:
            db.execute(
                "UPDATE series SET shown_id = ?, shown_name = ? WHERE id = ?", (*new, series)
            )
        else:
            _join(db, series, twin[0])
    db.execute(
        "UPDATE cell SET series = (SELECT new FROM joined WHERE old = series) "
        "WHERE series IN (SELECT old FROM joined)"
    )
    db.execute("DELETE FROM series WHERE id IN (SELECT old FROM joined)")
    db.execute("DROP TABLE joined")


def _join(db: sqlite3.Connection, old: int, new: int) -> None:
    columns = [row[1] for row in db.execute("PRAGMA table_info(series)")]
    summed = [name for name in columns if name not in _LABELS]
    sums = ", ".join(f"{name} = {name} + (SELECT {name} FROM old)" for name in summed)
    db.execute(
        f"WITH old AS (SELECT * FROM series WHERE id = ?) UPDATE series SET {sums}, "
        "start_ns = min(start_ns, (SELECT start_ns FROM old)), "
        "fresh = min(fresh, (SELECT fresh FROM old)) WHERE id = ?",
        (old, new),
    )
    db.execute("INSERT INTO joined VALUES (?, ?)", (old, new))
