"""The daemon's life: start and end, whatever hangs meanwhile."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from msgspec.structs import replace

from bytespike_simulator.wallet import CREDITS
from exporter import daemon as daemon_module
from exporter import threads
from exporter.config.types import Config, Otlp
from exporter.daemon import Daemon
from exporter.errors import ListenError, StateError, StateLockedError
from exporter.ledger.store import Store
from exporter.runtime import Runtime
from tests.daemon.live import Live, daemon, hanging_ledger, polled, said, shows, taken, until
from tests.otlp.receivers import HttpReceiver, black_hole

pytestmark = pytest.mark.anyio


@pytest.fixture
def receiver() -> Iterator[HttpReceiver]:
    with HttpReceiver() as receiver:
        yield receiver


async def test_it_polls_counts_serves_and_exports(live: Live, receiver: HttpReceiver) -> None:
    live.change(otlp=Otlp(endpoint=receiver.url, interval=0.2))
    live.simulator.world.bill(credits=3 * CREDITS)
    async with daemon(live):
        await until(lambda: receiver.received)
        await until(lambda: polled(live))
        assert (await live.get("/readyz")).status_code == 200
        await shows(live, "bytespike_usage_cost_USD_total", "3.0")
        assert "$97.00" in (await live.get("/")).text
        before = len(receiver.received)
    assert len(receiver.received) > before, "the last export comes at the end"


async def test_it_is_alive_while_the_first_polls_hang_and_ready_afterwards(live: Live) -> None:
    live.fail("hang")
    live.change(gateway=replace(live.config.gateway, timeout=0.5))
    async with daemon(live):
        assert (await live.get("/livez")).status_code == 200
        assert (await live.get("/readyz")).status_code == 503
        live.heal()
        await until(lambda: polled(live))
        assert (await live.get("/readyz")).status_code == 200


@pytest.mark.parametrize("ledger", [False, True], ids=["", "ledger hangs"])
@pytest.mark.parametrize("hangs", [False, True], ids=["", "receiver hangs"])
@pytest.mark.parametrize("source", [False, True], ids=["", "gateway hangs"])
async def test_it_ends_in_time_whatever_hangs(
    live: Live, monkeypatch: pytest.MonkeyPatch, source: bool, hangs: bool, ledger: bool
) -> None:
    monkeypatch.setattr(daemon_module, "LAST_EXPORT", 0.4)
    monkeypatch.setattr(daemon_module, "CLOSE_STATE", 0.2)
    with ExitStack() as stack:
        fine = stack.enter_context(HttpReceiver()).url
        hole = f"http://127.0.0.1:{stack.enter_context(black_hole())}/"
        live.change(otlp=Otlp(endpoint=hole if hangs else fine, interval=0.1))
        async with daemon(live):
            await until(lambda: polled(live))
            if source:
                live.fail("hang")
            if ledger:
                stack.enter_context(hanging_ledger(live))
            await asyncio.sleep(0.5)  # every part meets what hangs
            began = time.monotonic()
        assert time.monotonic() - began < 6
    live.daemon._store.close()  # what hung was left open: nobody waits for it at an end


async def test_it_ends_while_the_state_file_is_being_opened(
    live: Live, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    hang = threading.Event()
    monkeypatch.setattr(daemon_module, "SLOW_STATE", 0.05)
    monkeypatch.setattr(daemon_module, "Store", lambda path: hang.wait())
    made = Daemon(live.config, live.environ)
    task = asyncio.create_task(made.run())
    await until(lambda: said(caplog, "Still opening"))
    made.stop()
    await asyncio.wait_for(task, 2)
    hang.set()


async def test_one_round_that_is_stopped_ends_in_time(live: Live) -> None:
    live.fail("hang")
    made = Daemon(live.config, live.environ)
    task = asyncio.create_task(made.once())
    await until(lambda: live.simulator.requests)
    made.stop()
    assert await asyncio.wait_for(task, 3) is True


async def test_a_hanging_state_file_is_told_and_the_gauges_go_on(
    live: Live,
    receiver: HttpReceiver,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(threads, "PATIENCE", 0.3)
    live.change(otlp=Otlp(endpoint=receiver.url, interval=0.1))
    async with daemon(live):
        await until(lambda: polled(live))
        with hanging_ledger(live):
            await until(lambda: not live.daemon._live.state_writable)
            assert said(caplog, "has not answered for 0.3 s: check the disk")
            assert (await live.get("/readyz")).json()["state"]["writable"] is False
            asked, sent = live.simulator.requests["account"], len(receiver.received)
            await until(lambda: live.simulator.requests["account"] > asked + 2)
            await until(lambda: len(receiver.received) > sent + 1)
        await until(lambda: live.daemon._live.state_writable)


@pytest.mark.parametrize("setting", ["http", "tap"])
async def test_a_busy_port_ends_the_start_and_exports_nothing(
    live: Live, receiver: HttpReceiver, setting: str
) -> None:
    with taken(setting) as busy:
        live.change(otlp=Otlp(endpoint=receiver.url), **busy)
        with pytest.raises(ListenError, match=rf"set {setting}\.listen to a free address"):
            await Daemon(live.config, live.environ).run()
    assert receiver.received == []
    Store(live.config.state.path).close()  # it was let go of


async def test_a_start_that_fails_lets_the_state_file_go(
    live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def spoilt(runtime: Runtime) -> None:
        raise StateError("the disk is full")

    monkeypatch.setattr(Runtime, "open", spoilt)
    with pytest.raises(StateError, match="full"):
        await Daemon(live.config, live.environ).run()
    Store(live.config.state.path).close()


async def test_a_second_daemon_on_one_state_does_not_start(live: Live) -> None:
    async with daemon(live):
        with pytest.raises(StateLockedError, match="stop the other exporter"):
            await Daemon(live.config, live.environ).run()
        await until(lambda: polled(live))


async def test_one_round_polls_exports_and_ends(live: Live, receiver: HttpReceiver) -> None:
    live.change(otlp=Otlp(endpoint=receiver.url))
    live.simulator.world.bill()
    assert await Daemon(live.config, live.environ).once() is True
    assert live.simulator.requests == {
        "account": 1,
        "keys": 1,
        "usage": 3,
        "transactions": 3,
    }
    assert receiver.received


async def test_debugging_shows_the_settings_in_force_without_secrets(
    live: Live, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "exporter")
    config: Config = replace(live.config, warnings=("otlp: is odd",))
    await Daemon(config, live.environ).once()
    assert said(caplog, "otlp: is odd")
    assert said(caplog, "name: prod")
    assert live.simulator.api_key not in caplog.text
