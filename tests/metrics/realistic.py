"""One account in the middle of an ordinary day, for golden output and as a base for variations.

`python -m tests.metrics.realistic` writes the golden files anew: read their difference.
"""

from __future__ import annotations

from pathlib import Path

from exporter.errors import Outcome
from exporter.gateway.readings import (
    AccountReading,
    Endpoint,
    Envelope,
    KeyLimits,
    KeyRef,
    KeysReading,
    KeyWindow,
    ListedKey,
    ModelQuota,
    Observation,
    Organization,
    Source,
    WindowReading,
)
from exporter.ledger.spend import Rate
from exporter.ledger.totals import AccountTotals, BillingTotal, UsageTotal
from exporter.live import Live, LiveAccount
from exporter.metrics import prometheus
from exporter.metrics.snapshot import Point, Snapshot, take
from exporter.status import ExportOutcome, RowOutcome
from exporter.traffic import DeliveryOutcome, TapOutcome

GOLDEN = Path(__file__).parent / "golden"
NOW = 1_767_225_600.0
"""Midnight UTC, 1 January 2026, in Unix s."""

NS = 1_000_000_000
STARTED = NOW - 3600
KEY = "sk-byts-…9f3c"
INTERVALS = {
    Endpoint.ACCOUNT: 60.0,
    Endpoint.USAGE: 60.0,
    Endpoint.TRANSACTIONS: 300.0,
    Endpoint.KEYS: 600.0,
}


def usd(text: str) -> int:
    """Nano-USD of an amount with up to nine decimals."""
    whole, _, part = text.partition(".")
    return int(whole + part.ljust(9, "0"))


def live() -> Live:
    """Every endpoint polled within its interval; the usage endpoint failed once."""
    made = Live(STARTED)
    account = LiveAccount("prod", INTERVALS)
    made.accounts["prod"] = account
    for endpoint, status in account.endpoints.items():
        status.succeeded(
            NOW - (200 if endpoint in (Endpoint.TRANSACTIONS, Endpoint.KEYS) else 30), 0.25
        )
    account.endpoints[Endpoint.USAGE].failed(NOW - 10, 10.5, Outcome.TIMEOUT, "no answer", False)
    account.endpoints[Endpoint.USAGE].position = NOW - 30.25
    account.clock_offset = -0.5
    account.account = reading()
    account.wallet = "https://llm.bytespike.ai", "user 88"
    account.listed = listed()
    account.observe(
        Envelope(NOW - 10, KEY, usd("200"), usd("192.40"), NOW + 600, usd("75.5"), usd("1200"))
    )
    account.rows[RowOutcome.COUNTED] = 143
    account.rows[RowOutcome.REJECTED] = 1
    made.exports.ended(NOW - 30, ExportOutcome.SUCCESS, None)
    watch(made)
    return made


def listed() -> KeysReading:
    """The key that polls, with caps, and one that is known by its id only."""
    windows = (
        WindowReading(KeyWindow.FIVE_HOURS, usd("200"), usd("7.60"), NOW + 600),
        WindowReading(KeyWindow.WEEK, 0, usd("120")),
        WindowReading(KeyWindow.LIFETIME, usd("500"), usd("424.5")),
    )
    limits = KeyLimits(windows, NOW + 90 * 86_400)
    keys = (ListedKey(KeyRef("16", KEY, "renamed"), limits), ListedKey(KeyRef("17")))
    return KeysReading(NOW - 200, keys)


def watch(made: Live) -> None:
    """An application was answered through the proxy and by the hook, and refused once."""
    traffic = made.accounts["prod"].traffic
    seen = Envelope(NOW - 5, KEY)
    traffic.count(Observation(Source.PROXY, 200, seen, "claude-sonnet-4-6"), NOW - 5)
    traffic.count(Observation(Source.HOOK, 200, Envelope(NOW - 20, KEY)), NOW)
    traffic.count(Observation(Source.HOOK, 429, Envelope(NOW - 15, KEY)), NOW)
    made.tap.observing = made.tap.hooked = True
    made.tap.observed(Source.PROXY, TapOutcome.ACCEPTED)
    made.tap.observed(Source.HOOK, TapOutcome.ACCEPTED, 2)
    made.tap.observed(None, TapOutcome.MALFORMED)
    made.tap.deliveries[DeliveryOutcome.ACCEPTED] = 1


