"""Many accounts: each in a line, the most urgent first, and their sums."""

from __future__ import annotations

from math import inf

import msgspec

from exporter.metrics import catalogue as c
from exporter.web.diagnosis import Problem
from exporter.web.figures import TONES, Figure, Subject, Tone, worst
from exporter.web.formats import about, ago, money, plural

ROWS = 100
"""Accounts on one page of the overview."""


class Summary(msgspec.Struct, frozen=True):
    """One account in a line. `urgency` sorts: the account that needs somebody first is least."""

    subject: Subject
    tone: Tone
    state: str
    answered: str
    urgency: tuple[int, float, float, str]


class Overview(msgspec.Struct, frozen=True):
    """Many accounts, the most urgent first: one page of `pages`."""

    accounts: int
    counts: list[tuple[Tone, int]]
    total: Figure
    shortest: Figure
    rows: list[Summary]
    page: int
    pages: int


def summarize(subject: Subject, problems: tuple[Problem, ...]) -> Summary:
    """The account's line. `problems` are its own, the worst first."""
    answers = [s.last_success for s in subject.live.endpoints.values() if s.last_success]
    tone = worst(*(problem.tone for problem in problems), Tone.OK if answers else Tone.WAIT)
    state = "Fine" if tone is Tone.OK else "Waiting for the first answer"
    runway, balance = subject.points.value(c.WALLET_RUNWAY), subject.points.value(c.WALLET_BALANCE)
    thresholds = (
        inf if balance is None else balance / (subject.points.value(c.WALLET_THRESHOLD) or 1.0)
    )
    return Summary(
        subject,
        tone,
        problems[0].title if problems else state,
        ago(max(answers), subject.now) if answers else "never",
        (TONES.index(tone), inf if runway is None else runway, thresholds, subject.live.name),
    )


def survey(rows: list[Summary], wanted: int) -> Overview:
    """The page number `wanted`, from 1, or the one that is closest to it."""
    pages = max(1, -(-len(rows) // ROWS))
    page = min(max(1, wanted), pages)
    ranked = sorted(rows, key=lambda row: row.urgency)
    subjects = [row.subject for row in rows]
    return Overview(
        accounts=len(rows),
        counts=[(tone, sum(row.tone is tone for row in rows)) for tone in Tone],
        total=_total(subjects),
        shortest=_shortest(subjects),
        rows=ranked[(page - 1) * ROWS : page * ROWS],
        page=page,
        pages=pages,
    )


def _total(subjects: list[Subject]) -> Figure:
    """What is left in all wallets; a wallet that two accounts read counts once."""
    wallets: dict[tuple[str, str], float] = {}
    unknown = 0
    for subject in subjects:
        balance = subject.points.value(c.WALLET_BALANCE)
        if balance is None:
            unknown += 1
            continue
        url = subject.account.base_url if subject.account else ""
        wallets[url, subject.live.user_id or f"account {subject.live.name}"] = balance
    if not wallets:
        return Figure(why="no account's balance is known")
    missing = f"{plural(unknown, 'account')} unknown" if unknown else None
    return Figure(money(sum(wallets.values())), why=missing)


def _shortest(subjects: list[Subject]) -> Figure:
    runways = [(s.points.value(c.WALLET_RUNWAY), s.live.name) for s in subjects]
    seconds, name = min((r for r in runways if r[0] is not None), default=(None, ""))
    if seconds is None:
        return Figure(why="no account's runway is known")
    return Figure(about(seconds), why=name)
