"""Heads of messages, read once and written anew: only what was understood is passed on.

What concerns one connection only (RFC 9110 §7.6.1) stays behind; every other header keeps its
name, its value and its place.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import Final

import msgspec

from exporter.secrets import Secret
from exporter.tap.proxy.refusal import BadAnswerError, bad_request

Header = tuple[bytes, bytes]

HOP_BY_HOP: Final = frozenset(
    (
        b"connection",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"transfer-encoding",
        b"upgrade",
    )
)
_NOT_TRAILERS: Final = HOP_BY_HOP | {b"host", b"content-length"}
_ABSENT_FROM_REQUESTS: Final = HOP_BY_HOP | {b"host"}
_NOTED_IN_REQUESTS: Final = _ABSENT_FROM_REQUESTS | {
    b"content-length",
    b"authorization",
    b"x-api-key",
}
_QUOTA: Final = frozenset(
    (
        b"x-ratelimit-limit",
        b"x-ratelimit-remaining",
        b"x-ratelimit-reset",
        b"x-quota-remaining-credits",
        b"x-org-quota-remaining-credits",
    )
)
"""The headers of the envelope (contract §1)."""

_NOTED_IN_ANSWERS: Final = (
    HOP_BY_HOP | _QUOTA | {b"content-length", b"content-type", b"content-encoding"}
)
_WHITESPACE: Final = b" \t"
_NEVER_LISTED: Final = HOP_BY_HOP | {b"", b"close", b"host", b"content-length"}
_SAFE: Final = frozenset((b"GET", b"HEAD", b"OPTIONS"))


class Framing(Enum):
    """How the end of a body shows."""

    NONE = 0
    LENGTH = 1
    CHUNKED = 2
    UNTIL_CLOSED = 3


class RequestHead(msgspec.Struct, frozen=True, gc=False):
    """The head of one request. `raw` is what the gateway gets.

    `host` is every name that the request gives for whom it is addressed to. `key` is the masked
    form of the application's key. `length` is that of the body where `framing` says LENGTH.
    """

    method: bytes
    raw: bytes
    host: tuple[bytes, ...]
    framing: Framing
    length: int
    minor: int
    keep_alive: bool
    key: str | None

    @property
    def may_repeat(self) -> bool:
        """Whether it does no harm if the gateway gets it twice."""
        return self.framing is Framing.NONE and self.method in _SAFE


class Sent(msgspec.Struct, gc=False):
    """A request's head as the parser found it."""

    method: bytes
    target: bytes
    headers: list[Header]
    minor: int
    keep_alive: bool


def read_request(sent: Sent, authority: bytes, prefix: bytes) -> RequestHead:
    """Understand a request, and write it for the gateway. Raises Refusal."""
    lines, said = sort_out(sent.headers, _NOTED_IN_REQUESTS, _ABSENT_FROM_REQUESTS)
    target, hosts = _target(sent, said.get(b"host"), prefix)
    framing, length = _framing(sent, said)
    hop = _hop_by_hop(said, framing)
    first = b"%b %b HTTP/1.1\r\nHost: %b\r\n" % (sent.method, target, authority)
    return RequestHead(
        method=sent.method,
        raw=b"".join((first, *lines, hop, b"\r\n")),
        host=hosts,
        framing=framing,
        length=length,
        minor=sent.minor,
        keep_alive=sent.keep_alive,
        key=masked_key(said),
    )


def sort_out(
    headers: Sequence[Header], noted: frozenset[bytes], absent: frozenset[bytes]
) -> tuple[list[bytes], dict[bytes, bytes]]:
    """The lines to pass on, and the values of what is `noted`, by name in lower case.

    A noted header that is repeated has its values joined by a comma (RFC 9110 §5.3).
    """
    lines: list[bytes] = []
    said: dict[bytes, bytes] = {}
    for name, value in headers:
        lower = name.lower()
        stripped = value.rstrip(_WHITESPACE)
        if lower in noted:
            said[lower] = b"%b, %b" % (said[lower], stripped) if lower in said else stripped
            if lower in absent:
                continue
        lines.append(b"%b: %b\r\n" % (name, stripped))
    connection = said.get(b"connection")
    if connection is not None:
        listed = frozenset(_tokens(connection)) - _NEVER_LISTED
        left = [header for header in headers if header[0].lower() not in listed]
        if len(left) < len(headers):
            return sort_out(left, noted, absent)
    return lines, said


