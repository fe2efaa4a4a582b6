"""Live, totals and configuration → what the page says."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from urllib.parse import urlsplit

import msgspec

from exporter import __version__
from exporter.config.types import Otlp
from exporter.ledger.totals import AccountTotals
from exporter.web.detail import detail
from exporter.web.model import (
    About,
    Choice,
    Exports,
    Figure,
    Overview,
    Page,
    Problem,
    Summary,
    Tone,
    worst,
)
from exporter.web.problems import account_problems, export_problems, exporter_problems, grouped
from exporter.web.summary import Subject, runway_figure, summarize
from exporter.web.view import View
from exporter.web.words import ago, money, plural, span, time_of_day

ROWS = 100
"""Accounts on one page of the overview."""


def build(
    view: View, totals: Mapping[str, AccountTotals] | str, now: float, choice: Choice
) -> Page:
    """The page at `now` (Unix s). `totals` in words where they could not be read."""
    problem = totals if isinstance(totals, str) else None
    subjects = _subjects(view, {} if isinstance(totals, str) else totals, problem is None, now)
    own = exporter_problems(view.live, view.config, problem, now)
    wanted = choice.account
    if wanted is None and len(subjects) == 1:
        wanted = next(iter(subjects))
    if wanted is None:
        return _overview_page(view, tuple(subjects.values()), own, choice, now)
    return _account_page(view, subjects.get(wanted), own, wanted, choice, now)


def _subjects(
    view: View, totals: Mapping[str, AccountTotals], readable: bool, now: float
) -> dict[str, Subject]:
    configured = {account.name: account for account in view.config.accounts}
    return {
        name: Subject(
            live=live,
            totals=totals.get(name, AccountTotals()) if readable else None,
            account=configured.get(name),
            config=view.config,
            now=now,
        )
        for name, live in view.live.accounts.items()
    }


def _account_page(
    view: View,
    subject: Subject | None,
    own: tuple[Problem, ...],
    name: str,
    choice: Choice,
    now: float,
) -> Page:
    problems = account_problems(subject) if subject else ()
    shown = detail(subject, problems) if subject else None
    balance = shown.summary.balance.text if shown else None
    page = _frame(view, grouped((*own, *problems)), choice, now)
    return msgspec.structs.replace(
        page,
        title=f"{balance} · {name}" if balance else name,
        detail=shown,
        missing=None if subject else name,
    )


def _overview_page(
    view: View, subjects: tuple[Subject, ...], own: tuple[Problem, ...], choice: Choice, now: float
) -> Page:
    problems = [account_problems(subject) for subject in subjects]
    rows = [summarize(*pair) for pair in zip(subjects, problems, strict=True)]
    overview = _overview(subjects, sorted(rows, key=lambda row: row.urgency), choice.page)
    everything = (*own, *(problem for found in problems for problem in found))
    title = f"{overview.total.text or 'Balance unknown'} · {plural(len(rows), 'account')}"
    page = _frame(view, grouped(everything), choice, now)
    return msgspec.structs.replace(page, title=title, overview=overview)


def _overview(subjects: tuple[Subject, ...], rows: list[Summary], wanted: int) -> Overview:
    pages = max(1, -(-len(rows) // ROWS))
    page = min(max(1, wanted), pages)
    return Overview(
        accounts=len(rows),
        counts=tuple((tone, sum(row.tone is tone for row in rows)) for tone in Tone),
        total=_total(subjects),
        shortest=_shortest(subjects),
        rows=tuple(rows[(page - 1) * ROWS : page * ROWS]),
        page=page,
        pages=pages,
    )


def _frame(view: View, problems: tuple[Problem, ...], choice: Choice, now: float) -> Page:
    """What every page has, around the content that it still lacks."""
    exports = _exports(view, now)
    return Page(
        title="",
        tone=worst((*(problem.tone for problem in problems), exports.tone)),
        choice=choice,
        many=len(view.live.accounts) > 1,
        problems=problems,
        exports=exports,
        about=_about(view, now),
    )


def _total(subjects: Iterable[Subject]) -> Figure:
    """What is left in all wallets; a wallet that two accounts read counts once."""
    wallets: dict[tuple[str, str], int] = {}
    unknown = 0
    for subject in subjects:
        reading = subject.reading
        if reading is None or reading.available is None or subject.stale:
            unknown += 1
            continue
        url = subject.account.base_url if subject.account else ""
        wallets[url, reading.user_id or f"account {subject.live.name}"] = reading.available
    if not wallets:
        return Figure(why="no balance has been read")
    missing = f"{plural(unknown, 'account')} unknown" if unknown else None
    return Figure(money(sum(wallets.values())), why=missing)


def _shortest(subjects: Iterable[Subject]) -> Figure:
    known = [(s.totals.runway, s) for s in subjects if s.totals and s.totals.runway is not None]
    if not known:
        return Figure(why="no account's runway is known")
    _, subject = min(known, key=lambda item: item[0])
    return Figure(runway_figure(subject).text, why=subject.live.name)


def _exports(view: View, now: float) -> Exports:
    exports = view.live.exports
    problems = export_problems(view.live, view.config, now)
    tone = worst(tuple(problem.tone for problem in problems))
    state = "failing" if problems else "fine"
    if not view.config.otlp.endpoint:
        state = "turned off"
    elif tone is Tone.OK and exports.last_success is None:
        tone, state = Tone.WAIT, "waiting for the first export"
    error = None
    if state == "failing" and exports.last_error is not None and exports.last_error_at is not None:
        error = f"{ago(exports.last_error_at, now)}: {exports.last_error}"
    return Exports(
        tone=tone,
        state=state,
        endpoint=_address(view.config.otlp),
        last_success="never" if exports.last_success is None else ago(exports.last_success, now),
        outcomes=tuple((outcome.value, number) for outcome, number in exports.outcomes.items()),
        error=error,
    )


def _address(otlp: Otlp) -> str:
    """The receiver's address without what could be a secret: user, password and query."""
    if not otlp.endpoint:
        return 'none: otlp.endpoint is ""'
    try:
        parts = urlsplit(otlp.endpoint)
    except ValueError:
        return "the configured endpoint"
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def _about(view: View, now: float) -> About:
    return About(
        version=__version__,
        uptime=span(now - view.live.started_at),
        instance_id=view.instance_id,
        made_at=time_of_day(now),
    )
