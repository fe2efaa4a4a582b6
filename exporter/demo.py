"""`demo`: a simulated gateway, the exporter and its status page, in one process."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import tempfile
from pathlib import Path

from exporter.config import Account, Config, Gateway, Listen, Otlp, Poll, Usage, UsageStart
from exporter.configuration.values import listen as parse_listen
from exporter.daemon import Daemon
from exporter.simulator.app import Simulator
from exporter.simulator.options import Options
from exporter.simulator.server import running

_KEY = "BYTESPIKE_DEMO_KEY"
_HISTORY = 86_400.0
_TICK = 0.5
_USUAL = Listen("127.0.0.1", 9464)


async def demo(listen: str | None, otlp: str) -> int:
    """Run until interrupted; prints where to look. `otlp`: a receiver's URL, or ""."""
    simulator = Simulator(Options(history=_HISTORY, rate=60.0))
    with tempfile.TemporaryDirectory(prefix="bytespike-demo-") as directory:
        async with running(simulator) as url:
            config = _config(url, Path(directory), _address(listen), otlp)
            daemon = Daemon(config, {_KEY: simulator.api_key})
            daemon.install_signals()
            traffic = asyncio.create_task(_live(simulator))
            try:
                await daemon.run(lambda: print(_introduction(daemon, url, otlp), flush=True))
            finally:
                traffic.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await traffic
    return 0


def _config(url: str, directory: Path, listen: Listen, otlp: str) -> Config:
    return Config(
        accounts=(Account("demo", url, api_key_env=_KEY),),
        gateway=Gateway(base_url=url),
        poll=Poll(account=2.0, usage=2.0, transactions=10.0),
        usage=Usage(start=UsageStart(back=_HISTORY)),
        otlp=Otlp(endpoint=otlp, interval=5.0),
        state_path=directory / "bytespike.db",
        http_listen=listen,
    )


async def _live(simulator: Simulator) -> None:
    """Let traffic arrive as time goes by."""
    while True:
        simulator.world.advance(simulator.clock.now())
        await asyncio.sleep(_TICK)


def _address(listen: str | None) -> Listen:
    """What was asked for; else the usual address, or a free port if that is taken."""
    if listen is not None:
        return parse_listen(listen) or _USUAL
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((_USUAL.host, _USUAL.port))
        except OSError:
            return Listen(_USUAL.host, 0)
    return _USUAL


def _introduction(daemon: Daemon, url: str, otlp: str) -> str:
    return f"""\
The demo runs: a simulated gateway with live traffic, and the exporter that reads it.

  status page   http://{daemon.address}/
  metrics       http://{daemon.address}/metrics
  gateway       {url} (simulated)
  OTLP          {otlp or "not sent; try --otlp http://localhost:4318/v1/metrics"}

Ctrl-C ends it. Nothing is kept."""