def reading(tier: str | None = "individual") -> AccountReading:
    """The gateway contract's example of an account, with an exhausted and a forbidden model."""
    return AccountReading(
        observed_at=NOW - 30,
        user_id="88",
        created_at=NOW - 86_400,
        tier=tier,
        available=usd("31.40"),
        lifetime_topup=usd("250"),
        lifetime_spent=usd("218.60"),
        low_balance_threshold=usd("5"),
        low_balance_flagged=False,
        models=(
            ModelQuota("claude-sonnet-4-6", usd("64.04"), None),
            ModelQuota("gpt-5-4", usd("18.22"), usd("50")),
            ModelQuota("forbidden", 0, 0),
            ModelQuota("unread", None, usd("10")),
        ),
        organization=Organization("1", 'Example "AI"', "admin"),
    )


def totals() -> dict[str, AccountTotals]:
    """Two usage series, the second new since the last export; one kind of movement both ways."""
    start, poll_before = int(NOW - 7200) * NS, int(NOW - 90) * NS
    return {
        "prod": AccountTotals(
            usage=(
                UsageTotal(
                    1, KEY, "vision", "gpt-5-4", start, False, usd("18.220001"), 88000, 11200, 142
                ),
                UsageTotal(
                    2, "17", "17", "other", poll_before, True, usd("0.000000001"), 1820, 244, 1
                ),
            ),
            billing=(
                BillingTotal(1, "topup", "credit", start, False, usd("50"), 1),
                BillingTotal(2, "topup", "debit", poll_before, True, usd("1.5"), 2),
                BillingTotal(3, "refund", "credit", poll_before, True, usd("0.1"), 1),
            ),
            last_transactions=(("topup", NOW - 400.5), ("refund", NOW - 250)),
            overcount=usd("0.25"),
            folded=3,
            topup=usd("250"),
            spent=usd("218.60"),
            wallet_start_ns=int(NOW - 86_400) * NS,
            usage_rate=Rate(usd("31.40"), 7200.5),
            organization_rate=Rate(usd("12"), 3600.0),
            drift=-usd("0.01"),
            counted_from=NOW - 7200,
        )
    }


def snapshot() -> Snapshot:
    """All of it, now."""
    return take(live(), totals(), NOW)


def text(taken: Snapshot) -> str:
    """A snapshot as lines: points, then zero points, instants in seconds from now."""
    lines = [_line(point) for point in taken.points]
    lines += ["", "zero points"] + [_line(point) for point in taken.zero_points]
    lines += ["", f"fresh usage {taken.fresh_usage}, billing {taken.fresh_billing}", ""]
    return "\n".join(lines)


def _line(point: Point) -> str:
    given = zip(point.metric.attributes, point.attributes, strict=True)
    attributes = ", ".join(f"{name}={value!r}" for name, value in given if value is not None)
    value = point.value
    shown = repr(value) if isinstance(value, int | float) else f"{value.sum!r} in {value.counts}"
    since = f" since {point.start_ns / NS - NOW:+.3f}" if point.start_ns else ""
    return (
        f"{point.metric.name} {{{attributes}}} = {shown} at {point.time_ns / NS - NOW:+.3f}{since}"
    )


def golden() -> dict[str, str]:
    """File name → what it should hold. The versions of exporter and Python are not golden."""
    taken = snapshot()
    points = tuple(p for p in taken.points if p.metric.name != "bytespike.exporter.build.info")
    taken = Snapshot(
        taken.time_ns, points, taken.zero_points, taken.fresh_usage, taken.fresh_billing
    )
    return {
        "snapshot.txt": text(taken),
        "openmetrics.txt": prometheus.render(taken, openmetrics=True).decode(),
    }


if __name__ == "__main__":
    for name, content in golden().items():
        (GOLDEN / name).write_text(content, encoding="utf-8")
