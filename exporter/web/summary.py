"""One account in a line: what is left, how long it lasts, how bad it is."""

from __future__ import annotations

from math import inf

import msgspec

from exporter.config.types import Account, Config
from exporter.gateway.readings import AccountReading, Endpoint
from exporter.ledger.totals import AccountTotals
from exporter.live import LiveAccount, Sample, is_stale
from exporter.web.model import TONES, Bar, Figure, Problem, Summary, Tone, worst
from exporter.web.words import about, ago, money, percent, span

COMFORT = 4
"""The balance bar is full at this many times the low-balance threshold."""


class Subject(msgspec.Struct, frozen=True):
    """One account as it stands at `now`. `totals` None: the state could not be read."""

    live: LiveAccount
    totals: AccountTotals | None
    account: Account | None
    config: Config
    now: float

    @property
    def reading(self) -> AccountReading | None:
        """The newest answer of the account endpoint, however old."""
        return self.live.account

    @property
    def stale(self) -> str | None:
        """The age of the account reading in words if it is too old, else None."""
        status = self.live.endpoints.get(Endpoint.ACCOUNT)
        if self.reading is None or status is None:
            return None
        at = self.reading.observed_at
        old = status.stale(self.now) or status.outdated(at, self.now)
        return span(self.now - at) if old else None

    def envelope_stale(self, reading: Sample) -> str | None:
        """The age of a number of an envelope if it is too old: polls or the tap renew it."""
        if not is_stale(reading.observed_at, self.live.interval, self.now):
            return None
        return span(self.now - reading.observed_at)


def wallet_figure(subject: Subject, nanos: int | None) -> Figure:
    """An amount of the account reading."""
    if nanos is not None:
        return Figure(money(nanos), stale=subject.stale)
    if subject.reading is not None:
        return Figure(why="the gateway did not say")
    status = subject.live.endpoints.get(Endpoint.ACCOUNT)
    failed = status is not None and status.last_error is not None
    return Figure(why="no poll has succeeded yet" if failed else "waiting for the first answer")


def runway_figure(subject: Subject) -> Figure:
    """How long the balance lasts."""
    if subject.totals is None:
        return Figure(why="the state could not be read")
    if subject.totals.runway is None:
        window = span(subject.config.runway.window)
        return Figure(why=f"nothing spent in the last {window}, or not watched for long enough")
    return Figure(about(subject.totals.runway), stale=subject.stale)


def summarize(subject: Subject, problems: tuple[Problem, ...]) -> Summary:
    """The account's line. `problems` are its own."""
    reading = subject.reading
    waiting = not _answered(subject.live)
    tone = worst((*(p.tone for p in problems), Tone.WAIT if waiting else Tone.OK))
    return Summary(
        name=subject.live.name,
        tone=tone,
        state=_state(tone, problems),
        balance=wallet_figure(subject, reading.available if reading else None),
        bar=balance_bar(reading),
        low=bool(reading and reading.low_balance_flagged),
        runway=runway_figure(subject),
        spent=wallet_figure(subject, reading.lifetime_spent if reading else None),
        answered=_last_answer(subject),
        urgency=_urgency(subject, tone),
    )


def _answered(live: LiveAccount) -> bool:
    return any(status.last_success is not None for status in live.endpoints.values())


def _state(tone: Tone, problems: tuple[Problem, ...]) -> str:
    if problems:
        return next(problem.title for problem in problems if problem.tone is tone)
    return "Waiting for the first answer" if tone is Tone.WAIT else "Fine"


def balance_bar(reading: AccountReading | None) -> Bar | None:
    """The balance on a scale that ends at `COMFORT` thresholds, the threshold marked."""
    if reading is None or reading.available is None or not reading.low_balance_threshold:
        return None
    full = COMFORT * max(0, reading.low_balance_threshold)
    share = max(0.0, min(1.0, reading.available / full)) if full else 1.0
    low = reading.low_balance_flagged or reading.available <= reading.low_balance_threshold
    tone = Tone.BAD if reading.available <= 0 else Tone.WARN if low else Tone.OK
    label = f"balance, {percent(share)} of {COMFORT} low-balance thresholds"
    return Bar(share, label, tone, mark=1 / COMFORT)


def _last_answer(subject: Subject) -> str:
    times = [s.last_success for s in subject.live.endpoints.values() if s.last_success is not None]
    return ago(max(times), subject.now) if times else "never"


def _urgency(subject: Subject, tone: Tone) -> tuple[int, float, float, str]:
    runway = subject.totals.runway if subject.totals else None
    reading = subject.reading
    ratio = inf
    if reading and reading.available is not None:
        ratio = reading.available / max(1, reading.low_balance_threshold or 1)
    return (TONES.index(tone), inf if runway is None else runway, ratio, subject.live.name)
