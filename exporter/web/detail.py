"""Everything about one account."""

from __future__ import annotations

from exporter.errors import Outcome
from exporter.gateway.readings import AccountReading, Endpoint, ModelQuota
from exporter.ledger.totals import AccountTotals
from exporter.live import EndpointStatus, KeyReadings, RowOutcome, Sample
from exporter.web.model import (
    Bar,
    Detail,
    EndpointRow,
    Figure,
    LimitRow,
    Note,
    Problem,
    Tone,
)
from exporter.web.spend import movements, spend
from exporter.web.summary import Subject, summarize, wallet_figure
from exporter.web.traffic import traffic
from exporter.web.words import ago, ahead, count, instant, money, percent, plural, span

SHOWN_MODELS = 12
"""Model quotas that are shown: those closest to their caps."""

_DATED = 14 * 86_400.0
"""A runway (s) that is longer is not worth a date."""

NEARLY = 0.8
"""A cap or window that is used to this share is coloured."""


def detail(subject: Subject, problems: tuple[Problem, ...]) -> Detail:
    """The account's whole section. `problems` are its own."""
    reading, totals = subject.reading, subject.totals
    models = sorted(reading.models if reading else (), key=_fullness, reverse=True)
    counted = spend(totals) if totals else None
    return Detail(
        summary=summarize(subject, problems),
        waiting=all(status.up is None for status in subject.live.endpoints.values()),
        who=_who(reading),
        balance_note=_balance_note(reading),
        runway_note=_runway_note(subject),
        topup=wallet_figure(subject, reading.lifetime_topup if reading else None),
        organization=_organization(subject),
        limits=tuple(row for item in subject.live.keys.items() for row in _key(subject, *item)),
        models=tuple(_model(subject, model) for model in models[:SHOWN_MODELS]),
        models_hidden=max(0, len(models) - SHOWN_MODELS),
        spend=counted,
        spend_missing=None if counted else _spend_missing(subject),
        movements=movements(totals, subject.now) if totals else (),
        traffic=traffic(subject.live.traffic, subject.now),
        endpoints=tuple(_endpoint(e, s, subject.now) for e, s in subject.live.endpoints.items()),
        notes=_notes(subject, totals) if totals else (),
    )


def _who(reading: AccountReading | None) -> str | None:
    if reading is None:
        return None
    organization = reading.organization
    parts = [f"{organization.name} ({organization.role})"] if organization else []
    parts += [f"{reading.tier} tier"] if reading.tier else []
    return " · ".join(parts) or None


def _balance_note(reading: AccountReading | None) -> str | None:
    if reading is None or reading.low_balance_threshold is None:
        return None
    return f"low at {money(reading.low_balance_threshold)}"


def _runway_note(subject: Subject) -> str | None:
    runway = subject.totals.runway if subject.totals else None
    if runway is None or subject.reading is None or subject.reading.available is None:
        return None
    window = span(subject.config.runway.window)
    if runway <= 0:
        return f"at the spend of the last {window}"
    hourly = money(round(subject.reading.available / runway * 3600))
    rate = f"{hourly} an hour, as in the last {window}"
    if runway > _DATED or subject.stale is not None:
        return rate
    return f"{rate}; empty {instant(subject.now + runway)}"


def _organization(subject: Subject) -> Figure | None:
    """The organization's wallet: whichever key read it last."""
    read = [key.org_quota_remaining for key in subject.live.keys.values()]
    known = [reading for reading in read if reading is not None]
    if not known:
        return None
    return _envelope_figure(subject, max(known, key=lambda reading: reading.observed_at))


def _envelope_figure(subject: Subject, reading: Sample) -> Figure:
    return Figure(money(int(reading.value)), stale=subject.envelope_stale(reading))


def _key(subject: Subject, key_id: str, key: KeyReadings) -> list[LimitRow]:
    rows: list[LimitRow] = []
    if key.remaining is not None or key.limit is not None:
        rows.append(_window(subject, key_id, key))
    cap = key.key_quota_remaining
    if cap is not None:
        rows.append(LimitRow(key_id, "lifetime cap", _envelope_figure(subject, cap), "left"))
    return rows


def _window(subject: Subject, key_id: str, key: KeyReadings) -> LimitRow:
    notes = [f"left of {money(int(key.limit.value))}"] if key.limit else ["left"]
    if key.reset_at is not None:
        notes.append(f"resets {ahead(key.reset_at.value, subject.now)}")
    if _reset_since(key, subject.now):
        return LimitRow(key_id, "spend window", Figure(why="it has reset since it was read"))
    if key.remaining is None:
        return LimitRow(key_id, "spend window", Figure(why="not said"), ", ".join(notes))
    bar = None
    if key.limit is not None and key.limit.value > 0:
        left = max(0.0, min(1.0, key.remaining.value / key.limit.value))
        bar = Bar(left, f"{percent(left)} of the spend window left", _tone(1 - left))
    figure = _envelope_figure(subject, key.remaining)
    return LimitRow(key_id, "spend window", figure, ", ".join(notes), bar)


