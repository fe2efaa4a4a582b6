"""`check`: what a person runs first. Tries everything once, says what is wrong and what to do."""

from __future__ import annotations

import asyncio
import tempfile
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from math import inf
from pathlib import Path

import msgspec

from exporter.clock import Clock, SystemClock
from exporter.config.types import Account, Config
from exporter.errors import GatewayError
from exporter.gateway.client import GatewayClient, HttpClient
from exporter.gateway.readings import (
    QUOTA_HEADERS,
    AccountReading,
    Endpoint,
    Envelope,
    KeysReading,
    LogPage,
    RollupReading,
)
from exporter.ledger.credit_unit import Why, Witnesses, in_words, judge
from exporter.ledger.owners import identity_of
from exporter.live import Live, LiveAccount, shared_wallets
from exporter.metrics.catalogue import BUILD_INFO
from exporter.metrics.snapshot import Snapshot, take
from exporter.money import to_usd
from exporter.otlp import OtlpExporter
from exporter.runtime import connect, in_turn, intervals, resource
from exporter.secrets import Secret, printable
from exporter.web.formats import plural

_Wallets = list[tuple[str, tuple[str, str | Secret], str | None]]
"""Accounts by name, which wallet each is, and of which user."""

_HOUR = 3600.0
_DAY = 86_400.0

DETAILED = 20
"""With more accounts than this, endpoints that work are counted, and failures grouped."""

_NAMED = 5


class Tried(msgspec.Struct, frozen=True):
    """One thing that was tried. `account` is empty where it belongs to none.

    `warns`: it works, and is hardly what was meant.
    """

    account: str
    what: str
    worked: bool
    said: str
    warns: bool = False


async def check(config: Config, path: Path, environ: Mapping[str, str]) -> bool:
    """Print what works and what does not; returns whether all of it does. Raises ConfigError."""
    clock = SystemClock()
    http = connect(config)
    print(f"{path} is valid.")
    for warning in config.warnings:
        print(f"note: {warning}")
    if len(config.accounts) > DETAILED:
        print(f"Asking for {len(config.accounts):,} accounts; this takes its time.")
    print(flush=True)
    wallets: _Wallets = []
    ask = partial(_ask_all, config=config, http=http, clock=clock, environ=environ, wallets=wallets)
    try:
        tried = await in_turn(ask, config.accounts)
    finally:
        await http.aclose()
    tried.extend(_shared(wallets))
    tried.append(_state(config.state.path))
    tried.append(await _export(config, clock))
    for line in table(tried):
        print(line)
    return all(one.worked for one in tried)


async def _ask_all(
    account: Account,
    config: Config,
    http: HttpClient,
    clock: Clock,
    environ: Mapping[str, str],
    wallets: _Wallets,
) -> list[Tried]:
    live = LiveAccount(account.name, intervals(config))
    unreadable: dict[str, None] = {}

    def observe(envelope: Envelope) -> None:
        live.observe(envelope)
        unreadable.update(dict.fromkeys(QUOTA_HEADERS[member] for member in envelope.unreadable))

    client = GatewayClient(http, account, config.gateway, config.usage, clock, observe, environ)

    async def ask(endpoint: Endpoint) -> Tried:
        try:
            if endpoint is Endpoint.ACCOUNT:
                key = client.key()
                reading = await client.account(key)
                whose = identity_of(reading, client.address, key)
                wallets.append((account.name, whose, reading.user_id))
                left = live.organization_left(clock.now())
                said = _describe_account(reading, key.masked(), left)
                said += _bad_numbers((*reading.unreadable, *unreadable))
            else:
                said = await _ask(endpoint, client, clock.now(), config.usage.credits_per_usd)
        except GatewayError as error:
            if endpoint is Endpoint.KEYS:  # it may be refused
                said = f"no list of keys ({error.outcome}); names, caps and expiry are missing"
                return Tried(account.name, endpoint, True, said)
            return Tried(account.name, endpoint, False, f"{error.outcome}: {error}")
        return Tried(account.name, endpoint, True, said)

    return await asyncio.gather(*(ask(endpoint) for endpoint in intervals(config)))


