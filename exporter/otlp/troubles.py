"""Why a request over HTTP got no answer, without the words of a library.

What httpx says may repeat URLs with their query, and header values.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterator

import httpx

_TOLD: tuple[tuple[type[Exception] | tuple[type[Exception], ...], str], ...] = (
    (httpx.TimeoutException, "no answer from {where} within {timeout:g} s"),
    (httpx.ProxyError, "the proxy on the way to {where} failed: {cause}"),
    (
        (httpx.NetworkError, httpx.RemoteProtocolError),
        "no connection to {where}: {cause}; is otlp.endpoint right, and the receiver running?",
    ),
    (
        (httpx.LocalProtocolError, httpx.InvalidURL, ValueError),
        "the URL or a header of otlp has characters that HTTP does not allow",
    ),
    (httpx.HTTPError, "the request to {where} cannot be made: {cause}"),
    (OSError, "the certificate files of otlp cannot be read: {cause}"),
)
_NO_TLS = "no TLS with {where}: {cause}; do otlp.certificate and its kin fit?"
_DROPPED = "Server disconnected"
"""How httpx begins to say that a connection ended before the answer began."""


def explained(error: Exception, where: str, timeout: float) -> str:
    """What happened and what to do. `where` is the receiver as it may be shown, `timeout` in s."""
    if isinstance(error, httpx.NetworkError) and _is_tls(error):
        return _NO_TLS.format(where=where, cause=_cause(error))
    for kind, told in _TOLD:
        if isinstance(error, kind):
            return told.format(where=where, timeout=timeout, cause=_cause(error))
    return f"the request to {where} broke off: {type(error).__name__}"


def dropped(error: Exception) -> bool:
    """Whether an open connection broke before the receiver answered."""
    kinds = (ConnectionResetError, BrokenPipeError)
    return _hung_up(error) or any(isinstance(cause, kinds) for cause in _chain(error))


def _hung_up(error: Exception) -> bool:
    return isinstance(error, httpx.RemoteProtocolError) and str(error).startswith(_DROPPED)


def _is_tls(error: Exception) -> bool:
    return any(isinstance(cause, ssl.SSLError) for cause in _chain(error))


def _cause(error: Exception) -> str:
    """OpenSSL's or the operating system's reason, else the kind of error."""
    for cause in _chain(error):
        if isinstance(cause, ssl.SSLCertVerificationError):
            return cause.verify_message
        if isinstance(cause, ssl.SSLError):
            return (cause.reason or "broken").replace("_", " ").lower()
    if _hung_up(error):
        return "closed without an answer"
    for cause in _chain(error):
        if isinstance(cause, OSError) and cause.strerror:
            return cause.strerror.lower()
    return type(error).__name__


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The error and whatever it wraps: as an argument, a reason or a context."""
    seen: list[BaseException] = []
    waiting: list[object] = [error]
    while waiting:
        current = waiting.pop(0)
        if isinstance(current, BaseException) and current not in seen:
            seen.append(current)
            yield current
            waiting += [*current.args, getattr(current, "reason", None), current.__context__]
