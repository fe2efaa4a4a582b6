"""One account as HTML."""

from __future__ import annotations

from exporter.web.markup import Html, clip, join, name, tag
from exporter.web.model import (
    Bar,
    Detail,
    EndpointRow,
    Figure,
    MovementRow,
    Note,
    Spend,
    SpendRow,
    SpendTable,
    Tone,
)
from exporter.web.parts import badge, bar, cell, figure, limits, panel, reported, row_name, table
from exporter.web.traffic import traffic_panel
from exporter.web.words import count, money, percent, plural, short

LONGEST_WHO = 160

NOT_YET = (
    "Nothing has been read yet. The first polls are on their way; this page renews itself, "
    "and shows here what it still waits for."
)


def detail_page(detail: Detail, exports: Html) -> Html:
    """The whole section of an account; `exports` is the panel that stands beside its endpoints."""
    if detail.waiting:
        hint = tag("p", NOT_YET, class_="hint")
        return join([_heading(detail), hint, _grid(_endpoints(detail.endpoints), exports)])
    return join(
        [
            _heading(detail),
            _tiles(detail),
            _spend(detail.spend, detail.spend_missing),
            _grid(_limits(detail), _models(detail)),
            _grid(_endpoints(detail.endpoints), exports),
            _grid(
                traffic_panel(detail.traffic), _movements(detail.movements), _notes(detail.notes)
            ),
        ]
    )


def _grid(*panels: Html | None) -> Html | None:
    shown = [panel for panel in panels if panel]
    return tag("div", shown, class_="grid") if shown else None


def _heading(detail: Detail) -> Html:
    summary = detail.summary
    return tag(
        "div",
        tag("h1", name(summary.name)),
        badge(summary.tone, summary.state),
        tag("p", clip(detail.who, LONGEST_WHO), class_="who") if detail.who else None,
        class_="heading",
    )


def _tiles(detail: Detail) -> Html:
    summary = detail.summary
    tone = summary.bar.tone if summary.bar else Tone.WARN
    low = badge(tone, "low balance") if summary.low else None
    balance_note = tag("small", detail.balance_note) if detail.balance_note else None
    tiles = [
        tag(
            "section",
            tag("h2", "Balance ", low),
            figure(summary.balance, "big"),
            bar(summary.bar),
            balance_note,
            class_="tile",
        ),
        _tile("Runway", summary.runway, detail.runway_note, "big"),
    ]
    more = [
        _tile("Spent, lifetime", summary.spent),
        _tile("Topped up, lifetime", detail.topup),
    ]
    if detail.organization is not None:
        more.append(_tile("Organization wallet", detail.organization))
    return join([tag("div", tiles, class_="tiles"), tag("div", more, class_="tiles small")])


def _tile(title: str, shown: Figure, note: str | None = None, size: str = "medium") -> Html:
    small = tag("small", note) if note else None
    return tag("section", tag("h2", title), figure(shown, size), small, class_="tile")


def _spend(spend: Spend | None, missing: str | None) -> Html:
    if spend is None:
        return panel("Spend", tag("p", missing, class_="hint"))
    total = spend.total
    words = [
        tag("strong", money(total.cost)),
        f" for {plural(total.requests, 'call')}, {short(total.input_tokens)} tokens in, "
        f"{short(total.output_tokens)} out, counted since {spend.since}",
    ]
    tables = [_spend_table(table_, total) for table_ in spend.tables]
    return panel("Spend", tag("p", words, class_="sum"), tag("div", tables, class_="pair"))


def _spend_table(shown: SpendTable, total: SpendRow) -> Html:
    rows = [*shown.rows, *([shown.rest] if shown.rest else [])]
    head = (
        (shown.title, ""),
        ("Cost", "num"),
        ("Share", "share"),
        ("Calls", "num"),
        ("Tokens", "num wide"),
    )
    caption = f"Spend by {shown.title.lower()}"
    return table(head, [_spend_row(row) for row in rows], caption)


def _spend_row(row: SpendRow) -> Html:
    key = tag("small", name(row.key_id)) if row.key_id else None
    tokens = row.input_tokens + row.output_tokens
    exact = f"{count(row.input_tokens)} in, {count(row.output_tokens)} out"
    shown = Bar(row.share, f"{percent(row.share)} of the spend")
    return tag(
        "tr",
        row_name([name(row.name), key]),
        cell(money(row.cost), "num"),
        cell(tag("div", bar(shown), tag("small", percent(row.share))), "share"),
        tag("td", short(row.requests), class_="num", title=count(row.requests)),
        tag("td", short(tokens), class_="num wide", title=exact),
    )


def _limits(detail: Detail) -> Html:
    if not detail.limits:
        hint = "No response has carried a limit yet: the key may have none."
        return panel("Limits of the key", tag("p", hint, class_="hint"))
    return panel("Limits of the key", limits(detail.limits))


def _models(detail: Detail) -> Html | None:
    if not detail.models:
        return None
    more = None
    if detail.models_hidden:
        more = tag("p", f"{plural(detail.models_hidden, 'more model')} on /metrics", class_="hint")
    return panel("Model quotas", limits(detail.models), more)


def _endpoints(rows: tuple[EndpointRow, ...]) -> Html:
    head = (
        ("Endpoint", ""),
        ("", ""),
        ("Last success", ""),
        ("Next poll", ""),
        ("Took", "num wide"),
    )
    body = [line for row in rows for line in _endpoint(row)]
    return panel("Gateway", table(head, body, "Polls by endpoint"))


def _endpoint(row: EndpointRow) -> list[Html]:
    line = tag(
        "tr",
        row_name([row.name, tag("small", row.polls)]),
        cell(badge(row.tone, row.state)),
        cell(row.last_success),
        cell(row.next_poll),
        tag("td", row.duration, class_="num wide", title="on average, waits included"),
    )
    if row.error is None:
        return [line]
    return [line, tag("tr", tag("td", reported(row.error, "error"), colspan="5", class_="errors"))]


def _movements(rows: tuple[MovementRow, ...]) -> Html | None:
    if not rows:
        return None
    head = (("Movement", ""), ("Count", "num"), ("Amount", "num"), ("Last", ""))
    body = [
        tag("tr", row_name(name(r.kind)), cell(r.count, "num"), cell(r.amount, "num"), cell(r.last))
        for r in rows
    ]
    return panel("Wallet movements", table(head, body, "Wallet movements by kind"))


def _notes(notes: tuple[Note, ...]) -> Html | None:
    if not notes:
        return None
    facts = [[tag("dt", n.label), tag("dd", n.value, tag("small", n.meaning))] for n in notes]
    return panel("Ledger", tag("dl", facts))
