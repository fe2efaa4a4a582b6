"""What is wrong, in words that say what to do. Without a problem the page has no banner."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from exporter.config.types import Config
from exporter.errors import Outcome
from exporter.gateway.readings import AccountReading, Endpoint, ModelQuota
from exporter.live import STALE_INTERVALS, EndpointStatus, Live
from exporter.web.model import TONES, Problem, Tone
from exporter.web.summary import Subject
from exporter.web.words import about, span

RUNWAY_ALARM = 4 * 3600.0
"""A shorter runway (s) is a problem in itself."""

_ADVICE = {
    Outcome.TIMEOUT: (
        "The gateway does not answer in time",
        "Check the network and gateway.timeout. Nothing is lost: it is caught up afterwards.",
    ),
    Outcome.NETWORK: (
        "The gateway cannot be reached",
        "Check gateway.base_url, DNS, and the network or proxy between. "
        "Nothing is lost: it is caught up afterwards.",
    ),
    Outcome.SERVER_ERROR: (
        "The gateway answers with server errors",
        "Its operator has to act. Nothing is lost: it is caught up afterwards.",
    ),
    Outcome.BAD_RESPONSE: (
        "The gateway's answers make no sense",
        "Check that base_url leads to the gateway itself and not to a login page or a proxy.",
    ),
    Outcome.BAD_REQUEST: (
        "The gateway does not know what it is asked",
        "Check base_url, and whether usage.mode fits this gateway.",
    ),
}


def account_problems(subject: Subject) -> tuple[Problem, ...]:
    """What is wrong with one account, worst first."""
    found = [*_endpoint_problems(subject), *_money_problems(subject), *_cap_problems(subject)]
    name = (subject.live.name,)
    named = (msgspec.structs.replace(problem, accounts=name) for problem in found)
    return tuple(sorted(named, key=_order))


def exporter_problems(
    live: Live, config: Config, totals_error: str | None, now: float
) -> tuple[Problem, ...]:
    """What is wrong with the exporter itself."""
    found: list[Problem] = []
    if not live.state_writable:
        advice = "Free or repair the disk below state.path. Nothing is counted until then."
        found.append(Problem(Tone.BAD, "The state cannot be written", advice, live.state_error))
    if totals_error is not None:
        advice = "Check the disk below state.path, and the exporter's log."
        found.append(Problem(Tone.BAD, "The state cannot be read", advice, totals_error))
    found.extend(export_problems(live, config, now))
    return tuple(found)


def grouped(problems: Iterable[Problem]) -> tuple[Problem, ...]:
    """The same problem of many accounts as one, worst first."""
    groups: dict[tuple[Tone, str, str], list[Problem]] = {}
    for problem in problems:
        groups.setdefault((problem.tone, problem.title, problem.advice), []).append(problem)
    return tuple(sorted(map(_merged, groups.values()), key=_order))


def _merged(same: list[Problem]) -> Problem:
    accounts = dict.fromkeys(name for problem in same for name in problem.accounts)
    first = same[0]
    detail = first.detail
    if detail is not None and len(accounts) > 1:
        detail = f"for example {first.accounts[0]}: {detail}"
    return msgspec.structs.replace(first, accounts=tuple(accounts), detail=detail)


def _order(problem: Problem) -> int:
    return TONES.index(problem.tone)


def _endpoint_problems(subject: Subject) -> list[Problem]:
    found: dict[str, Problem] = {}
    for endpoint, status in subject.live.endpoints.items():
        problem = _endpoint_problem(subject, endpoint, status)
        if problem is not None:
            found.setdefault(problem.title, problem)
    return list(found.values())


def _endpoint_problem(
    subject: Subject, endpoint: Endpoint, status: EndpointStatus
) -> Problem | None:
    old = status.stale(subject.now)
    if status.last_error is None:
        silent = old and (status.last_success is not None or status.behind is not None)
        return _silent(endpoint, status) if silent else None
    detail = f"{endpoint}: {status.last_error}"
    if status.last_outcome is Outcome.AUTH:
        return Problem(Tone.BAD, "The gateway refuses the key", _key_advice(subject), detail)
    if status.last_outcome is Outcome.RATE_LIMITED:
        title, advice = _limited(status)
    else:
        title, advice = _ADVICE.get(
            status.last_outcome or Outcome.BAD_RESPONSE, _ADVICE[Outcome.BAD_RESPONSE]
        )
    return Problem(Tone.BAD if old else Tone.WARN, title, advice, detail)


def _silent(endpoint: Endpoint, status: EndpointStatus) -> Problem:
    if status.behind is not None:
        advice = (
            "Nothing to do but to wait: counters grow until then. A larger "
            "gateway.max_requests_per_minute makes it faster."
        )
        detail = f"{endpoint}: {span(status.behind)} are left to read"
        return Problem(Tone.WARN, "History is being caught up", advice, detail)
    advice = "Polls have stopped or hang. If the log does not say why, restart the exporter."
    detail = f"{endpoint}: no poll has ended for {STALE_INTERVALS} × {span(status.interval)}"
    return Problem(Tone.BAD, "An endpoint is not polled", advice, detail)


def _limited(status: EndpointStatus) -> tuple[str, str]:
    if status.up:
        return "The wallet or the key's cap is empty", "Top up the wallet or raise the key's cap."
    return (
        "The gateway limits the rate of requests",
        "It is asked again when the window resets. If this stays, lower "
        "gateway.max_requests_per_minute or look who else uses the key.",
    )


def _key_advice(subject: Subject) -> str:
    account = subject.account
    where, then = "its configuration", "restart the exporter"
    if account is not None and account.api_key_env is not None:
        where = f"the environment variable {account.api_key_env}"
    elif account is not None and account.api_key_file is not None:
        where, then = str(account.api_key_file), "the new key is noticed by itself"
    return (
        "The key is wrong, revoked or expired, this address is not allowed, or the organization "
        f"is paused. Put a valid key into {where}; {then}."
    )


def _money_problems(subject: Subject) -> list[Problem]:
    reading, stale = subject.reading, subject.stale
    if reading is None or stale is not None:
        return []
    if reading.available is not None and reading.available <= 0:
        return [
            Problem(Tone.BAD, "The wallet is empty", "Calls are refused until it is topped up.")
        ]
    found: list[Problem] = []
    if _low(reading):
        advice = "Top up before calls are refused."
        found.append(Problem(Tone.WARN, "The balance is low", advice))
    runway = subject.totals.runway if subject.totals else None
    if runway is not None and runway < RUNWAY_ALARM:
        advice = "Top up, or find out which key or model spends so much."
        detail = f"{about(runway)} at the present rate"
        found.append(Problem(Tone.WARN, "The balance will not last long", advice, detail))
    return found


def _low(reading: AccountReading) -> bool:
    if reading.low_balance_flagged is not None:
        return reading.low_balance_flagged
    known = reading.available is not None and reading.low_balance_threshold is not None
    return known and (reading.available or 0) <= (reading.low_balance_threshold or 0)


def _cap_problems(subject: Subject) -> list[Problem]:
    found: list[Problem] = []
    for key_id, key in subject.live.keys.items():
        cap, left, reset = key.key_quota_remaining, key.remaining, key.reset_at
        if cap is not None and cap.value <= 0 and not subject.envelope_stale(cap):
            found.append(
                Problem(Tone.BAD, "A key's lifetime cap is reached", "Raise the cap.", key_id)
            )
        window_open = reset is not None and reset.value > subject.now
        if left is not None and left.value <= 0 and window_open:
            advice = "Calls with it are refused until the window resets."
            found.append(Problem(Tone.WARN, "A key's spend window is used up", advice, key_id))
    full = [m.model for m in _models(subject) if m.used is not None and m.cap and m.used >= m.cap]
    if full:
        names = ", ".join(full[:3]) + (f" and {len(full) - 3} more" if len(full) > 3 else "")
        found.append(Problem(Tone.WARN, "A model's cap is reached", "Raise the cap.", names))
    return found


def _models(subject: Subject) -> tuple[ModelQuota, ...]:
    return subject.reading.models if subject.reading and subject.stale is None else ()


def export_problems(live: Live, config: Config, now: float) -> list[Problem]:
    """What is wrong with the OTLP exports at `now` (Unix s). Nothing where they are turned off."""
    if not config.otlp.endpoint:
        return []
    exports = live.exports
    patience = STALE_INTERVALS * config.otlp.interval + config.otlp.timeout
    old = now - (exports.last_success or live.started_at) > patience
    if exports.last_error is not None:
        advice = (
            "Check otlp.endpoint, its credentials and the receiver's log. Nothing is lost: "
            "the next export that succeeds carries all growth."
        )
        tone = Tone.BAD if old or exports.last_success is None else Tone.WARN
        return [Problem(tone, "Exports do not succeed", advice, exports.last_error)]
    if old:
        advice = "If the log does not say why, restart the exporter. Nothing is lost."
        since = f"none has ended for {span(patience)}"
        return [Problem(Tone.BAD, "Exports have stopped", advice, since)]
    return []
