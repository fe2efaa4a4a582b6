"""The few things that every section of the page is made of."""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import quote

from exporter.web.markup import Child, Html, clip, name, tag
from exporter.web.model import Bar, Figure, LimitRow, Tone

LONGEST_REPORT = 400
"""Characters of an error that the page shows."""

WORDS = {Tone.BAD: "Broken", Tone.WARN: "To look at", Tone.WAIT: "Waiting", Tone.OK: "Fine"}
"""What a tone is called where colour alone would have to say it."""


def panel(title: str, *children: Child, class_: str = "panel") -> Html:
    """A titled box."""
    return tag("section", tag("h2", title), *children, class_=class_)


def figure(shown: Figure, class_: str = "figure") -> Html:
    """A number, or `unknown` and why; an old one says how old it is."""
    if shown.text is None:
        why = tag("small", shown.why) if shown.why else None
        return tag("span", tag("span", "unknown", class_="unknown"), why, class_=class_)
    if shown.stale is not None:
        age = tag("small", f"stale, {shown.stale} old")
        return tag("span", tag("s", shown.text), age, class_=f"{class_} stale")
    return tag("span", shown.text, class_=class_)


def bar(shown: Bar | None) -> Html | None:
    """A share as a bar. Widths are SVG attributes, so that no inline style has to be allowed."""
    if shown is None:
        return None
    share = max(0.0, min(1.0, shown.share))
    fill = tag("rect", class_="fill", width=f"{share * 100:.1f}%", height="100%", rx="3")
    mark = None
    if shown.mark is not None:
        mark = tag("rect", class_="mark", x=f"{shown.mark * 100:.1f}%", width="2", height="100%")
    track = tag("rect", class_="track", width="100%", height="100%", rx="3")
    return tag(
        "svg", track, fill, mark, class_=f"bar {shown.tone}", role="meter", aria_label=shown.label,
        aria_valuemin="0", aria_valuemax="100", aria_valuenow=f"{share * 100:.0f}",
    )  # fmt: skip


def badge(tone: Tone, words: str | None = None) -> Html:
    """A coloured word."""
    return tag("span", words or WORDS[tone], class_=f"badge {tone}")


def table(head: Iterable[tuple[str, str]], rows: Iterable[Html], caption: str) -> Html:
    """A table. `head`: each column's title and class; `caption` is for screen readers."""
    columns = [tag("th", title, scope="col", class_=class_ or None) for title, class_ in head]
    return tag(
        "div",
        tag(
            "table",
            tag("caption", caption, class_="aside"),
            tag("thead", tag("tr", columns)),
            tag("tbody", rows),
        ),
        class_="scroll",
    )


def cell(content: Child, class_: str | None = None) -> Html:
    """A cell of a table."""
    return tag("td", content, class_=class_)


def row_name(content: Child) -> Html:
    """The cell that names its row."""
    return tag("th", content, scope="row")


def reported(words: str, class_: str) -> Html:
    """What somebody else's program said, cut where it goes on and on."""
    return tag("p", clip(words, LONGEST_REPORT), class_=class_)


def account_link(account: str) -> Html:
    """An account's name, leading to its page."""
    return tag("a", name(account), href=f"/?account={quote(account, safe='', errors='replace')}")


def limits(rows: Iterable[LimitRow]) -> Html:
    """Caps and windows, each with its bar."""
    return tag("ul", [_limit(row) for row in rows], class_="limits")


def _limit(row: LimitRow) -> Html:
    what = None if row.what == "model" else tag("small", row.what)
    note = tag("small", row.note) if row.note else None
    return tag(
        "li",
        tag("span", name(row.name), what, class_="whose"),
        tag("span", figure(row.figure), note, class_="much"),
        bar(row.bar),
    )
