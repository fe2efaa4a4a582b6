"""Where the hook says it: over one socket, to a listener that may be away, full or renamed."""

from __future__ import annotations

import gc
import socket
import threading
from pathlib import Path
from typing import Any

import pytest

from exporter.tap.hook import QuotaTap
from tests.peers.process import free_port
from tests.tap.hook_stage import Ear, ear, response, tap

__all__ = ["ear", "tap"]


def test_nobody_listening_is_only_counted_and_who_comes_back_hears_at_once() -> None:
    port = free_port()
    tap = QuotaTap(f"127.0.0.1:{port}")
    for _ in range(5):
        tap(response())
    lost = tap.failed
    assert lost in (4, 5)
    with Ear(port=port) as ear:
        tap(response())
        tap(response())
        assert len(ear.raw()) == 2
    assert tap.failed <= lost + 1


def test_a_full_buffer_loses_a_datagram_and_waits_for_nothing(
    monkeypatch: pytest.MonkeyPatch, ear: Ear
) -> None:
    class Full(socket.socket):
        def send(self, *_: object) -> int:
            patience.append(self.gettimeout())
            raise BlockingIOError

    patience: list[float | None] = []
    monkeypatch.setattr(socket, "socket", Full)
    tap = QuotaTap(ear.address)
    tap(response())
    assert (tap.failed, ear.raw()) == (1, [])
    assert patience == [0.0]


@pytest.mark.parametrize(
    "address", ["", "127.0.0.1", "127.0.0.1:", ":8789", "host:port", "host:0", "host:65536", "h:٣"]
)
def test_an_address_that_is_none_is_an_error_at_once(address: str) -> None:
    with pytest.raises(ValueError, match="HOST:PORT"):
        QuotaTap(address)


@pytest.mark.parametrize("host", ["there.is.no.such.host.invalid", "x" * 70, "a..b"])
def test_a_host_that_cannot_be_found_is_only_counted(
    monkeypatch: pytest.MonkeyPatch, host: str
) -> None:
    def unknown(host: str, *_: object, **__: object) -> None:
        host.encode("idna")
        raise socket.gaierror(socket.EAI_NONAME, "unknown")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    tap = QuotaTap(f"{host}:8789")
    tap(response())
    assert tap.failed == 1


def test_a_name_is_looked_up_once_and_of_its_addresses_ipv4_is_taken(
    monkeypatch: pytest.MonkeyPatch, ear: Ear
) -> None:
    asked = []

    def both(*question: object, **_: object) -> list[tuple[Any, ...]]:
        asked.append(question)
        kind = socket.SOCK_DGRAM
        return [
            (socket.AF_INET6, kind, 17, "", ("::1", ear.port, 0, 0)),
            (socket.AF_INET, kind, 17, "", ("127.0.0.1", ear.port)),
        ]

    monkeypatch.setattr(socket, "getaddrinfo", both)
    tap = QuotaTap(f"localhost:{ear.port}")
    tap(response())
    tap(response())
    assert len(ear.raw()) == 2
    assert asked == [("localhost", ear.port)]


@pytest.mark.skipif(not Path("/proc/net/if_inet6").exists(), reason="no IPv6 on this machine")
def test_an_ipv6_address_is_written_in_brackets() -> None:
    with Ear("::1") as ear:
        tap = QuotaTap(ear.address)
        tap(response())
        assert len(ear.raw()) == 1


def test_its_socket_is_closed_when_nothing_refers_to_it_any_more(
    monkeypatch: pytest.MonkeyPatch, ear: Ear
) -> None:
    opened: list[socket.socket] = []

    class Kept(socket.socket):
        def connect(self, *where: Any) -> None:
            super().connect(*where)
            opened.append(self)

    monkeypatch.setattr(socket, "socket", Kept)
    tap = QuotaTap(ear.address)
    tap(response())
    [one] = opened
    assert one.fileno() >= 0
    tap.__dict__["itself"] = tap
    del tap
    gc.collect()
    assert one.fileno() == -1


def test_threads_that_begin_together_share_one_socket(
    monkeypatch: pytest.MonkeyPatch, tap: QuotaTap, ear: Ear
) -> None:
    together = threading.Barrier(4, timeout=30)

    class Slow(socket.socket):
        def connect(self, *where: Any) -> None:
            together.wait()
            super().connect(*where)
            opened.append(self)

    opened: list[socket.socket] = []
    monkeypatch.setattr(socket, "socket", Slow)
    threads = [threading.Thread(target=tap, args=(response(),)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(ear.raw()) == 4
    assert tap.failed == 0
    assert sum(one.fileno() >= 0 for one in opened) == 1
