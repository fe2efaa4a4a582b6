"""Many accounts: each in a line, the most urgent first, and their sums."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf

import msgspec

from exporter.secrets import Secret
from exporter.web.diagnosis import Problem
from exporter.web.figures import TONES, Figure, Subject, Tone, worst
from exporter.web.formats import about, ago, money, plural


class Summary(msgspec.Struct, frozen=True):
    """One account in a line. `urgency` sorts: the account that needs somebody first is least."""

    subject: Subject
    tone: Tone
    state: str
    answered: str
    urgency: tuple[int, float, float, str]


def summarize(subject: Subject, problems: tuple[Problem, ...]) -> Summary:
    """The account's line. `problems` are its own, the worst first."""
    answers = [s.last_success for s in subject.live.endpoints.values() if s.last_success]
    tone = worst(*(problem.tone for problem in problems), Tone.OK if answers else Tone.WAIT)
    state = "Fine" if tone is Tone.OK else "Waiting for the first answer"
    runway, balance = subject.runway_seconds, subject.balance_usd
    thresholds = inf if balance is None else balance / (subject.threshold or 1.0)
    return Summary(
        subject,
        tone,
        problems[0].title if problems else state,
        ago(max(answers), subject.now) if answers else "never",
        (TONES.index(tone), inf if runway is None else runway, thresholds, subject.live.name),
    )


def total_balance(subjects: Sequence[Subject]) -> Figure:
    """What is left in all wallets that pay; one that two accounts read counts once."""
    wallets: dict[tuple[str, str | Secret], float] = {}
    unknown = 0
    for subject in subjects:
        balance = subject.balance_usd
        if balance is None:
            unknown += 1
            continue
        wallets[_wallet(subject)] = balance
    if not wallets:
        return Figure(why="no account's balance is known")
    missing = f"{plural(unknown, 'account')} unknown" if unknown else None
    return Figure(money(sum(wallets.values())), why=missing)


def _wallet(subject: Subject) -> tuple[str, str | Secret]:
    """Tells the wallet that pays from all others: its gateway, and whose it is there."""
    live, reading = subject.live, subject.live.account
    gateway, whose = live.wallet or ("", f"account {live.name}")
    if subject.organization_pays and reading is not None:
        organization = reading.organization
        return gateway, whose if organization is None else f"organization {organization.id}"
    return gateway, live.user_id or whose


def shortest_runway(subjects: Sequence[Subject]) -> Figure:
    runways = [(s.runway_seconds, s.live.name) for s in subjects]
    seconds, name = min((r for r in runways if r[0] is not None), default=(None, ""))
    if seconds is None:
        return Figure(why="no account's runway is known")
    return Figure(about(seconds), why=name)
