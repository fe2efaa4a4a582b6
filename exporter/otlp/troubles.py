"""Why a request over HTTP got no answer, without the words of a library.

What requests and urllib3 say repeats URLs with their query, and header values.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from http.client import RemoteDisconnected

from exporter.otlp.lean import requests

_TOLD: tuple[tuple[type[Exception], str], ...] = (
    (requests.exceptions.Timeout, "no answer from {where} within {timeout:g} s"),
    (requests.exceptions.ProxyError, "the proxy on the way to {where} failed: {cause}"),
    (
        requests.exceptions.SSLError,
        "no TLS with {where}: {cause}; do otlp.certificate and its kin fit?",
    ),
    (
        requests.exceptions.ConnectionError,
        "no connection to {where}: {cause}; is otlp.endpoint right, and the receiver running?",
    ),
    (requests.RequestException, "the request to {where} cannot be made: {cause}"),
    (OSError, "the certificate files of otlp cannot be read: {cause}"),
    (ValueError, "the URL or a header of otlp has characters that HTTP does not allow"),
)


def explained(error: Exception, where: str, timeout: float) -> str:
    """What happened and what to do. `where` is the receiver as it may be shown, `timeout` in s."""
    for kind, told in _TOLD:
        if isinstance(error, kind):
            return told.format(where=where, timeout=timeout, cause=_cause(error))
    return f"the request to {where} broke off: {type(error).__name__}"


def dropped(error: Exception) -> bool:
    """Whether an open connection broke before the receiver answered."""
    kinds = (ConnectionResetError, BrokenPipeError, RemoteDisconnected)
    return any(isinstance(cause, kinds) for cause in _chain(error))


def _cause(error: Exception) -> str:
    """OpenSSL's or the operating system's reason, else the kind of error."""
    for cause in _chain(error):
        if isinstance(cause, ssl.SSLCertVerificationError):
            return cause.verify_message
        if isinstance(cause, ssl.SSLError):
            return (cause.reason or "broken").replace("_", " ").lower()
    if any(isinstance(cause, RemoteDisconnected) for cause in _chain(error)):
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