async def _ask(
    endpoint: Endpoint, client: GatewayClient, now: float, credits_per_usd: int | None
) -> str:
    """Poll an endpoint of rows; what it said, in a few words. Raises GatewayError."""
    if endpoint is Endpoint.USAGE:
        async for page in client.usage(now - _HOUR, now + _HOUR):
            return _describe_usage(page) + await _unit(page, client, now, credits_per_usd)
    if endpoint is Endpoint.KEYS:
        return _describe_keys(await client.keys())
    async for items in client.transactions(now - 90 * _DAY, now + _HOUR):
        if items.items:
            newest = max(items.items, key=lambda item: item.created_at)
            when = datetime.fromtimestamp(newest.created_at, UTC).strftime("%Y-%m-%d %H:%M UTC")
            return f"newest is a {newest.kind} of {_usd(newest.amount)}, {when}"
    return "none in the last 90 days"


async def _unit(
    page: LogPage | RollupReading, client: GatewayClient, now: float, configured: int | None
) -> str:
    """How many credits make one USD in the rows of a log, and how that is known."""
    if isinstance(page, RollupReading) or not page.rows:
        return ""
    if configured is not None:
        return f"; {in_words(configured)}: {Why.CONFIGURED}"
    if all(row.credits is None for row in page.rows):
        return ""
    witnesses = Witnesses().with_rows(page.rows, inf)
    told = judge(witnesses)
    if told is None:
        told = judge(witnesses.with_rollup(await client.rollup_beside(now - _HOUR, now + _HOUR)))
    if told is None:
        return "; these rows do not tell whether credits are micro-USD or USD, run waits for it"
    return f"; {in_words(told[0])}: {told[1]}"


def _shared(wallets: _Wallets) -> Iterator[Tried]:
    """A line for each wallet that several accounts read.

    A warning where they are of one user: then all of it would show several times, and not what an
    organization has left alone.
    """
    for shared in shared_wallets(wallets):
        names, whose = _named(shared.names), shared.whose
        wallet = f"one wallet ({whose})" if isinstance(whose, str) else "one wallet"
        if shared.doubles:
            said = f"{names} are {wallet}, which would show under each name: keep one of them"
            yield Tried("", "wallets", False, said, warns=True)
        else:
            said = f"{names} are paid from {wallet}: what it has left shows under each name"
            yield Tried("", "wallets", True, said)


def _named(names: Sequence[str]) -> str:
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more:,} more" if more > 0 else "")


def _usd(nanos: int) -> str:
    return f"{to_usd(nanos):,.2f} USD"


def _bad_numbers(names: Sequence[str]) -> str:
    return f"; cannot be read: {', '.join(names)}" if names else ""


def _describe_account(reading: AccountReading, key: str | None, organization: int | None) -> str:
    """`organization`: what its organization has left (nano-USD), None where that is not told."""
    left = reading.available
    words = [f"key {key}", "balance not given" if left is None else f"{_usd(left)} left"]
    if reading.low_balance_threshold is not None:
        words.append(f"threshold {_usd(reading.low_balance_threshold)}")
    if reading.organization is not None:
        words.append(f"organization {reading.organization.name!r}")
    if organization is not None:
        words.append(f"{_usd(organization)} left in the organization's wallet")
    if reading.paid_by_organization(organization is not None):
        words.append("which pays" if organization is not None else "which pays and is not told of")
    return ", ".join(words)


def _describe_usage(page: LogPage | RollupReading) -> str:
    if isinstance(page, RollupReading):
        said = f"the gateway gives the rollup: {plural(len(page.buckets), 'bucket')}"
    else:
        more = "" if page.last else " or more"
        said = f"the gateway gives the log: {plural(len(page.rows), 'row')}{more}"
    said += " in the last hour"
    if page.rejected:
        first = page.rejected[0]
        said += f"; {len(page.rejected)} not understood, first {first.row_id}: {first.reason}"
    return said


