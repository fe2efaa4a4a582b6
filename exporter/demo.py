"""`demo`: a simulated gateway, the exporter and its status page, in one process."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import tempfile
from pathlib import Path

from msgspec.structs import replace

from bytespike_simulator import Options, Simulator, running
from exporter.clock import SystemClock
from exporter.config.types import (
    Account,
    Config,
    Gateway,
    Http,
    Listen,
    Otlp,
    Poll,
    Runway,
    State,
    Tap,
    Usage,
    UsageStart,
)
from exporter.daemon import Daemon
from exporter.secrets import Secret

_KEY = "BYTESPIKE_DEMO_KEY"
_HISTORY = 86_400.0
_USUAL = Listen("127.0.0.1", 9464)
_WATCHED = 300.0
"""Seconds before the start that the exporter knows of: the runway needs a rate of spending."""


class _Clock(SystemClock):
    """The machine's clock, `behind` by some seconds."""

    behind = _WATCHED

    def now(self) -> float:
        return super().now() - self.behind


async def demo(listen: Listen | None, otlp: str) -> int:
    """Run until interrupted; prints where to look. `otlp`: a receiver's URL, or ""."""
    _stay_here()
    clock = _Clock()
    simulator = Simulator(Options(history=_HISTORY, rate=20.0, rpm_limit=0), clock=clock)
    with tempfile.TemporaryDirectory(prefix="bytespike-demo-") as directory:
        async with running(simulator) as url:
            config = _config(url, Path(directory), listen or _address(), otlp)
            key = {_KEY: simulator.api_key}
            daemon = Daemon(config, key)
            daemon.install_signals()
            await Daemon(replace(config, otlp=Otlp(endpoint="")), key, clock=clock).once()
            clock.behind = 0
            traffic = asyncio.create_task(simulator.live())
            try:
                await daemon.run(
                    lambda: print(_introduction(daemon, simulator.api_key, url, otlp), flush=True)
                )
            finally:
                traffic.cancel()
    return 0


def _config(url: str, directory: Path, listen: Listen, otlp: str) -> Config:
    return Config(
        accounts=(Account("demo", url, api_key_env=_KEY),),
        gateway=Gateway(base_url=url, max_requests_per_minute=6000),
        poll=Poll(account=2.0, usage=2.0, transactions=10.0),
        usage=Usage(start=UsageStart(back=_HISTORY)),
        runway=Runway(window=3600.0),
        otlp=Otlp(endpoint=otlp, interval=5.0),
        state=State(path=directory / "bytespike.db"),
        http=Http(listen=listen),
        tap=Tap(listen=Listen("127.0.0.1", 0)),
    )


def _stay_here() -> None:
    """Forget the proxies that the environment names: they know nothing of what runs here."""
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        del os.environ[name]


def _address() -> Listen:
    """The usual address, or a free port if that is taken."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((_USUAL.host, _USUAL.port))
        except OSError:
            return Listen(_USUAL.host, 0)
    return _USUAL


def _introduction(daemon: Daemon, key: str, url: str, otlp: str) -> str:
    told = json.dumps({"key": Secret(key).masked(), "status": 200}, ensure_ascii=False)
    tap = (daemon.tap or "").replace(":", "/")
    return f"""\
The demo runs: a simulated gateway with live traffic, and the exporter that reads it.

  status page   http://{daemon.address}/
  metrics       http://{daemon.address}/metrics
  gateway       {url} (simulated)
  OTLP          {otlp or "not sent; try --otlp http://localhost:4318"}

Applications' calls show on the page once they are reported, here as one from bash:

  printf '%s' '{told}' > /dev/udp/{tap}

Ctrl-C ends it. Nothing is kept."""
