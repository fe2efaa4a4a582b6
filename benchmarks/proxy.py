"""The proxy beside a direct connection and beside nginx, in one run."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median, quantiles

import msgspec

from benchmarks.environment import ROOT, base_environ, runtime_python
from benchmarks.gateway import Gateway
from benchmarks.nginx import PROGRAM as NGINX
from benchmarks.nginx import Nginx
from benchmarks.processes import Child, Memory
from benchmarks.report import Row
from benchmarks.sink import http_sink
from benchmarks.sockets import KEY, Caller, free_port, hold_streams, wait_for_port
from benchmarks.subject import Subject, wait_until

_ADDED = 2.0
"""Milliseconds that the proxy may add to a small call."""

_SHARE = 0.2
"""Of nginx's requests per second."""

_STREAMS = 500
_MEMORY = 60.0
_PAUSE = 500
"""Milliseconds between two events of each of the streams."""

_HELD = 10.0
"""Seconds for which they are read."""

_ROUNDS, _CALLS = 30, 100
_TURNS, _EVENTS, _APART = 5, 200, 5
_CONNECTIONS = 32
_SUBJECT_CORE, _OTHER_CORE = 0, 1
_WRK = shutil.which("wrk")
_OPENSSL = shutil.which("openssl")
_MS = 1000.0


class Latency(msgspec.Struct, frozen=True):
    """Half of all, and 99 of 100, took no longer than so many milliseconds."""

    p50: float
    p99: float


def measure(directory: Path, seconds: float) -> list[Row]:
    """All of it; wrk asks each proxy for so many seconds."""
    rows: list[Row] = []
    with ExitStack() as stack:
        gateway = stack.enter_context(_gateway(directory))
        ours, daemon = stack.enter_context(_daemon(directory / "calls", gateway))
        ports = {"direct": gateway.port, "the proxy": ours}
        children = {"the proxy": daemon}
        if NGINX is not None:
            nginx = Nginx(directory / "nginx", gateway.port, _SUBJECT_CORE)
            stack.enter_context(nginx.child)
            ports["nginx"], children["nginx"] = nginx.port, nginx.child
        with _pinned():
            rows += _latency_rows(_calls(ports), _events(ports))
            rows.append(_speed_row(ports, children, seconds))
    return rows + _memory_rows(directory)


class _Streamer(Gateway):
    """The gateway of `benchmarks.streamer`, with its port."""

    def __init__(self, child: Child, port: int, scheme: str) -> None:
        super().__init__(child, f"{scheme}://127.0.0.1:{port}", KEY)
        self.port = port


@contextmanager
def _gateway(directory: Path, *files: str) -> Iterator[_Streamer]:
    """A gateway, with TLS if there are a certificate and a key."""
    command = [runtime_python(), "-m", "benchmarks.streamer", *files]
    with Child(command, base_environ(ROOT), directory / "gateway.log", _OTHER_CORE) as child:
        yield _Streamer(child, int(child.output.readline()), "https" if files else "http")


@contextmanager
def _daemon(directory: Path, gateway: _Streamer, **environ: str) -> Iterator[tuple[int, Child]]:
    """The port of a daemon's proxy, and its process, once it has polled and exported."""
    port = free_port()
    with http_sink() as (endpoint, sink):
        subject = Subject(directory, gateway, endpoint)
        subject.set(proxy=f"127.0.0.1:{port}")
        subject.environ = environ
        with subject.run(core=_SUBJECT_CORE) as child:
            wait_for_port(port, child)
            wait_until(lambda: len(sink.arrivals) > 0, child, 30.0)
            yield port, child