def _describe_keys(reading: KeysReading) -> str:
    said = f"{plural(len(reading.keys), 'key')} listed{'' if reading.complete else ', and more'}"
    dates = [key.limits.expires_at for key in reading.keys if key.limits.expires_at is not None]
    if dates:
        first = datetime.fromtimestamp(min(dates), UTC).strftime("%Y-%m-%d %H:%M UTC")
        said += f", the first to expire does so {first}"
    return said


def _state(path: Path) -> Tried:
    """Whether `run` could write the state. A running exporter is not disturbed."""
    try:
        if path.exists():
            path.open("r+b").close()
        place = path.parent
        while not place.exists():
            place = place.parent
        # SQLite makes files beside its own, so the directory must be writable in any case.
        with tempfile.TemporaryFile(dir=place) as file:
            file.write(b"state")
    except OSError as error:
        said = f"{path} cannot be written ({error.strerror}): let state.path point to a file on a "
        return Tried("", "state", False, f"{said}writable disk, or mend its permissions")
    return Tried("", "state", True, f"{path} {'is there' if path.exists() else 'can be made'}")


async def _export(config: Config, clock: Clock) -> Tried:
    """Send one export that says only which exporter this is.

    Counters stay with the daemon: two writers of one series would make its rate absurd.
    """
    otlp = config.otlp
    if not otlp.endpoint:
        return Tried("", "otlp", True, "turned off; /metrics can be scraped")
    now = clock.now()
    points = tuple(p for p in take(Live(now), {}, now).points if p.metric is BUILD_INFO)
    exporter = OtlpExporter(otlp, resource(config, f"check-{uuid.uuid4()}"))
    result = await exporter.export(Snapshot(int(now * 1e9), points))
    await exporter.close()
    said = result.error or f"{otlp.endpoint} accepted an export"
    return Tried("", "otlp", result.error is None, said)


def table(tried: Sequence[Tried]) -> Iterator[str]:
    """The lines of the table, then a sum."""
    of_accounts = [one for one in tried if one.account]
    rows: list[Tried] = list(tried)
    if len({one.account for one in of_accounts}) > DETAILED:
        rows = [*_grouped(of_accounts), *(one for one in tried if not one.account)]
    whats = [f"{printable(one.account)}: {one.what}" if one.account else one.what for one in rows]
    width = max(map(len, whats), default=0)
    for what, one in zip(whats, rows, strict=True):
        mark = "WARN" if one.warns else "ok  " if one.worked else "FAIL"
        yield f"  {mark}  {what:{width}}  {printable(one.said)}"
    yield ""
    failed = sum(not one.worked and not one.warns for one in tried)
    if not failed and any(one.warns for one in tried):
        yield "It works, but for what the warning says."
    elif failed:
        yield f"{failed} of {len(tried)} failed; each line says what to do next."
    else:
        yield "All of it works."


def _grouped(tried: Sequence[Tried]) -> Iterator[Tried]:
    """What works is counted by endpoint; the same failure of many accounts is one row."""
    for what in dict.fromkeys(one.what for one in tried):
        of_what = [one for one in tried if one.what == what]
        worked = sum(one.worked for one in of_what)
        if worked:
            yield Tried("", what, True, f"{worked:,} of {len(of_what):,} accounts")
        yield from _failures(what, of_what)


def _failures(what: str, tried: Iterable[Tried]) -> Iterator[Tried]:
    groups: dict[str, list[str]] = {}
    for one in tried:
        if not one.worked:
            # An account's own name in a message would make a group of every account.
            said = one.said.replace(repr(one.account), "…")
            groups.setdefault(said, []).append(one.account)
    by_size = sorted(groups.items(), key=lambda group: -len(group[1]))
    for said, names in by_size[:DETAILED]:
        yield Tried("", what, False, f"{_named(names)}: {said}")
    hidden = sum(len(names) for _, names in by_size[DETAILED:])
    if hidden:
        yield Tried("", what, False, f"{hidden:,} more accounts, for other reasons")
