"""The proxy alone in a process: `python -m benchmarks.front HOST:PORT GATEWAY_URL`.

Prints its address once it listens, and how many responses it observed when it is told to end.
"""

from __future__ import annotations

import asyncio
import signal
import sys

from exporter.clock import SystemClock
from exporter.config import Listen
from exporter.gateway.readings import Observation
from exporter.tap.proxy import Proxy, ProxyTarget
from exporter.traffic import TapStatus

_GRACE = 1.0


async def serve(listen: Listen, gateway: str) -> None:
    """Until SIGTERM."""
    observed = 0

    def observe(_: Observation) -> None:
        nonlocal observed
        observed += 1

    proxy = Proxy(listen, ProxyTarget(gateway), observe, TapStatus(), SystemClock())
    await proxy.start()
    print(proxy.address, flush=True)
    ending = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ending.set)
    await ending.wait()
    await proxy.stop(_GRACE)
    print(observed, flush=True)


if __name__ == "__main__":
    host, _, port = sys.argv[1].rpartition(":")
    asyncio.run(serve(Listen(host, int(port)), sys.argv[2]))
