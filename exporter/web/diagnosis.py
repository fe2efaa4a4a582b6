"""What is wrong, in words that say what to do. Without a problem the page has no banner."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from exporter.errors import Outcome
from exporter.gateway.readings import Endpoint
from exporter.live import STALE_INTERVALS, EndpointStatus
from exporter.metrics import catalogue as c
from exporter.web.figures import TONES, Subject, Tone, worst
from exporter.web.formats import about, money, span
from exporter.web.view import View


class Problem(msgspec.Struct, frozen=True):
    """Something is wrong: what, what to do, in what words it was reported, for which accounts."""

    tone: Tone
    title: str
    advice: str
    detail: str | None = None
    accounts: tuple[str, ...] = ()


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
    Outcome.RATE_LIMITED: (
        "The gateway limits the rate of requests",
        "It is asked again when the window resets. If this stays, lower "
        "gateway.max_requests_per_minute or look who else uses the key.",
    ),
}
_OUT_OF_MONEY = (
    "The wallet or the key's cap is empty",
    "Top up the wallet or raise the key's cap.",
)


def account_problems(subject: Subject) -> tuple[Problem, ...]:
    """What is wrong with one account, worst first."""
    found = [*_endpoint_problems(subject), *_wallet_problems(subject), *_limit_problems(subject)]
    name = (subject.live.name,)
    named = (msgspec.structs.replace(problem, accounts=name) for problem in found)
    return tuple(sorted(named, key=lambda problem: TONES.index(problem.tone)))


def exporter_problems(view: View, totals_error: str | None, now: float) -> tuple[Problem, ...]:
    """What is wrong with the exporter itself. `totals_error`: why the state cannot be read."""
    live = view.live
    found: list[Problem] = []
    if not live.state_writable:
        advice = "Free or repair the disk below state.path. Nothing is counted until then."
        found.append(Problem(Tone.BAD, "The state cannot be written", advice, live.state_error))
    if totals_error is not None:
        advice = "Check the disk below state.path, and the exporter's log."
        found.append(Problem(Tone.BAD, "The state cannot be read", advice, totals_error))
    found.extend(_export_problems(view, now))
    return tuple(found)


def grouped(problems: Iterable[Problem]) -> tuple[Problem, ...]:
    """The same problem of many accounts as one, worst first."""
    groups: dict[tuple[Tone, str, str], list[Problem]] = {}
    for problem in problems:
        groups.setdefault((problem.tone, problem.title, problem.advice), []).append(problem)
    return tuple(
        sorted(map(_merged, groups.values()), key=lambda problem: TONES.index(problem.tone))
    )


def _merged(same: list[Problem]) -> Problem:
    accounts = dict.fromkeys(name for problem in same for name in problem.accounts)
    first = same[0]
    detail = first.detail
    if detail is not None and len(accounts) > 1:
        detail = f"for example {first.accounts[0]}: {detail}"
    return msgspec.structs.replace(first, accounts=tuple(accounts), detail=detail)


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
    outcome = status.last_outcome or Outcome.BAD_RESPONSE
    title, advice = _ADVICE.get(outcome, _ADVICE[Outcome.BAD_RESPONSE])
    if status.up:  # the gateway works and answers 402
        title, advice = _OUT_OF_MONEY
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


def _wallet_problems(subject: Subject) -> list[Problem]:
    """What the balance, its runway and the organization's wallet say, by the alerts' thresholds."""
    limits = subject.config.thresholds
    found = _balance_problems(subject) if subject.has_wallet else []
    organization = subject.points.value(c.ORGANIZATION_BALANCE)
    if organization is not None and organization < limits.organization_balance_usd:
        advice = "Top it up: every key that the organization owns stops when it is empty."
        detail = f"{money(organization)} are left"
        found.append(Problem(Tone.BAD, "The organization's wallet is low", advice, detail))
    drift = subject.points.value(c.LEDGER_DRIFT)
    if drift is not None and abs(drift) > limits.ledger_drift_usd:
        advice = "BytespikeLedgerDrift in docs/runbook.md says how to find the cause."
        detail = f"{money(drift)} apart"
        found.append(Problem(Tone.WARN, "Wallet and counted usage part", advice, detail))
    return found


def _balance_problems(subject: Subject) -> list[Problem]:
    limits = subject.config.thresholds
    balance = subject.points.value(c.WALLET_BALANCE)
    if balance is not None and balance <= 0:
        advice = "Calls are refused until it is topped up."
        return [Problem(Tone.BAD, "The wallet is empty", advice)]
    found: list[Problem] = []
    under = balance is not None and balance < limits.balance_floor_usd
    if under or subject.low:
        tone = Tone.BAD if under else Tone.WARN
        detail = f"under {money(limits.balance_floor_usd)}" if under else None
        found.append(
            Problem(tone, "The balance is low", "Top up before calls are refused.", detail)
        )
    runway = subject.points.value(c.WALLET_RUNWAY)
    if runway is not None and runway < limits.runway_warning_hours * 3600:
        tone = Tone.BAD if runway < limits.runway_critical_hours * 3600 else Tone.WARN
        advice = "Top up, or find out which key or model spends so much."
        detail = f"{about(runway)} at the present rate"
        found.append(Problem(tone, "The balance will not last long", advice, detail))
    return found


def _limit_problems(subject: Subject) -> list[Problem]:
    limits, points = subject.config.thresholds, subject.points
    found: list[Problem] = []
    for (key,), left in points.of(c.KEY_REMAINING).items():
        if left <= 0:
            title = "A key's lifetime cap is reached"
            found.append(Problem(Tone.BAD, title, "Raise the cap.", key))
        elif left < limits.key_quota_remaining_usd:
            title, detail = "A key's lifetime cap is nearly reached", f"{key}: {money(left)} left"
            found.append(Problem(Tone.WARN, title, "Raise the cap.", detail))
    for (key,), left in points.of(c.RATE_REMAINING).items():
        advice = "Calls with it are refused until the window resets."
        cap = points.value(c.RATE_LIMIT, key) or 0.0
        if left <= 0:
            found.append(Problem(Tone.WARN, "A key's spend window is used up", advice, key))
        elif left < limits.rate_limit_remaining_ratio * cap:
            title, detail = "A key's spend window is nearly used up", f"{key}: {money(left)} left"
            found.append(Problem(Tone.WARN, title, "Calls are refused once it is.", detail))
    shares = points.of(c.QUOTA_UTILIZATION)
    full = [model for (model,), share in shares.items() if share >= 1]
    if full:
        found.append(Problem(Tone.WARN, "A model's cap is reached", "Raise the cap.", _some(full)))
    least = limits.model_quota_utilization_ratio
    nearly = [model for (model,), share in shares.items() if least < share < 1]
    if nearly:
        title = "A model's cap is nearly reached"
        found.append(Problem(Tone.WARN, title, "Raise the cap.", _some(nearly)))
    return found


def _some(names: list[str | None]) -> str:
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(filter(None, names[:3])) + more


def endpoint_state(status: EndpointStatus, now: float) -> tuple[Tone, str]:
    """How an endpoint's polls go, in a word."""
    if status.behind is not None and status.last_error is None:
        return (Tone.WAIT, "catching up")
    if status.up is None:
        return (Tone.WAIT, "not polled yet")
    if status.last_success is None:
        return (Tone.BAD, "never answered")
    if status.stale(now):
        return (Tone.BAD, "stale")
    return (Tone.WARN, "failing") if status.last_error is not None else (Tone.OK, "fine")


def exports_state(view: View, now: float) -> tuple[Tone, str]:
    """How the OTLP exports go, in a word."""
    if not view.config.otlp.endpoint:
        return (Tone.OK, "turned off")
    if problems := _export_problems(view, now):
        return (worst(*(problem.tone for problem in problems)), "failing")
    if view.live.exports.last_success is None:
        return (Tone.WAIT, "waiting for the first export")
    return (Tone.OK, "fine")


def _export_problems(view: View, now: float) -> list[Problem]:
    otlp, exports = view.config.otlp, view.live.exports
    if not otlp.endpoint:
        return []
    patience = STALE_INTERVALS * otlp.interval + otlp.timeout
    old = now - (exports.last_success or view.live.started_at) > patience
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