def read_answer(headers: Sequence[Header]) -> tuple[list[bytes], dict[bytes, bytes]]:
    """The lines of a response to pass on, and what is of interest in it."""
    return sort_out(headers, _NOTED_IN_ANSWERS, HOP_BY_HOP)


def answer_framing(said: dict[bytes, bytes], *, has_body: bool) -> Framing:
    """How the gateway frames a body. Raises BadAnswerError."""
    coding = said.get(b"transfer-encoding")
    if coding is not None and coding.lower() != b"chunked":
        raise BadAnswerError("it has a transfer coding that was not asked for")
    if not has_body:
        return Framing.NONE
    if coding is not None:
        return Framing.CHUNKED
    return Framing.LENGTH if b"content-length" in said else Framing.UNTIL_CLOSED


def reframed(framing: Framing, *, modern: bool) -> Framing:
    """How a client of HTTP/1.1 (`modern`) or HTTP/1.0 sees where such a body ends."""
    if framing in (Framing.CHUNKED, Framing.UNTIL_CLOSED):
        return Framing.CHUNKED if modern else Framing.UNTIL_CLOSED
    return framing


def trailer_lines(headers: Sequence[Header]) -> bytes:
    """Trailers to pass on: none that says how a message is framed or where it goes."""
    lines, _ = sort_out(headers, _NOT_TRAILERS, _NOT_TRAILERS)
    return b"".join(lines)


def masked_key(said: dict[bytes, bytes]) -> str | None:
    """The masked form of the key in a request; `x-api-key` wins. None without one."""
    key = said.get(b"x-api-key")
    if not key:
        scheme, _, key = said.get(b"authorization", b"").partition(b" ")
        if scheme.lower() != b"bearer":
            return None
    key = key.strip(_WHITESPACE)
    if not key or not key.isascii():
        return None
    return Secret(key.decode("ascii")).masked()


def _target(sent: Sent, host: bytes | None, prefix: bytes) -> tuple[bytes, tuple[bytes, ...]]:
    """The target for the gateway, and the hosts that the request names."""
    if host is None and sent.minor:
        raise bad_request("it has no Host header")
    if host is not None and b"," in host:
        raise bad_request("it has more than one Host header")
    hosts = () if host is None else (host,)
    target = sent.target
    if target.startswith(b"/"):
        return prefix + target, hosts
    if target == b"*" and sent.method == b"OPTIONS":
        return target, hosts
    scheme, separator, rest = target.partition(b"://")
    if not separator or scheme.lower() not in (b"http", b"https"):
        raise bad_request("its target is no path")
    end = min((at for at in map(rest.find, (b"/", b"?", b"#")) if at >= 0), default=len(rest))
    path = rest[end:]
    slash = b"" if path.startswith(b"/") else b"/"
    return prefix + slash + path, (rest[:end], *hosts)


def _framing(sent: Sent, said: dict[bytes, bytes]) -> tuple[Framing, int]:
    coding = said.get(b"transfer-encoding")
    length = said.get(b"content-length")
    if coding is not None:
        if length is not None:
            raise bad_request("it has both Content-Length and Transfer-Encoding")
        if coding.lower() != b"chunked" or not sent.minor:
            raise bad_request("no transfer coding but chunked is understood, and in HTTP/1.1 only")
        return Framing.CHUNKED, 0
    if length is None:
        return Framing.NONE, 0
    if not length.isdigit():
        raise bad_request("its Content-Length is no number")
    number = int(length)
    return (Framing.LENGTH if number else Framing.NONE), number


def _hop_by_hop(said: dict[bytes, bytes], framing: Framing) -> bytes:
    """What is said to the gateway about this very connection."""
    lines = b"Transfer-Encoding: chunked\r\n" if framing is Framing.CHUNKED else b""
    if b"te" in said and b"trailers" in _tokens(said[b"te"]):
        lines += b"TE: trailers\r\nConnection: TE\r\n"
    return lines


def _tokens(value: bytes) -> list[bytes]:
    return [token.strip(_WHITESPACE).lower() for token in value.split(b",")]
