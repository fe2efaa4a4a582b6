"""The command: asks all accounts, looks at the state, sends an export, and prints what it found."""

from __future__ import annotations

import tempfile
import uuid
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from exporter.check.asking import Asking, Wallet
from exporter.check.document import document
from exporter.check.hints import Looks
from exporter.check.table import DETAILED, named, report
from exporter.check.tried import Checked, Tried, without_address
from exporter.clock import Clock, SystemClock
from exporter.config.types import Account, Config
from exporter.live import Live, shared_wallets
from exporter.metrics.catalogue import BUILD_INFO
from exporter.metrics.snapshot import Snapshot, take
from exporter.otlp import OtlpExporter
from exporter.runtime import connect, in_turn, resource


async def check(
    config: Config, path: Path, environ: Mapping[str, str], *, as_json: bool = False
) -> bool:
    """Print what works and what does not; returns whether all of it does. Raises ConfigError."""
    clock = SystemClock()
    http = connect(config)
    if not as_json:
        _begin(config, path)
    wallets: list[Wallet] = []
    looks: Looks = {}

    async def ask(account: Account) -> list[Checked]:
        return [await Asking(account, config, http, clock, environ, wallets, looks).all()]

    try:
        accounts = await in_turn(ask, config.accounts)
    finally:
        await http.aclose()
    others = [*_shared(wallets), _state(config.state.path), await _export(config, clock)]
    if as_json:
        print(document(path, config.warnings, accounts, others))
    else:
        for line in report(accounts, others):
            print(line)
    return all(account.worked for account in accounts) and all(one.worked for one in others)


def _begin(config: Config, path: Path) -> None:
    print(f"{path} is valid.")
    for warning in config.warnings:
        print(f"note: {warning}")
    if len(config.accounts) > DETAILED:
        print(f"Asking for {len(config.accounts):,} accounts; this takes its time.")
    print(flush=True)


def _shared(wallets: Iterable[Wallet]) -> Iterator[Tried]:
    """A line for each wallet that several accounts read.

    A warning where they are of one user: then all of it would show several times, and not what an
    organization has left alone.
    """
    for shared in shared_wallets(wallets):
        names, whose = named(shared.names), shared.whose
        wallet = (
            f"one wallet ({without_address(whose)})" if isinstance(whose, str) else "one wallet"
        )
        if shared.doubles:
            said = f"{names} are {wallet}, which would show under each name: keep one of them"
            yield Tried("", "wallets", False, said, warns=True)
        else:
            said = f"{names} are paid from {wallet}: what it has left shows under each name"
            yield Tried("", "wallets", True, said)


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
