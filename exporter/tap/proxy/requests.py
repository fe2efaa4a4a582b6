"""Requests out of bytes: llhttp, in its strict mode, through httptools. No I/O.

The parser is fed up to the end of a head, and up to the end of a body, and no further: so the
head is judged before anything of the body is looked at, and a second request waits as bytes.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Final

from httptools import (
    HttpParserCallbackError,
    HttpParserError,
    HttpParserInvalidMethodError,
    HttpParserUpgrade,
    HttpRequestParser,
)

from exporter.tap.proxy.heads import Framing, Header, RequestHead, Sent
from exporter.tap.proxy.limits import MAX_HEAD, MAX_HEADERS
from exporter.tap.proxy.refusal import Refusal, bad_request, head_too_large

_END: Final = b"\r\n\r\n"
_MINOR: Final = {"1.0": 0, "1.1": 1}


class _TwoRequestsError(Exception):
    """A request follows a chunked one in the same bytes."""


class RequestReader:
    """The requests of one connection, one after the other.

    `head` is a head that has just been read, for whoever takes it; then `expect` tells how its
    body is framed. `body` and `trailers` grow; `done` says that the request is complete.
    `overrun` says that what followed it is lost: the connection cannot be used for another.
    """

    __slots__ = (
        "_bare",
        "_framing",
        "_headers",
        "_left",
        "_muted",
        "_parser",
        "_tail",
        "_target",
        "body",
        "done",
        "head",
        "overrun",
        "trailers",
    )

    def __init__(self) -> None:
        self._parser = HttpRequestParser(self)
        self._muted = False
        self.body: list[bytes] = []
        self.overrun = False
        self.reset()

    def reset(self) -> None:
        """Begin the next request."""
        self.head: Sent | None = None
        self.trailers: list[Header] = []
        self.done = False
        self._framing: Framing | None = None  # None: still in the head
        self._target = b""
        self._headers: list[Header] = []
        self._left = 0
        self._bare = 0
        self._tail = b""

    @property
    def begun(self) -> bool:
        """Whether some of a head has arrived, but not all of it."""
        return self._bare > 0 and self._framing is None

    def feed(self, data: bytes | bytearray, view: memoryview, start: int, stop: int) -> int:
        """Read from `start`; returns where it stopped. `view` shows `data`. Raises Refusal."""
        if self._framing is None:
            return self._feed_head(data, view, start, stop)
        if self._framing is Framing.LENGTH:
            end = min(stop, start + self._left)
            self._left -= end - start
            self._parse(view[start:end])
            return end
        pieces = len(self.body)
        self._parse(view[start:stop])
        self._bare = self._bare + stop - start if len(self.body) == pieces else 0
        if self._bare > MAX_HEAD:
            raise bad_request("its chunks hold too much beside the body")
        return stop

    def expect(self, head: RequestHead) -> None:
        """Say how the body is framed that follows the head."""
        self.head = None
        self._headers = []  # a key was in them
        self._framing = head.framing
        self._left = head.length
        self._bare = 0
        if self._muted:
            self._resume(head)

    def _feed_head(self, data: bytes | bytearray, view: memoryview, start: int, stop: int) -> int:
        end = _end_of_head(self._tail, data, start, stop)
        self._bare += end - start
        if self._bare > MAX_HEAD:
            raise head_too_large()
        self._parse(view[start:end])
        if self.head is None:
            self._tail = (self._tail + data[max(start, end - 3) : end])[-3:]
        return end

    def _parse(self, view: memoryview) -> None:
        problem: Refusal
        try:
            self._parser.feed_data(view)
            return
        except HttpParserUpgrade:
            # What follows is taken for another protocol. We speak none, and say so by going on.
            self._parser = HttpRequestParser(self)
            self._muted = True
            return
        except HttpParserInvalidMethodError:
            problem = Refusal(
                HTTPStatus.NOT_IMPLEMENTED, "unknown_method", "there is no such HTTP method"
            )
        except HttpParserCallbackError as error:
            cause = error.__context__
            if isinstance(cause, _TwoRequestsError):
                self.overrun = True
                return
            if not isinstance(cause, Refusal):
                raise  # a mistake of ours
            problem = cause
        except HttpParserError as error:
            if self.done:  # more data, where the request said that there would be none
                self.overrun = True
                return
            problem = bad_request(str(error))
        raise problem

    def _resume(self, head: RequestHead) -> None:
        """Tell a new parser the framing of the body, without the upgrade that it fell for."""
        if head.framing is Framing.NONE:
            self._muted = False
            return
        self.done = False
        framing = b"Transfer-Encoding: chunked"
        if head.framing is Framing.LENGTH:
            framing = b"Content-Length: %d" % head.length
        self._parser.feed_data(b"POST / HTTP/1.1\r\n%b\r\n\r\n" % framing)
        self._muted = False

    # -- called by the parser -----------------------------------------------------------------

    def on_message_begin(self) -> None:
        """A request begins."""
        if self.done:
            raise _TwoRequestsError

    def on_url(self, url: bytes) -> None:
        """Some of the target."""
        self._target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header or a trailer."""
        if self._muted:
            return
        headers = self._headers if self._framing is None else self.trailers
        if len(headers) >= MAX_HEADERS:
            raise head_too_large()
        headers.append((name, value))

    def on_headers_complete(self) -> None:
        """The head is complete."""
        if self._muted:
            return
        parser = self._parser
        minor = _MINOR.get(parser.get_http_version())
        if minor is None:
            raise Refusal(
                HTTPStatus.HTTP_VERSION_NOT_SUPPORTED,
                "unknown_version",
                "only HTTP/1.1 and HTTP/1.0 are spoken here",
            )
        self.head = Sent(
            parser.get_method(), self._target, self._headers, minor, parser.should_keep_alive()
        )

    def on_body(self, body: bytes) -> None:
        """Some of the body."""
        self.body.append(body)

    def on_message_complete(self) -> None:
        """The request is complete."""
        self.done = True


def _end_of_head(tail: bytes, data: bytes | bytearray, start: int, stop: int) -> int:
    """Where the head ends, or `stop` if not here; `tail` are the last bytes before `start`."""
    if tail:
        seam = tail + data[start : min(stop, start + 3)]
        at = seam.find(_END)
        if at >= 0:
            return start + at + len(_END) - len(tail)
    at = data.find(_END, start, stop)
    return stop if at < 0 else at + len(_END)
