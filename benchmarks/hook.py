"""What the tap's hook adds to a call of an application that uses it."""

from __future__ import annotations

import socket
import time
from statistics import median

import httpx

from benchmarks.report import Row, spread
from exporter.tap.hook import QuotaTap

_MOST = 20.0
_BATCHES = 50
_CALLS = 100
"""Calls of a batch: no more than a receiver's buffer holds, so that none is cheap by being lost."""

_REQUEST = {
    "accept": "application/json",
    "authorization": "Bearer sk-byts-an-example-of-a-key-0123",
    "content-type": "application/json",
    "user-agent": "an SDK",
    **{f"x-stainless-{number}": "what SDKs tell of themselves" for number in range(8)},
}
_RESPONSE = {
    "date": "Thu, 21 May 2026 14:08:11 GMT",
    "content-type": "application/json",
    "content-length": "512",
    "server": "gateway",
    "x-request-id": "req_01J",
    "X-RateLimit-Limit": "50.00",
    "X-RateLimit-Remaining": "42.40",
    "X-RateLimit-Reset": "1779390491",
    "X-Quota-Remaining-Credits": "192.40",
    "X-Org-Quota-Remaining-Credits": "492.40",
}


def measure(runs: int) -> list[Row]:
    """One call of the hook, with somebody who listens and with nobody."""
    heard: list[float] = []
    unheard: list[float] = []
    for _ in range(runs):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
            receiver.bind(("127.0.0.1", 0))
            receiver.setblocking(False)
            tap = QuotaTap(f"127.0.0.1:{receiver.getsockname()[1]}")
            heard.append(median(_batch(tap, receiver) for _ in range(_BATCHES)))
            assert tap.failed == 0
        unheard.append(median(_batch(tap) for _ in range(_BATCHES)))
        assert tap.failed > 0
    note = (
        f"A response with {len(_RESPONSE)} headers to a request with {len(_REQUEST)}, over "
        f"loopback; medians of {_BATCHES} batches of {_CALLS} calls, {runs} times."
    )
    return [
        Row(
            "hook: one call",
            f"≤ {_MOST:g} µs",
            spread(heard, "µs", 1),
            median(heard) <= _MOST,
            note,
        ),
        Row("the same while nobody listens", "–", spread(unheard, "µs", 1)),
    ]


def _batch(tap: QuotaTap, receiver: socket.socket | None = None) -> float:
    """Microseconds of one call. Every datagram reaches the receiver, if there is one."""
    request = httpx.Request("POST", "http://127.0.0.1/v1/messages", headers=_REQUEST)
    response = httpx.Response(200, headers=_RESPONSE, request=request)
    began = time.perf_counter()
    for _ in range(_CALLS):
        tap(response)
    took = time.perf_counter() - began
    if receiver is not None:
        for _ in range(_CALLS):
            receiver.recv(2048)
    return took / _CALLS * 1e6
