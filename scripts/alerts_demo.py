"""A rehearsal on this machine: a wallet runs dry, and what Alertmanager delivers is printed.

Two exporters watch one account of a simulated gateway, by OTLP and by scraping. The chain is the
one that the tests judge, so it is taken from there; it needs what `scripts/peers` fetches.
"""

from __future__ import annotations

import sys
import tempfile
import threading
import time
from pathlib import Path

import pytest

from tests.alerts.chain import PATHS, Chain, Wallet
from tests.alerts.watchers import PATH
from tests.alerts.webhook import Told, Webhook
from tests.peers.process import PeerError, until

SCALE = 0.015
"""Waits of the rules: 5 minutes become 4.5 seconds."""

_ALERTS = ("BytespikeBalanceBelowFloor", "BytespikeRunwayCritical")
_SECONDS = 120.0

_began = time.monotonic()
_printing = threading.Lock()


def say(line: str) -> None:
    """One line, with the seconds since the start."""
    with _printing:
        print(f"{time.monotonic() - _began:6.1f} s  {line}", flush=True)


def deliver(receiver: str, told: Told) -> None:
    """Print one alert as it was delivered."""
    way = told.labels.get(PATH, "?")
    say(f"{receiver:6} {told.status:8} {told.name}, by {way}: {told.summary}")


def rehearse(chain: Chain, webhook: Webhook, wallet: Wallet) -> None:
    """Spend, wait for the pages, top up, wait until they are over. Raises PeerError."""

    def told(status: str) -> bool:
        pages = {(t.name, t.labels[PATH]) for t in webhook.told("pager", status)}
        return pages >= {(alert, path) for alert in _ALERTS for path in PATHS}

    for path, store in chain.stores.items():
        store.wait_for("bytespike_account:wallet_balance_USD:min > 0")
        say(f"two exporters report {wallet.left:.2f} USD of {wallet.name!r}, by {path}")
    say("2.50 USD are spent")
    wallet.spend(2.5)
    until(lambda: told("firing"), "the pages", _SECONDS)
    say("50,000 USD are paid in")
    wallet.top_up(50_000)
    until(lambda: told("resolved"), "the end of the pages", _SECONDS)
    say("done")


def main() -> int:
    try:
        with (
            tempfile.TemporaryDirectory(prefix="alerts-demo-") as folder,
            Webhook(deliver) as webhook,
            Chain(Path(folder), webhook, {"prod": 2}, scale=SCALE, balance=12) as chain,
        ):
            rehearse(chain, webhook, chain.wallets[0])
    except (PeerError, pytest.skip.Exception, pytest.fail.Exception) as error:
        print(f"alerts-demo: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
