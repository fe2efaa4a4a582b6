"""The account's keys in a table: what each may spend and has spent, and until when."""

from __future__ import annotations

import msgspec

from exporter.gateway.readings import KeyWindow
from exporter.metrics import catalogue as c
from exporter.web.figures import Subject, Tone
from exporter.web.formats import ahead, instant, money

SHOWN_KEYS = 12
"""Keys of an account that the page names; /metrics has all of them."""


class KeyRow(msgspec.Struct, frozen=True):
    """One key in words. `listed` None: no list is known."""

    name: str
    key_id: str | None
    listed: bool | None
    cap: str
    windows: str
    expires: str
    tone: Tone
    urgency: tuple[float, str]


def key_rows(subject: Subject) -> list[KeyRow]:
    """Every key that was seen, those that need somebody first."""
    rows = []
    for key_id, name, listed in subject.points.of(c.KEY_INFO):
        there = None if listed is None else listed == "true"
        expires_at = subject.points.value(c.KEY_EXPIRY, key_id)
        soon = subject.expires_soon(expires_at)
        full = subject.cap_nearly_reached(key_id)
        windows = [
            f"{window.value}: {said}"
            for window in KeyWindow
            if window is not KeyWindow.LIFETIME and (said := _spent(subject, key_id, window))
        ]
        bad = soon or full or there is False
        rows.append(
            KeyRow(
                name or "",
                None if name == key_id else key_id,
                there,
                _spent(subject, key_id, KeyWindow.LIFETIME) or "unknown",
                ", ".join(windows),
                _expiry(expires_at, there, subject.now),
                Tone.WARN if bad else Tone.OK,
                (0.0 if bad else 1.0, name or ""),
            )
        )
    return sorted(rows, key=lambda row: row.urgency)


def _spent(subject: Subject, key_id: str | None, window: KeyWindow) -> str:
    """`1.25 of 20.00 USD`, as far as it is known; nothing where neither is."""
    cap = subject.points.value(c.KEY_LIMIT, key_id, window.value)
    used = subject.points.value(c.KEY_USED, key_id, window.value)
    if cap is None:
        return f"{money(used)} used, no cap" if used else ""
    return f"cap {money(cap)}" if used is None else f"{money(used)} of {money(cap)}"


def _expiry(expires_at: float | None, listed: bool | None, now: float) -> str:
    if expires_at is None:
        return "never" if listed else "unknown"
    return instant(expires_at) + (f" ({ahead(expires_at, now)})" if expires_at > now else " (over)")
