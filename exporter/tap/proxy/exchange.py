"""One request and its response, between one client and one connection to the gateway."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from exporter.tap.proxy.heads import (
    Framing,
    Header,
    RequestHead,
    answer_framing,
    read_answer,
    reframed,
    trailer_lines,
)
from exporter.tap.proxy.limits import BODY_SECONDS, CONNECT_SECONDS, SILENCE_SECONDS
from exporter.tap.proxy.link import Link
from exporter.tap.proxy.pool import why_not
from exporter.tap.proxy.refusal import Refusal, bad_answer, gateway_silent, too_slow, unreachable
from exporter.traffic import ProxyOutcome

if TYPE_CHECKING:
    from exporter.tap.proxy.client import Client
    from exporter.tap.proxy.shared import Shared

_NO_BODY = (204, 304)


class Exchange:
    """Ends exactly once, in `_end`, and is counted there.

    `asked`: the whole request has been read.
    """

    __slots__ = (
        "_again",
        "_answering",
        "_bare",
        "_chunked",
        "_client",
        "_down",
        "_framing",
        "_heard",
        "_keep",
        "_keep_alive",
        "_link",
        "_modern",
        "_over",
        "_pool",
        "_reusable",
        "_shared",
        "_until_closed",
        "_up",
        "_watch",
        "asked",
    )

    def __init__(self, shared: Shared, client: Client, head: RequestHead) -> None:
        self._shared = shared
        self._client = client
        self._bare = head.method == b"HEAD"
        self._chunked = head.framing is Framing.CHUNKED
        self._modern = head.minor > 0
        self._keep_alive = head.keep_alive
        self._again = head.raw if head.may_repeat else None  # to be sent again, if it comes to that
        self._pool = shared.pool
        self._link: Link | None = None
        self._up: list[bytes] = [head.raw]
        self._down: list[bytes] = []
        self._framing: Framing | None = None  # of the response, as the client gets it
        self._until_closed = False  # so the gateway frames it
        self._answering = False  # the client has got some of it
        self._keep = False
        self._reusable = False
        self._watch = None if head.key is None else shared.observer.watch(head.key)
        self._over = False
        self._heard = shared.now
        self.asked = False

    # -- from the client ----------------------------------------------------------------------

    def start(self) -> None:
        """Find a connection."""
        self._shared.status.active += 1
        link = self._pool.take()
        if link is None:
            self._again = None  # a new connection that breaks does so for a reason
            self._connect()
        else:
            self._attach(link)

    def send(self, pieces: list[bytes]) -> None:
        """Some of the request's body."""
        if self._chunked:
            self._up += [b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces]
        else:
            self._up += pieces

    def end_of_request(self, trailers: list[Header]) -> None:
        """The request is complete."""
        self.asked = True
        if self._chunked:
            self._up.append(b"0\r\n%b\r\n" % trailer_lines(trailers))

    def flush(self) -> None:
        """Pass on what has been collected, or hold the client up until that can be done."""
        self._heard = self._shared.now
        if self._link is None:
            if not self.asked:
                self._client.hold()
        elif self._up:
            self._link.write(b"".join(self._up))
            self._up.clear()

    def client_gone(self) -> None:
        """Nobody waits for the response."""
        self._end(ProxyOutcome.CLIENT_GONE)

    def client_full(self) -> None:
        """The client does not take more for now."""
        if self._link is not None:
            self._link.transport.pause_reading()

    def client_ready(self) -> None:
        """The client takes more again."""
        self._heard = self._shared.now
        if self._link is not None:
            self._link.transport.resume_reading()

    def cut(self) -> None:
        """The proxy stops."""
        self._end(ProxyOutcome.GATEWAY_FAILED)

    def refuse(self, refusal: Refusal) -> None:
        """The rest of the request is not one."""
        self._fail(refusal, ProxyOutcome.REFUSED)

    def check(self, now: float) -> None:
        """End what takes too long, and tell what was seen long enough ago."""
        if self._watch is not None and self._watch.check():
            self._watch = None
        silence = now - self._heard
        if not (self.asked or self._client.held):
            if silence >= BODY_SECONDS:
                self._fail(too_slow(), ProxyOutcome.CLIENT_GONE)
        elif silence >= SILENCE_SECONDS:
            full = self._client.full
            outcome = ProxyOutcome.CLIENT_GONE if full else ProxyOutcome.GATEWAY_FAILED
            self._fail(gateway_silent(), outcome)

    # -- from the gateway ---------------------------------------------------------------------

    def interim(self, status: int, reason: bytes, headers: list[Header]) -> None:
        """Pass on a response that announces another one, to those who know such."""
        if self._modern:
            lines, _ = read_answer(headers)
            self._down += (b"HTTP/1.1 %d %b\r\n" % (status, reason), *lines, b"\r\n")

    def head(self, status: int, reason: bytes, headers: list[Header], reusable: bool) -> bool:
        """Pass on the head, framed for this client; returns whether a body may follow."""
        lines, said = read_answer(headers)
        ends = answer_framing(said, has_body=not (self._bare or status in _NO_BODY))
        self._until_closed = ends is Framing.UNTIL_CLOSED
        framing = self._framing = reframed(ends, modern=self._modern)
        self._reusable = reusable
        self._keep = (
            self._keep_alive
            and self.asked
            and framing is not Framing.UNTIL_CLOSED
            and self._client.may_stay
        )
        self._down += (b"HTTP/1.1 %d %b\r\n" % (status, reason), *lines)
        if framing is Framing.CHUNKED:
            self._down.append(b"Transfer-Encoding: chunked\r\n")
        if not self._keep:
            self._down.append(b"Connection: close\r\n")
        elif not self._modern:
            self._down.append(b"Connection: keep-alive\r\n")
        self._down.append(b"\r\n")
        if self._watch is not None:
            self._watch.head(status, said)
        return not self._bare

    def body(self, data: bytes) -> None:
        """Pass on some of the body."""
        if self._framing is Framing.CHUNKED:
            self._down.append(b"%x\r\n%b\r\n" % (len(data), data))
        else:
            self._down.append(data)
        if self._watch is not None:
            self._watch.body(data)

    def fed(self, complete: bool, trailers: list[Header]) -> None:
        """All that came in one piece was told, and whether the response is `complete`."""
        self._heard = self._shared.now
        self._again = None
        if complete and self._framing is Framing.CHUNKED:
            self._down.append(b"0\r\n%b\r\n" % trailer_lines(trailers))
        if self._down:
            self._answering = self._framing is not None
            self._client.transport.write(b"".join(self._down))
            self._down.clear()
        if self._watch is not None and self._watch.look():
            self._watch = None
        if complete:
            self._complete()

    def broken(self, why: str) -> None:
        """What came is no response."""
        self._link = None
        self._fail(bad_answer(why), ProxyOutcome.GATEWAY_FAILED)

    def lost(self, orderly: bool) -> None:
        """The connection is gone; `orderly`: the gateway closed it."""
        self._link = None
        if self._until_closed and orderly:
            self.fed(complete=True, trailers=[])
        elif self._again is not None:
            # It was closed while it was idle. Only a request that changes nothing is sent again.
            self._up = [self._again]
            self._again = None
            self._connect()
        else:
            why = unreachable("the gateway closed the connection without an answer: try again")
            self._fail(why, ProxyOutcome.GATEWAY_FAILED)

    def gateway_full(self) -> None:
        """The gateway does not take more for now."""
        self._client.hold()

    def gateway_ready(self) -> None:
        """The gateway takes more again."""
        self._heard = self._shared.now
        self._client.release()

    # -- the inside ---------------------------------------------------------------------------

    def _connect(self) -> None:
        self._shared.begin(self._connected())

    async def _connected(self) -> None:
        refusal: Refusal
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                link = await self._pool.connect()
        except TimeoutError:
            refusal = gateway_silent()
        except OSError as error:
            refusal = unreachable(why_not(error))
        else:
            if self._over:  # nobody waits for it any more: the next request may have it
                self._pool.give(link)
            else:
                self._attach(link)
                self.flush()
                self._client.release()
            return
        self._fail(refusal, ProxyOutcome.GATEWAY_FAILED)

    def _attach(self, link: Link) -> None:
        self._link = link
        link.take(self)
        if self._client.full:
            link.transport.pause_reading()

    def _complete(self) -> None:
        link, self._link = self._link, None
        if link is not None:
            if self._reusable and self.asked and not link.transport.get_write_buffer_size():
                self._pool.give(link)
            else:
                link.abort()
        self._end(ProxyOutcome.ANSWERED)
        self._client.answered(self._keep)

    def _fail(self, refusal: Refusal, outcome: ProxyOutcome) -> None:
        """Tell the client what went wrong, or let it see that its answer is not complete."""
        if self._over:
            return
        self._end(outcome)
        self._shared.complain(outcome, refusal)
        if self._answering:
            self._client.break_off(reset=self._framing is Framing.UNTIL_CLOSED)
        else:
            self._client.refuse(refusal, body=not self._bare)

    def _end(self, outcome: ProxyOutcome) -> None:
        if self._over:
            return
        self._over = True
        self._shared.status.active -= 1
        self._shared.status.requests[outcome] += 1
        if self._link is not None:
            self._link.abort()
            self._link = None
        if self._watch is not None:
            self._watch.look(last=True)
        self._client.exchange = None
