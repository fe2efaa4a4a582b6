"""Many accounts as HTML."""

from __future__ import annotations

from exporter.web.markup import Html, join, name, tag
from exporter.web.model import Overview, Summary, Tone
from exporter.web.parts import WORDS, account_link, badge, bar, cell, figure, row_name, table
from exporter.web.words import count, plural


def overview_page(overview: Overview, exports: Html) -> Html:
    """Sums, then one line for each account, then the exports."""
    return join([_heading(overview), _tiles(overview), _accounts(overview), exports])


def _heading(overview: Overview) -> Html:
    return tag("div", tag("h1", plural(overview.accounts, "account")), class_="heading")


def _tiles(overview: Overview) -> Html:
    total, shortest = overview.total, overview.shortest
    counts = [
        badge(tone, f"{count(number)} {WORDS[tone].lower()}")
        for tone, number in overview.counts
        if number
    ]
    whose = tag("small", name(shortest.why)) if shortest.text and shortest.why else None
    unknown = tag("small", total.why) if total.text and total.why else None
    return tag(
        "div",
        tag(
            "section",
            tag("h2", "Left in all wallets"),
            figure(total, "big"),
            unknown,
            class_="tile",
        ),
        tag("section", tag("h2", "Shortest runway"), figure(shortest, "big"), whose, class_="tile"),
        tag("section", tag("h2", "Accounts"), tag("p", counts, class_="counts"), class_="tile"),
        class_="tiles",
    )


def _accounts(overview: Overview) -> Html:
    head = (
        ("Account", ""), ("State", "wide"), ("Balance", "num"), ("Against threshold", "share wide"),
        ("Runway", "when"), ("Spent", "num wide"), ("Answered", "wide"),
    )  # fmt: skip
    rows = [_account(row) for row in overview.rows]
    body = table(head, rows, "Accounts, the most urgent first")
    return tag(
        "section", tag("h2", "Most urgent first"), body, _pages(overview), class_="panel accounts"
    )


def _account(row: Summary) -> Html:
    state = badge(row.tone, None if row.tone is Tone.OK else row.state)
    return tag(
        "tr",
        row_name([account_link(row.name), tag("span", badge(row.tone), class_="narrow")]),
        cell(state, "wide"),
        cell(figure(row.balance), "num"),
        cell(bar(row.bar), "share wide"),
        cell(
            row.runway.text or tag("span", "unknown", class_="unknown", title=row.runway.why),
            "when",
        ),
        cell(row.spent.text or "unknown", "num wide"),
        cell(row.answered, "wide"),
    )


def _pages(overview: Overview) -> Html | None:
    if overview.pages == 1:
        return None
    here = overview.page
    links = [tag("span", f"Page {count(here)} of {count(overview.pages)}")]
    if here > 1:
        links.insert(0, tag("a", "More urgent", href=f"/?page={here - 1}"))
    if here < overview.pages:
        links.append(tag("a", "Less urgent", href=f"/?page={here + 1}"))
    return tag("nav", links, class_="pages", aria_label="Pages")
