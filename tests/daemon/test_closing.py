"""Whenever a stop or a failure comes, nothing that was opened stays open."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import pytest
from msgspec.structs import replace

from exporter import daemon as daemon_module
from exporter import runtime as runtime_module
from exporter.config.types import Otlp
from exporter.daemon import Daemon
from exporter.errors import ConfigError, ExporterError, ListenError, StateError
from exporter.gateway.client import HttpClient, open_http
from exporter.ledger.ledger import Ledger
from exporter.ledger.store import Store
from exporter.otlp import OtlpExporter
from tests.daemon.live import Live, daemon, hanging_ledger, polled, said, taken, until
from tests.otlp.receivers import HttpReceiver, black_hole

pytestmark = pytest.mark.anyio


class Opened:
    """Every client of a gateway and every OTLP exporter that was made."""

    def __init__(self) -> None:
        self.clients: list[HttpClient] = []
        self.exporters: list[OtlpExporter] = []

    def left_open(self) -> list[object]:
        clients = [client for client in self.clients if not client.is_closed]
        return [*clients, *(one for one in self.exporters if not one._closed)]


def _kept(into: list[Any], make: Callable[..., Any]) -> Callable[..., Any]:
    def making(*args: Any, **kwargs: Any) -> Any:
        into.append(make(*args, **kwargs))
        return into[-1]

    return making


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> Opened:
    opened = Opened()
    exporters = _kept(opened.exporters, OtlpExporter)
    monkeypatch.setattr(runtime_module, "open_http", _kept(opened.clients, open_http))
    monkeypatch.setattr("exporter.otlp.OtlpExporter", exporters)
    monkeypatch.setattr(daemon_module, "LAST_EXPORT", 0.5)
    monkeypatch.setattr(daemon_module, "CLOSE_STATE", 0.2)
    return opened


async def test_a_stop_while_a_reload_closes_the_old_client_leaves_nothing_open(
    live: Live, opened: Opened
) -> None:
    with HttpReceiver() as receiver:
        live.change(otlp=Otlp(endpoint=receiver.url, interval=0.2))
        async with daemon(live):
            await until(lambda: polled(live))
            (client,) = opened.clients
            closing, close = asyncio.Event(), client.aclose

            async def slowly() -> None:
                closing.set()
                await asyncio.sleep(0.2)
                await close()

            client.aclose = slowly  # type: ignore[method-assign]
            live.reload(replace(live.config, accounts=(live.account("other"),)))
            await closing.wait()
    assert len(opened.clients) == len(opened.exporters) == 2
    assert not opened.left_open()


async def test_a_stop_while_a_reload_waits_for_the_state_file_leaves_nothing_open(
    live: Live, opened: Opened
) -> None:
    with ExitStack() as stack:
        live.change(otlp=Otlp(endpoint=stack.enter_context(HttpReceiver()).url))
        async with daemon(live):
            await until(lambda: polled(live))
            stack.enter_context(hanging_ledger(live))
            live.reload(replace(live.config, accounts=(live.account("other"),)))
            await until(lambda: len(opened.exporters) == 2)
            began = time.monotonic()
        assert time.monotonic() - began < 6
    assert not opened.left_open()


async def test_a_stop_does_not_leave_open_an_exporter_whose_receiver_hangs(
    live: Live, opened: Opened
) -> None:
    with black_hole() as port:
        hanging = Otlp(endpoint=f"http://127.0.0.1:{port}/", interval=0.1, timeout=60.0)
        live.change(otlp=hanging)
        async with daemon(live):
            await until(lambda: polled(live))
            old = live.daemon._runtime.exports
            assert old is not None
            await until(old._exporting.locked)
            live.reload(replace(live.config, otlp=replace(hanging, endpoint="")))
            await until(lambda: live.daemon._retiring)
        assert not old._exporting.locked(), "the export that hangs was not given up"
    assert not opened.left_open()


async def test_a_reload_that_fails_changes_nothing_and_leaves_none_of_its_parts_open(
    live: Live,
    opened: Opened,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    with HttpReceiver() as receiver:
        live.change(otlp=Otlp(endpoint=receiver.url))
        async with daemon(live):
            await until(lambda: polled(live))
            with monkeypatch.context() as patch:
                patch.setattr(Ledger, "open_accounts", _full)
                live.reload(replace(live.config, accounts=(live.account("other"),)))
                await until(lambda: said(caplog, "send SIGHUP again"))
            assert list(live.daemon._live.accounts) == ["prod"]
            assert opened.left_open() == [opened.clients[0], opened.exporters[0]]
            live.daemon.reload()
            await until(lambda: polled(live, "other"))


@pytest.mark.parametrize("start", [Daemon.run, Daemon.once], ids=["run", "once"])
@pytest.mark.parametrize("fails", ["accounts", "connection"])
async def test_a_start_that_fails_lets_go_of_the_state_file(
    live: Live, opened: Opened, monkeypatch: pytest.MonkeyPatch, fails: str, start: Any
) -> None:
    made = Daemon(live.config, live.environ)
    with monkeypatch.context() as patch:
        if fails == "accounts":
            patch.setattr(Ledger, "open_accounts", _full)
        else:
            patch.setattr(runtime_module, "connect", _spoilt)
        with pytest.raises(ExporterError, match=r"the disk is full|cannot be used"):
            await start(made)
    Store(live.config.state.path).close()  # raises StateLockedError where it is still held
    assert not opened.left_open()


async def test_one_round_and_a_busy_port_leave_nothing_open(live: Live, opened: Opened) -> None:
    with HttpReceiver() as receiver, taken("http") as busy:
        live.change(otlp=Otlp(endpoint=receiver.url))
        assert await Daemon(live.config, live.environ).once()
        with pytest.raises(ListenError):
            await Daemon(replace(live.config, **busy), live.environ).run()
    assert len(opened.clients) == len(opened.exporters) == 2
    assert not opened.left_open()


@pytest.mark.parametrize("start", [Daemon.run, Daemon.once], ids=["run", "once"])
async def test_a_start_that_is_stopped_lets_go_of_the_state_file(
    live: Live, opened: Opened, start: Any
) -> None:
    live.daemon = Daemon(live.config, live.environ)
    with hanging_ledger(live):
        task = asyncio.create_task(start(live.daemon))
        await until(lambda: opened.clients)
        live.daemon.stop()
        await asyncio.wait_for(task, 3)
        assert not opened.left_open()
    await until(lambda: _free(live))


def _free(live: Live) -> bool:
    try:
        Store(live.config.state.path).close()
    except StateError:
        return False
    return True


def _full(*_: object) -> None:
    raise StateError("the disk is full")


def _spoilt(config: object) -> None:
    raise ConfigError(("environment: what it says of TLS or proxies cannot be used",))
