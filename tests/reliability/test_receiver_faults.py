"""Every way in which a receiver can fail, below a daemon that runs, over real connections."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

import grpc  # type: ignore[import-untyped]
import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceResponse,
)

from exporter.config.types import Otlp, Protocol
from exporter.live import ExportOutcome
from tests.daemon.live import Live, daemon, gateway, polled, until
from tests.otlp.certificates import Certificates, make
from tests.otlp.receivers import GrpcReceiver, HttpReceiver, Reply, rejecting
from tests.reliability.trials import SOAK, Trials, saw
from tests.reliability.watch import Watch

pytestmark = pytest.mark.anyio

CALLS = 5
FAILED = 20 if SOAK else 2
PROMISED = (
    "The export is no success, polls go on meanwhile, and once the receiver is back it has every "
    "call once."
)
SEEN = (
    "{failed} exports failed, {false} taken for success, {polls} polls of the account meanwhile; "
    "{fell} counters that fell, {lost} calls missing or too many afterwards"
)
ELSEWHERE = {"Location": "https://elsewhere.test/v1/metrics"}

STATUSES = (400, 429, 502, 401, 403, 404, 408, 413, 500, 504)[: 10 if SOAK else 3]
REPLIES = {
    **{f"{status}": Reply(status) for status in STATUSES},
    "503 with Retry-After: 3600": Reply(503, headers={"Retry-After": "3600"}),
    "429 with Retry-After: 3600": Reply(429, headers={"Retry-After": "3600"}),
    **{f"redirect ({status})": Reply(status, headers=ELSEWHERE) for status in (301, 302, 307, 308)},
    "partial success": Reply(
        200, b'{"partialSuccess":{"rejectedDataPoints":"3"}}', "application/json"
    ),
    "a web page with status 200": Reply(200, b"<!DOCTYPE html>", "text/html"),
    "a huge answer": Reply(200, b"x" * 1_000_000),
    "nesting without end": Reply(503, b'{"x":' * 12_000, "application/json"),
}


REFUSED = "connection refused"
ON_THE_WIRE = (
    REFUSED,
    "connection reset",
    "garbage in place of HTTP",
    "black hole",
    "a byte a second",
)
Action = Callable[[], object]


class Wire:
    """Stands between the exporter and its receiver; `fault` says what becomes of connections."""

    def __init__(self, receiver: HttpReceiver | GrpcReceiver) -> None:
        self._target = ("127.0.0.1", urlsplit(receiver.url).port)
        self._open: list[socket.socket] = []
        self.fault = ""
        self.port = 0
        self._listen()

    def _listen(self) -> None:
        self._server = socket.create_server(("127.0.0.1", self.port))
        self.port = int(self._server.getsockname()[1])
        threading.Thread(target=self._serve, args=(self._server,), daemon=True).start()

    def break_down(self, fault: str) -> None:
        """All connections end, and new ones meet the fault."""
        self.fault = fault
        if fault == REFUSED:
            self._stop_listening()
        self.close_connections()

    def heal(self) -> None:
        if self.fault == REFUSED:
            self._listen()
        self.fault = ""
        self.close_connections()

    def _stop_listening(self) -> None:
        with suppress(OSError):  # it wakes who waits in `accept`
            self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()

    def close_connections(self) -> None:
        while self._open:
            with suppress(OSError):
                self._open.pop().shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._stop_listening()
        self.close_connections()

    def _serve(self, server: socket.socket) -> None:
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            self._open.append(connection)
            threading.Thread(target=self._meet, args=(connection,), daemon=True).start()

    def _meet(self, connection: socket.socket) -> None:
        with connection, suppress(OSError):
            if self.fault == "connection reset":
                no_linger = struct.pack("ii", 1, 0)
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, no_linger)
            elif self.fault.startswith("garbage"):
                connection.recv(1)
                connection.sendall(b"\x00garbage\r\n\r\n" * 50)
            elif self.fault == "black hole":
                while connection.recv(65536):
                    pass
            elif self.fault == "a byte a second":
                self._drip(connection)
            else:
                self._forward(connection)

    def _drip(self, connection: socket.socket) -> None:
        connection.recv(65536)
        pause = threading.Event()
        for byte in b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n":
            connection.sendall(bytes([byte]))
            pause.wait(1.0)

    def _forward(self, connection: socket.socket) -> None:
        with socket.create_connection(self._target) as onward:
            self._open.append(onward)
            back = threading.Thread(target=_copy, args=(onward, connection), daemon=True)
            back.start()
            _copy(connection, onward)
            back.join(5)


def _copy(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while part := source.recv(65536):
            target.sendall(part)
        target.shutdown(socket.SHUT_WR)


@contextmanager
def wired(receiver: HttpReceiver | GrpcReceiver) -> Iterator[Wire]:
    with receiver:
        wire = Wire(receiver)
        try:
            yield wire
        finally:
            wire.close()


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make(tmp_path_factory.mktemp("stranger"))


def bill(live: Live) -> None:
    for _ in range(CALLS):
        live.simulator.world.bill(model="gpt-5-4", credits=1000)


def arrived(receiver: HttpReceiver | GrpcReceiver) -> int:
    """How many calls the newest points count."""
    watch = Watch()
    if isinstance(receiver, HttpReceiver):
        requests = [received.request for received in list(receiver.received)]
    else:
        requests = list(receiver.received)
    for request in requests:
        watch.take(request)
    assert not watch.wrong
    return int(watch.total("bytespike.usage.requests"))


def outcomes(live: Live) -> dict[ExportOutcome, int]:
    return dict(live.daemon._live.exports.outcomes)


async def fails_and_recovers(
    trials: Trials,
    fault: str,
    live: Live,
    receiver: HttpReceiver | GrpcReceiver,
    breaks: Callable[[], object],
    heals: Callable[[], object],
) -> None:
    """The receiver works, fails in the middle of traffic, and works again."""
    row = trials.row("Receiver faults", fault, PROMISED, SEEN)
    async with daemon(live):
        bill(live)
        await until(lambda: polled(live) and arrived(receiver) == CALLS)
        breaks()
        await until(lambda: failures(live) > 0)
        before, asked = outcomes(live), live.simulator.requests["account"]
        bill(live)
        await until(lambda: failures(live) >= FAILED + 1, 60)
        await until(lambda: live.simulator.requests["account"] > asked + 2)
        polls = live.simulator.requests["account"] - asked
        false = outcomes(live)[ExportOutcome.SUCCESS] - before[ExportOutcome.SUCCESS]
        failed = failures(live)
        heals()
        successes = outcomes(live)[ExportOutcome.SUCCESS]
        await until(lambda: outcomes(live)[ExportOutcome.SUCCESS] > successes + 1, 20)
        lost = abs(arrived(receiver) - 2 * CALLS)
        saw(row, failed=failed, false=false, polls=polls, fell=0, lost=lost)
        assert not false
        assert not lost


def failures(live: Live) -> int:
    return outcomes(live)[ExportOutcome.FAILURE] + outcomes(live)[ExportOutcome.PARTIAL]


def http(receiver: HttpReceiver, wire: Wire, fault: str) -> tuple[Action, Action]:
    """What brings the fault about, and what ends it."""
    if fault not in REPLIES:
        return (lambda: wire.break_down(fault)), wire.heal
    replies = receiver.replies
    return (lambda: replies.__setitem__(0, REPLIES[fault])), lambda: replies.__setitem__(0, Reply())


@pytest.mark.parametrize("fault", [*REPLIES, *ON_THE_WIRE])
async def test_a_receiver_that_fails_loses_nothing(
    trials: Trials, tmp_path: Path, fault: str
) -> None:
    receiver = HttpReceiver()
    with wired(receiver) as wire:
        async with gateway(tmp_path) as live:
            url = f"http://127.0.0.1:{wire.port}"
            live.change(otlp=Otlp(endpoint=url, interval=0.1, timeout=0.5))
            breaks, heals = http(receiver, wire, fault)
            await fails_and_recovers(trials, fault, live, receiver, breaks, heals)


def abort(code: str) -> Callable[[grpc.ServicerContext], ExportMetricsServiceResponse]:
    def answer(context: grpc.ServicerContext) -> ExportMetricsServiceResponse:
        context.abort(grpc.StatusCode[code], "as told")
        raise AssertionError("abort raises")

    return answer


GRPC_ANSWERS = {
    **{
        code: abort(code)
        for code in ("UNAVAILABLE", "RESOURCE_EXHAUSTED", "INVALID_ARGUMENT", "UNAUTHENTICATED")
    },
    "partial success": lambda _: rejecting(3, "too many"),
}


@pytest.mark.parametrize("fault", [*GRPC_ANSWERS, *ON_THE_WIRE][:: 1 if SOAK else 4])
async def test_a_receiver_that_fails_by_grpc_loses_nothing(
    trials: Trials, tmp_path: Path, fault: str
) -> None:
    receiver = GrpcReceiver()
    right = receiver.answer

    def answer(what: Callable[[grpc.ServicerContext], ExportMetricsServiceResponse]) -> None:
        receiver.answer = what

    with wired(receiver) as wire:
        async with gateway(tmp_path) as live:
            url = f"http://127.0.0.1:{wire.port}"
            live.change(otlp=Otlp(protocol=Protocol.GRPC, endpoint=url, interval=0.1, timeout=0.5))
            breaks: Action = lambda: wire.break_down(fault)  # noqa: E731
            heals: Action = wire.heal
            if fault in GRPC_ANSWERS:
                breaks, heals = (lambda: answer(GRPC_ANSWERS[fault])), lambda: answer(right)
            await fails_and_recovers(trials, f"{fault}, by gRPC", live, receiver, breaks, heals)


GARBAGE, OTHER_HOST = "garbage in place of TLS", "TLS with a certificate for another host"
STRANGER = "TLS with a certificate of an authority that is not ours"


@pytest.mark.parametrize("fault", [GARBAGE, STRANGER, OTHER_HOST])
async def test_a_receiver_whose_tls_breaks_loses_nothing(
    trials: Trials, tmp_path: Path, certificates: Certificates, stranger: Certificates, fault: str
) -> None:
    tls = certificates.context()
    receiver = HttpReceiver(tls=tls)
    with wired(receiver) as wire:

        def breaks() -> None:
            if fault == GARBAGE:
                wire.break_down(fault)
            elif fault == OTHER_HOST:
                tls.load_cert_chain(certificates.client, certificates.client_key)
            else:
                tls.load_cert_chain(stranger.server, stranger.server_key)
            wire.close_connections()

        def heals() -> None:
            tls.load_cert_chain(certificates.server, certificates.server_key)
            wire.heal()

        async with gateway(tmp_path) as live:
            url = f"https://127.0.0.1:{wire.port}"
            live.change(
                otlp=Otlp(endpoint=url, interval=0.1, timeout=0.5, certificate=certificates.ca)
            )
            await fails_and_recovers(trials, fault, live, receiver, breaks, heals)
