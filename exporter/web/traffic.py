"""What the tap has seen of an account's applications, key by key."""

from __future__ import annotations

from exporter.traffic import Traffic
from exporter.web.markup import Html, name, tag
from exporter.web.model import TrafficRow
from exporter.web.parts import cell, panel, row_name, table
from exporter.web.words import ago, count

SHOWN = 12
"""Keys that are shown: those seen last."""


def traffic(seen: Traffic, now: float) -> tuple[TrafficRow, ...]:
    """A row for each key, the one seen last first."""
    newest = sorted(seen.seen, key=lambda key: seen.last_seen(key) or 0.0, reverse=True)
    return tuple(_row(seen, key, now) for key in newest[:SHOWN])


def _row(seen: Traffic, key: str, now: float) -> TrafficRow:
    sources = sorted(seen.seen[key].items(), key=lambda item: -item[1])
    return TrafficRow(
        key,
        ", ".join(f"{ago(at, now)} ({source})" for source, at in sources),
        count(sum(number for of, number in seen.responses.items() if of[0] == key)),
        sum(number for of, number in seen.refusals.items() if of[0] == key),
    )


def traffic_panel(rows: tuple[TrafficRow, ...]) -> Html | None:
    """The rows as HTML; None where nothing was seen."""
    if not rows:
        return None
    head = (("Key", ""), ("Last seen", ""), ("Responses", "num"), ("Refused", "num"))
    body = [
        tag(
            "tr",
            row_name(name(row.key_id)),
            cell(row.last),
            cell(row.responses, "num"),
            tag("td", count(row.refused), class_="num", title="402 and 429, since the start"),
        )
        for row in rows
    ]
    return panel("Traffic of applications", table(head, body, "Traffic by key"))
