"""`check`: what a person runs first. Tries everything once, says what is wrong and what to do."""

from __future__ import annotations

import asyncio
import os
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from exporter import __version__, threads
from exporter.board import Board
from exporter.catalogue import BUILD_INFO
from exporter.clock import Clock, SystemClock
from exporter.config import Account, Config
from exporter.errors import GatewayError
from exporter.fleet import intervals, resource
from exporter.gateway.client import GatewayClient, Http, open_http
from exporter.gateway.readings import AccountReading, Endpoint, LogPage, RollupReading
from exporter.money import to_usd
from exporter.otlp import OtlpExporter
from exporter.snapshot import Snapshot, take

_HOUR = 3600.0
_DAY = 86_400.0
_AT_ONCE = 10


class Finding(msgspec.Struct, frozen=True):
    """One line of the table."""

    subject: str
    worked: bool
    said: str


async def check(config: Config, path: Path, environ: Mapping[str, str]) -> int:
    """Print what works and what does not; returns the number of things that do not."""
    clock = SystemClock()
    print(f"{path} is valid.")
    for warning in config.warnings:
        print(f"  note: {warning}")
    http = open_http(config.gateway.timeout)
    turns = asyncio.Semaphore(_AT_ONCE)

    async def in_turn(account: Account) -> list[Finding]:
        async with turns:
            return await _ask_all(account, config, http, clock, environ)

    try:
        asked = await asyncio.gather(*(in_turn(account) for account in config.accounts))
    finally:
        await http.aclose()
    findings = [finding for found in asked for finding in found]
    findings.append(_state(config.state_path))
    findings.append(await _export(config, clock))
    _print(findings)
    return sum(not finding.worked for finding in findings)


async def _ask_all(
    account: Account, config: Config, http: Http, clock: Clock, environ: Mapping[str, str]
) -> list[Finding]:
    client = GatewayClient(
        http, account, config.gateway, config.usage, clock, lambda envelope: None, environ
    )
    findings = []
    for endpoint in intervals(config):
        subject = f"{account.name}: {endpoint}"
        try:
            findings.append(Finding(subject, True, await _ask(endpoint, client, clock.now())))
        except GatewayError as error:
            findings.append(Finding(subject, False, f"{error.outcome}: {error}"))
    return findings


async def _ask(endpoint: Endpoint, client: GatewayClient, now: float) -> str:
    """Poll one endpoint; what it said, in a few words. Raises GatewayError."""
    if endpoint is Endpoint.ACCOUNT:
        return _describe_account(await client.account(), client.masked_key)
    if endpoint is Endpoint.USAGE:
        async for page in client.usage(now - _HOUR, now + _HOUR):
            return _describe_usage(page)
    async for items in client.transactions(now - 90 * _DAY, now + _HOUR):
        if not items.items:
            break
        newest = max(items.items, key=lambda item: item.created_at)
        when = datetime.fromtimestamp(newest.created_at, UTC).strftime("%Y-%m-%d %H:%M UTC")
        return f"newest is a {newest.kind} of {to_usd(newest.amount):,.2f} USD, {when}"
    return "none in the last 90 days"


def _describe_account(reading: AccountReading, key: str | None) -> str:
    words = [f"key {key}"]
    if reading.available is None:
        words.append("balance not given")
    else:
        words.append(f"{to_usd(reading.available):,.2f} USD left")
    if reading.low_balance_threshold is not None:
        words.append(f"threshold {to_usd(reading.low_balance_threshold):,.2f} USD")
    if reading.organization is not None:
        words.append(f"organization {reading.organization.name!r}")
    return ", ".join(words)


def _describe_usage(page: LogPage | RollupReading) -> str:
    if isinstance(page, RollupReading):
        said = f"the gateway gives the rollup: {len(page.buckets)} bucket(s) in the last hour"
    else:
        more = "" if page.last else " or more"
        said = f"the gateway gives the log: {len(page.rows)}{more} row(s) in the last hour"
    if page.rejected:
        first = page.rejected[0]
        said += f"; {len(page.rejected)} not understood, first {first.row_id}: {first.reason}"
    return said


def _state(path: Path) -> Finding:
    """Whether `run` could write the state. Looks only: a running exporter is not disturbed."""
    place = path if path.exists() else path.parent
    while not place.exists():
        place = place.parent
    if path.is_dir():
        return Finding("state", False, f"{path} is a directory: let state.path name a file")
    if not os.access(place, os.W_OK) or not os.access(path.parent if path.exists() else place, os.W_OK):
        return Finding(
            "state", False, f"{place} cannot be written: let state.path point to a writable place"
        )
    return Finding("state", True, f"{path} " + ("exists" if path.exists() else "can be made"))


async def _export(config: Config, clock: Clock) -> Finding:
    """Send one export that says only which exporter this is.

    Counters stay with the daemon: two writers of one series would make its rate absurd.
    """
    if not config.otlp.endpoint:
        return Finding("otlp", True, "turned off")
    now = clock.now()
    points = tuple(p for p in take(Board(now), {}, now).points if p.metric is BUILD_INFO)
    exporter = OtlpExporter(config.otlp, resource(config, f"check-{uuid.uuid4()}"))
    result = await threads.call(lambda: exporter.export(Snapshot(int(now * 1e9), points)))
    exporter.close()
    said = result.error or f"{config.otlp.endpoint} accepted an export from version {__version__}"
    return Finding("otlp", result.error is None, said)


def _print(findings: list[Finding]) -> None:
    width = max(len(finding.subject) for finding in findings)
    for finding in findings:
        mark = "ok  " if finding.worked else "FAIL"
        print(f"  {mark}  {finding.subject:{width}}  {finding.said}")
    failed = sum(not finding.worked for finding in findings)
    print("All of it works." if not failed else f"{failed} of {len(findings)} failed.")