def _reset_since(key: KeyReadings, now: float) -> bool:
    """Whether what was left has been replaced by a new window that nobody has read yet."""
    if key.remaining is None or key.reset_at is None:
        return False
    return key.remaining.observed_at < key.reset_at.value <= now


def _tone(used: float) -> Tone:
    return Tone.BAD if used >= 1 else Tone.WARN if used >= NEARLY else Tone.OK


def _fullness(model: ModelQuota) -> tuple[float, int]:
    share = (model.used or 0) / model.cap if model.cap else -1.0
    return (share, model.used or 0)


def _model(subject: Subject, model: ModelQuota) -> LimitRow:
    figure = Figure(why="the gateway did not say")
    if model.used is not None:
        figure = Figure(money(model.used), stale=subject.stale)
    if model.cap is None:
        return LimitRow(model.model, "model", figure, "used, no cap")
    bar = None
    if model.used is not None and model.cap > 0:
        used = max(0.0, model.used / model.cap)
        bar = Bar(min(1.0, used), f"{percent(used)} of the cap used", _tone(used))
    return LimitRow(model.model, "model", figure, f"used of {money(model.cap)}", bar)


def _spend_missing(subject: Subject) -> str:
    if subject.totals is None:
        return "Unknown: the state could not be read."
    status = subject.live.endpoints.get(Endpoint.USAGE)
    if status is None:
        return "Not counted: usage.enabled is off."
    if status.last_success is None:
        return "Unknown until the usage endpoint has answered for the first time."
    return "No call has been billed since counting began."


def _endpoint(endpoint: Endpoint, status: EndpointStatus, now: float) -> EndpointRow:
    tone, state = _endpoint_state(status, now)
    polls = sum(status.polls.values())
    failed = polls - status.polls.get(Outcome.SUCCESS, 0)
    mean = status.duration.sum / polls if polls else None
    return EndpointRow(
        name=endpoint.value,
        tone=tone,
        state=state,
        last_success="never" if status.last_success is None else ago(status.last_success, now),
        next_poll="not planned" if status.next_poll is None else ahead(status.next_poll, now),
        polls=f"{plural(polls, 'poll')}, {count(failed)} failed",
        duration="unknown" if mean is None else _seconds(mean),
        error=_endpoint_error(status, now),
    )


def _endpoint_state(status: EndpointStatus, now: float) -> tuple[Tone, str]:
    if status.behind is not None and status.last_error is None:
        return (Tone.WAIT, "catching up")
    if status.up is None:
        return (Tone.WAIT, "not polled yet")
    if status.last_success is None:
        return (Tone.BAD, "never answered")
    if status.stale(now):
        return (Tone.BAD, "stale")
    return (Tone.WARN, "failing") if status.last_error is not None else (Tone.OK, "fine")


def _endpoint_error(status: EndpointStatus, now: float) -> str | None:
    if status.last_error is None or status.last_error_at is None:
        return None
    return f"{ago(status.last_error_at, now)}: {status.last_error}"


def _seconds(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"


def _notes(subject: Subject, totals: AccountTotals) -> tuple[Note, ...]:
    """Facts about the counting, those that are not zero."""
    rejected = subject.live.rows[RowOutcome.REJECTED]
    notes = [
        Note("Catching up", span(status.behind), f"of {endpoint} are left to read")
        for endpoint, status in subject.live.endpoints.items()
        if status.behind is not None
    ]
    if totals.drift:
        meaning = "growth of lifetime spend that the counted usage does not explain yet"
        notes.append(Note("Drift", money(totals.drift), meaning))
    if totals.overcount:
        meaning = "taken back by later corrections from counters that may not fall"
        notes.append(Note("Overcount", money(totals.overcount), meaning))
    if totals.folded:
        meaning = 'counted under "other", because usage.max_series is reached'
        notes.append(Note("Folded", f"{count(totals.folded)} keys or models", meaning))
    if rejected:
        meaning = "not understood and not counted; the log names each once"
        notes.append(Note("Rejected", plural(rejected, "usage row"), meaning))
    if totals.wallet_start_ns:
        since = instant(totals.wallet_start_ns / 1_000_000_000)
        notes.append(Note("Wallet", since, "when lifetime spend and top-ups began"))
    return tuple(notes)