@contextmanager
def _pinned() -> Iterator[None]:
    """This process stays off the core of what it measures."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {_OTHER_CORE} & before or before)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def _calls(ports: Mapping[str, int]) -> dict[str, Latency]:
    """Small calls one after the other, in turns, so that what else runs disturbs all alike."""
    callers = {name: Caller(port) for name, port in ports.items()}
    took: dict[str, list[float]] = {name: [] for name in ports}
    for _ in range(_ROUNDS):
        for name, caller in callers.items():
            caller.call()
            took[name] += [caller.call() for _ in range(_CALLS)]
    for caller in callers.values():
        caller.close()
    return {name: _latency(times) for name, times in took.items()}


def _events(ports: Mapping[str, int]) -> dict[str, Latency]:
    """Streams, in turns as well."""
    took: dict[str, list[float]] = {name: [] for name in ports}
    for _ in range(_TURNS):
        for name, port in ports.items():
            caller = Caller(port)
            took[name] += caller.stream(_EVENTS, _APART, port)
            caller.close()
    return {name: _latency(times) for name, times in took.items()}


def _latency(seconds: list[float]) -> Latency:
    return Latency(median(seconds) * _MS, quantiles(seconds, n=100)[98] * _MS)


def _latency_rows(calls: Mapping[str, Latency], events: Mapping[str, Latency]) -> list[Row]:
    def told(found: Mapping[str, Latency]) -> str:
        direct, ours = found["direct"], found["the proxy"]
        text = f"p50 {ours.p50 - direct.p50:+.2f} ms, p99 {ours.p99 - direct.p99:+.2f} ms"
        if "nginx" not in found:
            return f"{text} (nginx is not installed)"
        other = found["nginx"]
        return f"{text} (nginx {other.p50 - direct.p50:+.2f}, {other.p99 - direct.p99:+.2f})"

    added = calls["the proxy"].p50 - calls["direct"].p50
    return [
        Row(
            "proxy: added to a small call",
            f"p50 ≤ +{_ADDED:.0f} ms",
            told(calls),
            added <= _ADDED,
            f"{_ROUNDS * _CALLS} calls on one connection each, direct and through either proxy in "
            f"turns of {_CALLS}; direct they take {calls['direct'].p50:.2f} ms (p50) and "
            f"{calls['direct'].p99:.2f} ms (p99). The proxies share one core, this and the gateway "
            "the other.",
        ),
        Row(
            "proxy: added to a streamed event",
            "–",
            told(events),
            None,
            f"{_TURNS * _EVENTS} events {_APART} ms apart, from the gateway's sending to their "
            f"arrival; direct they take {events['direct'].p50:.2f} ms (p50).",
        ),
    ]


def _speed_row(ports: Mapping[str, int], children: Mapping[str, Child], seconds: float) -> Row:
    what, budget = "proxy: requests per second on one core", f"≥ {_SHARE} × nginx's"
    if _WRK is None or "nginx" not in children:
        missing = "wrk" if _WRK is None else "nginx"
        return Row(what, budget, f"not measured: {missing} is not installed")
    rates: dict[str, list[float]] = {name: [] for name in children}
    for _ in range(3):
        for name, child in children.items():
            rates[name].append(_rate(ports[name], child, seconds / 3))
    ours, other = (median(rates[name]) for name in ("the proxy", "nginx"))
    return Row(
        what,
        budget,
        f"{ours / other:.2f} × ({ours:,.0f} and {other:,.0f})",
        ours / other >= _SHARE,
        f"wrk with {_CONNECTIONS} connections, three turns of {seconds / 3:.0f} s each; requests "
        "by second of processor time that the proxy's process used, since on a machine with two "
        "cores wrk and the gateway get in its way. Every request carries a key, every answer an "
        "envelope and a model, and each is observed.",
    )


def _rate(port: int, child: Child, seconds: float) -> float:
    """Requests by second of the child's processor time."""
    assert _WRK is not None
    command = [_WRK, "-t1", f"-c{_CONNECTIONS}", f"-d{seconds:.0f}s"]
    header = ["-H", f"Authorization: Bearer {KEY}"]
    before = child.cpu()
    done = subprocess.run(
        [*command, *header, f"http://127.0.0.1:{port}/v1/small"],
        check=True,
        capture_output=True,
        text=True,
    )
    found = re.search(r"(\d+) requests in ", done.stdout)
    assert found is not None
    assert "Non-2xx" not in done.stdout
    return int(found[1]) / (child.cpu() - before)


def _memory_rows(directory: Path) -> list[Row]:
    plain, before = _memory(directory / "plain")
    each = (plain.now - before.now) * 1024 / _STREAMS
    row = Row(
        f"proxy: resident memory with {_STREAMS} streams",
        f"≤ {_MEMORY:.0f} MiB",
        f"{plain.peak:.1f} MiB",
        plain.peak <= _MEMORY,
        f"The whole daemon, which polls one account and exports over HTTP, while {_STREAMS} "
        f"streams are open at once, each with an event every {_PAUSE / 1000:.1f} s, for "
        f"{_HELD:.0f} s: before, {before.now:.1f} MiB; {each:.1f} KiB for each.",
    )
    what = "the same with TLS to the gateway"
    if _OPENSSL is None:
        return [row, Row(what, "–", "not measured: openssl is not installed")]
    certificate, key = directory / "certificate.pem", directory / "key.pem"
    curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2")
    names = ("-subj", "/CN=gateway", "-addext", "subjectAltName=IP:127.0.0.1")
    files = ("-keyout", str(key), "-out", str(certificate))
    command = [_OPENSSL, "req", "-x509", *curve, *names, *files]
    subprocess.run(command, check=True, capture_output=True)
    secured, idle = _memory(directory / "secured", certificate, key)
    each = (secured.now - idle.now) * 1024 / _STREAMS
    note = f"Before, {idle.now:.1f} MiB; {each:.1f} KiB for each, most of them OpenSSL's."
    return [row, Row(what, "–", f"{secured.peak:.1f} MiB", None, note)]


def _memory(directory: Path, *files: Path) -> tuple[Memory, Memory]:
    """With the streams open, and before."""
    directory.mkdir()
    environ = {"SSL_CERT_FILE": str(files[0])} if files else {}
    with (
        _gateway(directory, *map(str, files)) as gateway,
        _daemon(directory / "daemon", gateway, **environ) as (port, child),
    ):
        caller = Caller(port)
        caller.call()
        caller.close()
        before = child.memory()
        during = asyncio.run(_streams(port, child))
    return during, before


async def _streams(port: int, child: Child) -> Memory:
    holding = asyncio.create_task(hold_streams(port, _STREAMS, _PAUSE, _HELD))
    await asyncio.sleep(_HELD - 1.0)
    memory = child.memory()
    alive = await holding
    if alive != _STREAMS:
        raise RuntimeError(f"only {alive} of {_STREAMS} streams were served")
    return memory
