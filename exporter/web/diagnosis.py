"""What is wrong, in words that say what to do. Without a problem the page has no banner."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import msgspec

from exporter.errors import Outcome
from exporter.ledger.credit_unit import Why, in_words
from exporter.metrics import catalogue as c
from exporter.metrics.metric import Metric
from exporter.metrics.points import Attributes
from exporter.status import STALE_INTERVALS
from exporter.web.figures import TONES, Subject, Tone
from exporter.web.formats import about, ago, ahead, money, span
from exporter.web.view import View


class Problem(msgspec.Struct, frozen=True):
    """Something is wrong: what, what to do, in what words it was reported, for which accounts."""

    tone: Tone
    title: str
    advice: str
    detail: str | None = None
    accounts: tuple[str, ...] = ()


# fmt: off
_OUTCOMES = {
    Outcome.AUTH: ("The gateway refuses the key",
        "The key is wrong, revoked or expired, this address is not allowed, or the organization "
        "is paused. Put a valid key into {key}."),
    Outcome.TIMEOUT: ("The gateway does not answer in time",
        "Check the network and gateway.timeout. Nothing is lost: it is caught up afterwards."),
    Outcome.NETWORK: ("The gateway cannot be reached",
        "Check gateway.base_url, DNS, and the network or proxy between. "
        "Nothing is lost: it is caught up afterwards."),
    Outcome.SERVER_ERROR: ("The gateway answers with server errors",
        "Its operator has to act. Nothing is lost: it is caught up afterwards."),
    Outcome.BAD_RESPONSE: ("The gateway's answers make no sense",
        "Check that base_url leads to the gateway itself and not to a login page or a proxy."),
    Outcome.BAD_REQUEST: ("The gateway does not know what it is asked",
        "Check base_url, and whether usage.mode fits this gateway."),
    Outcome.RATE_LIMITED: ("The gateway limits the rate of requests",
        "A spend window is used up, too many calls of the account are in flight, or there are too "
        "many management requests. If this stays, lower gateway.max_requests_per_minute or look "
        "who else uses the account."),
    Outcome.OUT_OF_MONEY: ("The wallet or the key's cap is empty",
        "Top up the wallet, or raise the key's cap or window."),
}
# fmt: on


class _Rule(msgspec.Struct, frozen=True):
    """A problem that a number is while `applies` is true of it, the account and its attributes."""

    metric: Metric
    tone: Tone
    applies: Callable[[float, Subject, Attributes], bool]
    title: str
    advice: str
    detail: str = ""


# fmt: off
_RULES = (
    _Rule(c.WALLET_BALANCE, Tone.BAD, lambda usd, of, _: usd <= 0,
          "The wallet is empty", "Calls are refused until it is topped up."),
    _Rule(c.WALLET_BALANCE, Tone.BAD, lambda usd, of, _: usd < of.thresholds.balance_floor_usd,
          "The balance is low", "Top up before calls are refused.", "under {floor}"),
    _Rule(c.WALLET_BALANCE, Tone.WARN, lambda usd, of, _: of.low,
          "The balance is low", "Top up before calls are refused."),
    _Rule(c.WALLET_LOW, Tone.WARN,
          lambda low, of, _: low == 1 and of.points.value(c.WALLET_BALANCE) is None,
          "The balance is low", "Top up before calls are refused."),
    _Rule(c.WALLET_RUNWAY, Tone.BAD,
          lambda s, of, _: 0 < s < of.thresholds.runway_critical_hours * 3600,
          "The balance will not last long",
          "Top up, or find out which key or model spends so much.", "{about} at the present rate"),
    _Rule(c.WALLET_RUNWAY, Tone.WARN,
          lambda s, of, _: 0 < s < of.thresholds.runway_warning_hours * 3600,
          "The balance will not last long",
          "Top up, or find out which key or model spends so much.", "{about} at the present rate"),
    _Rule(c.ORGANIZATION_RUNWAY, Tone.BAD,
          lambda s, of, _: 0 < s < of.thresholds.runway_critical_hours * 3600,
          "The organization's balance will not last long",
          "Top it up, or find out which key or model spends so much.",
          "{about} at the present rate"),
    _Rule(c.ORGANIZATION_RUNWAY, Tone.WARN,
          lambda s, of, _: 0 < s < of.thresholds.runway_warning_hours * 3600,
          "The organization's balance will not last long",
          "Top it up, or find out which key or model spends so much.",
          "{about} at the present rate"),
    _Rule(c.ORGANIZATION_BALANCE, Tone.BAD, lambda usd, of, _: usd <= 0,
          "The organization's wallet is empty",
          "Calls with every key that the organization owns are refused until it is topped up."),
    _Rule(c.ORGANIZATION_BALANCE, Tone.BAD,
          lambda usd, of, _: usd < of.thresholds.organization_balance_usd,
          "The organization's wallet is low",
          "Top it up: every key that the organization owns stops when it is empty.",
          "{money} are left"),
    _Rule(c.LEDGER_DRIFT, Tone.WARN, lambda usd, of, _: abs(usd) > of.thresholds.ledger_drift_usd,
          "Wallet and counted usage part",
          "BytespikeLedgerDrift in docs/runbook.md says how to find the cause.", "{money} apart"),
    _Rule(c.USAGE_OVERCOUNT, Tone.WARN, lambda usd, of, _: usd > of.thresholds.overcount_usd,
          "Counters show more than was spent",
          "BytespikeOvercount in docs/runbook.md says what to do.", "{money} too much"),
    _Rule(c.BILLING_FAILED, Tone.WARN, lambda at, of, kind: kind == ("topup",),
          "A top-up failed", "No money has come: mend the payment method and top up again."),
    _Rule(c.KEY_REMAINING, Tone.BAD, lambda usd, of, _: usd <= 0,
          "A key's lifetime cap is reached", "Raise the cap.", "{name}"),
    _Rule(c.KEY_REMAINING, Tone.WARN,
          lambda usd, of, _: usd < of.thresholds.key_quota_remaining_usd,
          "A key's lifetime cap is nearly reached", "Raise the cap.", "{name}: {money} left"),
    _Rule(c.KEY_USED, Tone.WARN,
          lambda usd, of, key: key[1] == "lifetime" and of.cap_nearly_reached(key[0]),
          "A key's lifetime cap is nearly reached", "Raise the cap.", "{name}: {money} spent"),
    _Rule(c.KEY_EXPIRY, Tone.WARN, lambda at, of, _: of.expires_soon(at),
          "A key expires soon", "Give it a later date, or replace it.", "{name} {ahead}"),
    _Rule(c.RATE_REMAINING, Tone.WARN, lambda usd, of, _: usd <= 0,
          "A key's spend window is used up", "Calls with it are refused until the window resets.",
          "{name}"),
    _Rule(c.RATE_REMAINING, Tone.WARN, lambda usd, of, key: usd < of.nearly_used_up(*key),
          "A key's spend window is nearly used up", "Calls are refused once it is.",
          "{name}: {money} left"),
    _Rule(c.QUOTA_UTILIZATION, Tone.WARN, lambda share, of, _: share >= 1,
          "A model's cap is reached", "Raise the cap.", "{name}"),
    _Rule(c.QUOTA_UTILIZATION, Tone.WARN,
          lambda share, of, _: share > of.thresholds.model_quota_utilization_ratio,
          "A model's cap is nearly reached", "Raise the cap.", "{name}"),
)
# fmt: on
"""Of the rules of one number the first that applies is told."""

_OWN_WALLET = (c.WALLET_BALANCE, c.WALLET_LOW, c.WALLET_RUNWAY)
"""Nobody misses what is not in it where the organization pays."""


def account_problems(subject: Subject) -> tuple[Problem, ...]:
    """What is wrong with one account, worst first, each once."""
    found: dict[str, Problem] = {}
    for problem in (
        *_endpoint_problems(subject),
        *_unit_problems(subject),
        *_number_problems(subject),
    ):
        found.setdefault(problem.title, problem)
    return _worst_first(found.values())


def exporter_problems(view: View, totals_error: str | None, now: float) -> Iterator[Problem]:
    """What is wrong with the exporter itself. `totals_error`: why the state cannot be read."""
    live = view.live
    if not live.state_writable:
        advice = "Free or repair the disk below state.path. Nothing is counted until then."
        yield Problem(Tone.BAD, "The state cannot be written", advice, live.state_error)
    if totals_error is not None:
        advice = "Check the disk below state.path, and the exporter's log."
        yield Problem(Tone.BAD, "The state cannot be read", advice, totals_error)
    for shared in live.shared_wallets():
        if shared.doubles:
            advice = (
                "All of it shows under each name; the sums here count it once. Take all but one of "
                "these accounts out of the configuration."
            )
            title = f"{len(shared.names)} accounts are one wallet"
            yield Problem(Tone.WARN, title, advice, accounts=shared.names)
    yield from export_problems(view, now)


def grouped(problems: Iterable[Problem]) -> tuple[Problem, ...]:
    """The same problem of many accounts as one, worst first."""
    groups: dict[tuple[Tone, str, str], list[Problem]] = {}
    for problem in problems:
        groups.setdefault((problem.tone, problem.title, problem.advice), []).append(problem)
    return _worst_first(map(_merged, groups.values()))


def _worst_first(problems: Iterable[Problem]) -> tuple[Problem, ...]:
    return tuple(sorted(problems, key=lambda problem: TONES.index(problem.tone)))


def _merged(same: list[Problem]) -> Problem:
    first, detail = same[0], same[0].detail
    if detail is not None and len(same) > 1:
        detail = f"for example {first.accounts[0]}: {detail}"
    accounts = tuple(name for problem in same for name in problem.accounts)
    return msgspec.structs.replace(first, accounts=accounts, detail=detail)


def _endpoint_problems(subject: Subject) -> Iterator[Problem]:
    whose = (subject.live.name,)
    for endpoint, status in subject.live.endpoints.items():
        if status.optional:
            continue
        old = status.stale(subject.now)
        if status.last_error is not None:
            outcome = status.last_outcome or Outcome.BAD_RESPONSE
            title, advice = _OUTCOMES.get(outcome, _OUTCOMES[Outcome.BAD_RESPONSE])
            tone = Tone.BAD if old or outcome is Outcome.AUTH else Tone.WARN
            detail = f"{endpoint}: {status.last_error}"
            yield Problem(tone, title, advice.format(key=_place_of_key(subject)), detail, whose)
        elif old and status.behind is not None:
            advice = (
                "Nothing to do but to wait: counters grow until then. A larger "
                "gateway.max_requests_per_minute makes it faster."
            )
            detail = f"{endpoint}: {span(status.behind)} are left to read"
            yield Problem(Tone.WARN, "History is being caught up", advice, detail, whose)
        elif old and status.last_success is not None:
            advice = (
                "Polls have stopped or hang. If the log does not say why, restart the exporter."
            )
            limit = f"{STALE_INTERVALS} × {span(status.interval)}"
            detail = f"{endpoint}: no poll has ended for {limit}"
            yield Problem(Tone.BAD, "An endpoint is not polled", advice, detail, whose)
        elif status.position is not None and subject.lags(status.position):
            advice = "BytespikeUsageBehind in docs/runbook.md says what to do. Nothing is lost."
            detail = f"{endpoint}: counted up to {ago(status.position, subject.now)}"
            yield Problem(Tone.WARN, "Counting is behind", advice, detail, whose)


def _unit_problems(subject: Subject) -> Iterator[Problem]:
    """What is counted in another unit than the wallet pays in, or in one that nothing told."""
    unit, whose = subject.unit, (subject.live.name,)
    if unit.per_usd is None:
        return
    if unit.contradicted is not None:
        title = "Usage is counted in a unit that lifetime spend speaks against"
        advice = (
            "Nothing is changed by itself. If the wallet is right, set usage.credits_per_usd to "
            f"{unit.contradicted}; BytespikeLedgerDrift in docs/runbook.md says more."
        )
        detail = (
            f"counted as if {unit} ({unit.why}); by lifetime spend {in_words(unit.contradicted)}"
        )
        yield Problem(Tone.BAD, title, advice, detail, whose)
    elif unit.why is Why.DOCUMENTED:
        title = "The unit of credits is taken from the documentation"
        advice = "Hold a row of usage against its price, and say the unit in usage.credits_per_usd."
        yield Problem(Tone.WARN, title, advice, f"{unit}: {unit.why}", whose)


def _place_of_key(subject: Subject) -> str:
    account = subject.account
    if account is not None and account.api_key_file is not None:
        return f"{account.api_key_file}; the new key is noticed by itself"
    if account is not None and account.api_key_env is not None:
        return f"the environment variable {account.api_key_env}; restart the exporter"
    return "its configuration; restart the exporter"


def _number_problems(subject: Subject) -> Iterator[Problem]:
    """Every number that is bad; keys and models of one rule together."""
    told: set[tuple[str, Attributes]] = set()
    for rule in _RULES:
        if rule.metric in _OWN_WALLET and subject.organization_pays:
            continue
        if rule.metric is c.ORGANIZATION_RUNWAY and not subject.organization_pays:
            continue
        details = []
        for names, number in subject.points.of(rule.metric).items():
            if (rule.metric.name, names) in told or not rule.applies(number, subject, names):
                continue
            told.add((rule.metric.name, names))
            details.append(
                rule.detail.format(
                    name=names[0] if names else "",
                    money=money(number),
                    about=about(number),
                    ahead=ahead(number, subject.now),
                    floor=money(subject.thresholds.balance_floor_usd),
                )
            )
        if details:
            more = f" and {len(details) - 3} more" if len(details) > 3 else ""
            detail = ", ".join(details[:3]) + more
            yield Problem(rule.tone, rule.title, rule.advice, detail, (subject.live.name,))


def export_problems(view: View, now: float) -> Iterator[Problem]:
    """What is wrong with the OTLP exports."""
    otlp, exports = view.config.otlp, view.live.exports
    if not otlp.endpoint:
        return
    patience = STALE_INTERVALS * otlp.interval + otlp.timeout
    old = now - (exports.last_success or view.live.started_at) > patience
    if exports.last_error is not None:
        advice = (
            "Check otlp.endpoint, its credentials and the receiver's log. Nothing is lost: "
            "the next export that succeeds carries all growth."
        )
        tone = Tone.BAD if old or exports.last_success is None else Tone.WARN
        yield Problem(tone, "Exports do not succeed", advice, exports.last_error)
    elif old:
        advice = "If the log does not say why, restart the exporter. Nothing is lost."
        since = f"none has ended for {span(patience)}"
        yield Problem(Tone.BAD, "Exports have stopped", advice, since)
