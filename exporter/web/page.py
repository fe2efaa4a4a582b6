"""The status page as one HTML document: no script, no request to anywhere else."""

from __future__ import annotations

from urllib.parse import quote, urlencode

from exporter.web.detail_page import detail_page
from exporter.web.markup import Html, join, name, tag
from exporter.web.model import About, Choice, Exports, Page, Problem, Tone
from exporter.web.overview_page import overview_page
from exporter.web.parts import account_link, badge, panel, reported
from exporter.web.style import STYLE
from exporter.web.words import count

REFRESH_SECONDS = 10

NAMED = 5
"""Accounts that a problem names; the others are counted."""

_BOLT = "M9 1 2 9.2h4.6L6 15l7.4-8.6H8.6z"
_COLOURS = {Tone.BAD: "#c8322b", Tone.WARN: "#b7710a", Tone.WAIT: "#66727f", Tone.OK: "#0b7a5c"}


def render(page: Page) -> str:
    """The document."""
    return "<!doctype html>\n" + tag("html", _head(page), _body(page), lang="en")


def _head(page: Page) -> Html:
    refresh = None
    if page.choice.refresh:
        refresh = tag("meta", http_equiv="refresh", content=str(REFRESH_SECONDS))
    warning = "⚠ " if page.tone in {Tone.BAD, Tone.WARN} else ""
    return tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        refresh,
        tag("title", f"{warning}{page.title} · ByteSpike exporter"),
        tag("link", rel="icon", href=_icon(page.tone)),
        tag("style", Html(STYLE)),
    )


def _icon(tone: Tone) -> str:
    """A bolt in the colour of the worst problem, for the tab."""
    drawing = (
        f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'>"
        f"<path d='{_BOLT}' fill='{_COLOURS[tone]}'/></svg>"
    )
    return "data:image/svg+xml," + quote(drawing, safe="")


def _body(page: Page) -> Html:
    return tag("body", _top(page), tag("main", _problems(page), _content(page)), _foot(page.about))


def _content(page: Page) -> Html:
    exports = _exports(page.exports)
    if page.detail is not None:
        return detail_page(page.detail, exports)
    if page.overview is not None:
        return overview_page(page.overview, exports)
    gone = tag("p", "No such account: ", name(page.missing or ""), ".", class_="hint")
    return join([tag("div", tag("h1", "Not found"), class_="heading"), gone])


def _top(page: Page) -> Html:
    bolt = tag("svg", tag("path", d=_BOLT), class_="bolt", viewBox="0 0 16 16", aria_hidden="true")
    every = f"renewed every {REFRESH_SECONDS} s" if page.choice.refresh else "not renewed"
    up = tag("a", "All accounts", href="/") if page.many and page.overview is None else None
    return tag(
        "header",
        tag("a", bolt, "ByteSpike exporter", href="/", class_="brand"),
        up,
        tag("span", f"{page.about.made_at} · {every} · ", _switch(page.choice), class_="clock"),
    )


def _switch(choice: Choice) -> Html:
    """A link to the same page standing still, or renewing itself again."""
    query = {"account": choice.account} if choice.account is not None else {}
    if choice.page > 1:
        query["page"] = str(choice.page)
    if choice.refresh:
        query["refresh"] = "off"
    words = "pause" if choice.refresh else "resume"
    return tag("a", words, href="/?" + urlencode(query, errors="replace") if query else "/")


def _problems(page: Page) -> Html | None:
    if not page.problems:
        return None
    items = [_problem(problem, page.many) for problem in page.problems]
    return tag("section", tag("h2", "What is wrong", class_="aside"), items, class_="problems")


def _problem(problem: Problem, many: bool) -> Html:
    whose = _whose(problem.accounts) if many and problem.accounts else None
    return tag(
        "article",
        tag("h3", problem.title),
        whose,
        tag("p", problem.advice),
        reported(problem.detail, "detail") if problem.detail else None,
        class_=f"problem {problem.tone}",
    )


def _whose(accounts: tuple[str, ...]) -> Html:
    names = [[account_link(account), " "] for account in accounts[:NAMED]]
    more = len(accounts) - NAMED
    return tag("p", names, f"and {count(more)} more" if more > 0 else None, class_="whose")


def _exports(exports: Exports) -> Html:
    counts = ", ".join(f"{count(number)} {outcome}" for outcome, number in exports.outcomes)
    facts = [
        [tag("dt", "Receiver"), tag("dd", exports.endpoint, class_="address")],
        [tag("dt", "Last success"), tag("dd", exports.last_success)],
        [tag("dt", "Exports"), tag("dd", counts)],
    ]
    error = reported(exports.error, "error") if exports.error else None
    return panel("OTLP export", badge(exports.tone, exports.state), tag("dl", facts), error)


def _foot(about: About) -> Html:
    links = [[tag("a", path, href=path), " "] for path in ("/metrics", "/readyz", "/livez")]
    facts = f"version {about.version} · up {about.uptime} · instance "
    return tag(
        "footer",
        tag("nav", links, aria_label="Further pages"),
        tag("p", facts, name(about.instance_id)),
    )
