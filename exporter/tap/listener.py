"""Where others report what they saw: one datagram for each response, over UDP (docs/tap.md).

Anybody who reaches the port can send anything, so all is bounded: how much is read before the
event loop goes on with its other work, how much is read in a second, and what is said in the log.
Past the bound nothing is read at all, which costs nothing; the kernel's buffer fills, and the
kernel drops the rest and counts it.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import struct
import sys
from collections.abc import Callable
from typing import Final

from exporter.clock import Clock
from exporter.config.types import Listen
from exporter.errors import ListenError
from exporter.gateway.readings import Observation
from exporter.tap.datagram import MAX_BYTES, DatagramError, decode
from exporter.throttle import Throttle
from exporter.traffic import TapOutcome, TapStatus

RATE: Final = 2000.0
"""Datagrams that are read in a second."""

BURST: Final = 2000.0
"""Datagrams that are read at once after a quiet second."""

AT_ONCE: Final = 50
"""Datagrams that are read before the event loop goes on: a millisecond or two of work."""

PAUSE: Final = 0.05
"""Seconds in which nothing is read once `RATE` is reached, or when reading fails."""

_BUFFER: Final = 1 << 20
"""Bytes that the kernel may hold for us, where it allows so many: some 800 datagrams."""

_SO_MEMINFO: Final = 55
_MEMINFO: Final = struct.Struct("9I")
"""What Linux tells of a socket's memory (linux/sock_diag.h); the last number counts drops."""

_log = logging.getLogger(__name__)


class Listener:
    """Hands every observation that arrives at `listen` to `take`.

    What cannot be read, or was dropped in a flood, is counted in `status`; what became of the
    others is for `take` to count.
    """

    def __init__(
        self,
        listen: Listen,
        take: Callable[[Observation], object],
        status: TapStatus,
        clock: Clock,
    ) -> None:
        self._listen = listen
        self._take = take
        self._status = status
        self._clock = clock
        self._throttle = Throttle(_log, clock)
        self._allowed = BURST
        self._allowed_at = clock.monotonic()
        self._dropped = 0
        self._socket: socket.socket | None = None
        self._pause: asyncio.Task[None] | None = None

    @property
    def address(self) -> str:
        """`host:port` as bound, with the port that was free if 0 was asked for."""
        if self._socket is None:
            raise RuntimeError("the listener is not running")
        return str(Listen(*self._socket.getsockname()[:2]))

    async def start(self) -> None:
        """Bind and listen. Raises ListenError, which says what to change."""
        loop = asyncio.get_running_loop()
        host, port = self._listen.host, self._listen.port
        try:
            found = await loop.getaddrinfo(host, port, type=socket.SOCK_DGRAM)
            self._socket = _bound(found[0][0], found[0][4])
        except (OSError, UnicodeError, OverflowError) as error:
            without = "what others report"
            raise ListenError.at("tap.listen", str(self._listen), error, without) from error
        self._dropped = _dropped(self._socket)
        loop.add_reader(self._socket, self._arrived, self._socket)

    async def stop(self) -> None:
        """Listen no longer. May be repeated."""
        if self._socket is None:
            return
        if self._pause is not None:
            self._pause.cancel()
            self._pause = None
        asyncio.get_running_loop().remove_reader(self._socket)
        self._count_dropped(self._socket)
        self._socket.close()
        self._socket = None

    def _arrived(self, listening: socket.socket) -> None:
        """Read some of what has arrived."""
        self._count_dropped(listening)
        allowance = self._allowance()
        if not allowance:
            self._rest(listening)
        for _ in range(allowance):
            try:
                datagram, sender = listening.recvfrom(MAX_BYTES + 1)
            except BlockingIOError:
                return
            except OSError as error:
                # Without a rest, a socket that stays readable would keep the loop busy.
                self._throttle.say("read", "Reading tap.listen fails: %s", error.strerror)
                self._rest(listening)
                return
            self._allowed -= 1
            self._read(datagram, sender[0])

    def _allowance(self) -> int:
        """How many datagrams may be read now."""
        now = self._clock.monotonic()
        self._allowed = min(BURST, self._allowed + RATE * (now - self._allowed_at))
        self._allowed_at = now
        return min(AT_ONCE, int(self._allowed))

    def _read(self, datagram: bytes, sender: str) -> None:
        try:
            observation = decode(datagram, self._clock.now())
        except DatagramError as error:
            self._status.observed(error.source, TapOutcome.MALFORMED)
            self._throttle.say(
                ("malformed", str(error)),
                "A datagram from %s to tap.listen is refused: %s; "
                "docs/tap.md says what the sender is to change",
                sender,
                error,
            )
            return
        try:
            self._take(observation)
        except Exception as error:
            self._throttle.say(
                ("take", type(error)),
                "What was reported to tap.listen could not be used (%s): this is a defect",
                type(error).__name__,
                level=logging.ERROR,
            )

    def _rest(self, listening: socket.socket) -> None:
        asyncio.get_running_loop().remove_reader(listening)
        self._pause = asyncio.create_task(self._go_on(listening))

    async def _go_on(self, listening: socket.socket) -> None:
        await self._clock.sleep(PAUSE)
        asyncio.get_running_loop().add_reader(listening, self._arrived, listening)

    def _count_dropped(self, listening: socket.socket) -> None:
        dropped = _dropped(listening)
        new = (dropped - self._dropped) % 2**32
        self._dropped = dropped
        if not new:
            return
        self._status.observed(None, TapOutcome.DROPPED, new)
        self._throttle.say(
            "dropped",
            "More reports arrive at tap.listen than are read, %.0f a second; %d were dropped: "
            "find out who sends so many, or give each application an exporter beside it",
            RATE,
            new,
        )


def _bound(family: int, address: tuple[object, ...]) -> socket.socket:
    listening = socket.socket(family, socket.SOCK_DGRAM)
    try:
        listening.setblocking(False)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
        listening.bind(address)
    except BaseException:
        listening.close()
        raise
    return listening


def _dropped(listening: socket.socket) -> int:
    """Datagrams that the kernel has dropped since the socket was made; 0 where it does not tell."""
    if sys.platform != "linux":
        return 0
    try:
        told = listening.getsockopt(socket.SOL_SOCKET, _SO_MEMINFO, _MEMINFO.size)
        return int(_MEMINFO.unpack(told)[-1])
    except (OSError, struct.error):
        return 0
