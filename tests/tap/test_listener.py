"""The listener takes what anybody sends, within bounds, and accounts for every datagram."""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
import sys
import threading
from functools import partial

import pytest

from exporter.clock import SystemClock
from exporter.config.types import Listen
from exporter.errors import ListenError
from exporter.gateway.readings import Source
from exporter.tap import listener as module
from exporter.tap.listener import AT_ONCE, BURST, PAUSE, RATE, Listener
from exporter.traffic import TapOutcome, TapStatus
from tests.clock import VirtualClock
from tests.daemon.live import until
from tests.tap.bench import running
from tests.tap.reports import READ, WHOLE, report

pytestmark = pytest.mark.anyio


def loopbacks() -> list[str]:
    found = ["127.0.0.1"]
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind(("::1", 0))
        except OSError:
            return found
    return [*found, "::1"]


@pytest.mark.parametrize("host", loopbacks())
async def test_what_is_sent_is_taken(host: str) -> None:
    async with running(Listen(host, 0)) as bench:
        assert bench.listener.address.startswith("[::1]:" if ":" in host else "127.0.0.1:")
        bench.send(report(), b"<190>Nov 26 06:07:14 nginx: " + report(status=402))
        await until(lambda: len(bench.taken) == 2)
    assert bench.taken[0] == READ
    assert bench.taken[1].status == 402
    assert bench.status.observations == {}


async def test_a_report_without_a_time_was_observed_when_it_arrived() -> None:
    clock = VirtualClock()
    async with running(clock=clock) as bench:
        bench.send(report(at=...))
        await until(lambda: bench.taken)
    assert bench.taken[0].envelope.observed_at == clock.now()


async def test_what_is_malformed_is_counted_and_costs_nothing_else(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with running() as bench:
        bench.send(b"", b"\xff", b"x" * 5000, report(source="proxy", key=WHOLE[-12:]), report())
        await until(lambda: bench.taken)
    assert bench.status.observations == {
        (None, TapOutcome.MALFORMED): 3,
        (Source.PROXY, TapOutcome.MALFORMED): 1,
    }
    assert "it is longer than 2048 bytes" in caplog.text


async def test_a_thousand_malformed_ones_are_one_line_that_quotes_none(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with running() as bench:
        for number in range(20):
            bench.send(*(report(key=WHOLE, status=status) for status in range(50)))
            await until(partial(bench.has_counted, TapOutcome.MALFORMED, 50 * (number + 1)))
    assert caplog.messages == [
        "A datagram from 127.0.0.1 to tap.listen is refused: it holds a whole API key, of which "
        "only the masked form may be sent; docs/tap.md says what the sender is to change"
    ]


async def test_a_defect_behind_it_ends_nothing(caplog: pytest.LogCaptureFixture) -> None:
    async with running() as bench:
        bench.take = lambda seen: [][seen.status]
        bench.send(report(), report())
        await until(lambda: "IndexError" in caplog.text)
        bench.take = bench.taken.append
        bench.send(report())
        await until(lambda: bench.taken)
    assert len(caplog.messages) == 1
    assert caplog.records[0].levelno == logging.ERROR


async def test_past_the_rate_nothing_is_read_until_time_has_passed() -> None:
    clock = VirtualClock()
    async with running(clock=clock) as bench:
        for sent in range(AT_ONCE, int(BURST) + 1, AT_ONCE):
            bench.send(*[report()] * AT_ONCE)
            await until(partial(bench.has_taken, sent))
        bench.send(*[report()] * 150)
        await until(lambda: clock._sleepers)
        assert len(bench.taken) == BURST
        await clock.advance(PAUSE)
        await until(lambda: len(bench.taken) > BURST and clock._sleepers)
        assert len(bench.taken) == BURST + RATE * PAUSE
    assert len(bench.taken) == BURST + RATE * PAUSE


async def test_a_pause_can_be_stopped() -> None:
    clock = VirtualClock()
    async with running(clock=clock) as bench:
        bench.listener._allowed = 0
        bench.send(report())
        await until(lambda: clock._sleepers)
        await bench.listener.stop()
        await clock.advance(PAUSE)
    assert not bench.taken


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells what it dropped")
async def test_a_flood_starves_nobody_and_every_datagram_is_accounted_for(
    caplog: pytest.LogCaptureFixture,
) -> None:
    sent = 20_000
    async with running(clock=SystemClock()) as bench:
        flood = threading.Thread(target=lambda: bench.send(*[report()] * sent))
        flood.start()
        most = 0
        while len(bench.taken) + bench.counted(TapOutcome.DROPPED) < sent:
            before = len(bench.taken)
            await asyncio.sleep(0)
            most = max(most, len(bench.taken) - before)
        flood.join()
        assert len(bench.taken) + bench.counted(TapOutcome.DROPPED) == sent
    assert 0 < most <= AT_ONCE
    assert len(bench.taken) < sent
    [line] = caplog.messages
    assert line.startswith("More reports arrive at tap.listen than are read, 2000 a second;")


async def test_where_the_kernel_does_not_tell_nothing_is_counted_as_dropped(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "_SO_MEMINFO", 9999)
    async with running() as bench:
        bench.listener._allowed = 0
        bench.send(*[report()] * 5000)
    assert bench.status.observations == {}


async def test_a_socket_that_fails_is_tried_again(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    class Failing(socket.socket):
        failures = 3

        def recvfrom(self, *arguments: int) -> tuple[bytes, object]:
            if self.failures:
                self.failures -= 1
                raise OSError(errno.ENOMEM, "Cannot allocate memory")
            return super().recvfrom(*arguments)

    monkeypatch.setattr(socket, "socket", Failing)
    clock = VirtualClock()
    async with running(clock=clock) as bench:
        bench.send(report())
        for _ in range(Failing.failures):
            await until(lambda: clock._sleepers)
            assert not bench.taken
            await clock.advance(PAUSE)
        await until(lambda: bench.taken)
    assert caplog.messages == ["Reading tap.listen fails: Cannot allocate memory"]


async def test_an_address_of_another_machine_is_a_clear_error() -> None:
    listener = Listener(Listen("192.0.2.1", 0), print, TapStatus(), VirtualClock())
    with pytest.raises(ListenError, match=r"192\.0\.2\.1"):
        await listener.start()


async def test_it_can_be_stopped_twice_and_has_no_address_then() -> None:
    async with running() as bench:
        await bench.listener.stop()
        with pytest.raises(RuntimeError, match="not running"):
            assert bench.listener.address
