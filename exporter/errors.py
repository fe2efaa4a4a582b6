"""Every error this package raises on purpose.

::

    ExporterError
    ├── ConfigError              the command line or the configuration cannot be used (exit 2)
    ├── GatewayError             a poll failed; `outcome` says how it is counted
    │   ├── AuthError            401, 403: an operator's job, asked again slowly
    │   ├── RateLimitedError     429: wait `retry_after`
    │   ├── QuotaSpentError      402, or a wallet or cap that is empty under another status;
    │   │                        the envelope on it is still a reading
    │   ├── GatewayTimeoutError  no answer within `gateway.timeout`
    │   ├── NetworkError         DNS, TCP or TLS failed, the connection broke, or something in front
    │   │                        of the gateway has answered 403
    │   ├── ServerError          500 to 504, after the attempts of one poll
    │   ├── BadResponseError     an answer that is not what the contract says
    │   │   ├── ResponseTooLargeError   ask for a shorter range
    │   │   ├── IncompleteError         rows or buckets are missing from it: the same
    │   │   ├── UnknownAnswerError      JSON, in no known dialect
    │   │   └── RefusedAnswerError      a wrapped answer that says that the request failed
    │   └── BadRequestError      400, 404 and other statuses that must not be retried unchanged
    │       ├── NotFoundError           404, 405, 410: there is no such address
    │       └── RefusedParameterError   400, 422: a parameter, or the length of the range
    ├── ListenError              an address of the configuration cannot be listened on
    └── StateError               the state file cannot be opened, read or written
        ├── StateLockedError     another process holds it
        └── StateVersionError    written by a newer version of the exporter

Messages say what happened and what to do. They never hold a key, a body or a URL's query.
"""

from __future__ import annotations

from enum import StrEnum


class Outcome(StrEnum):
    """How one poll ended: the values of `bytespike.outcome` on `bytespike.exporter.polls`."""

    SUCCESS = "success"
    AUTH = "auth"
    OUT_OF_MONEY = "out_of_money"
    RATE_LIMITED = "rate_limited"
    TIMEOUT = "timeout"
    NETWORK = "network"
    SERVER_ERROR = "server_error"
    BAD_RESPONSE = "bad_response"
    BAD_REQUEST = "bad_request"


class ExporterError(Exception):
    """Root of the tree: everything that the exporter itself raises."""


class ConfigError(ExporterError):
    """The configuration cannot be used.

    `problems` holds one line for each mistake, each beginning with its key path.
    """

    def __init__(self, problems: tuple[str, ...]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class GatewayError(ExporterError):
    """A poll failed.

    `outcome` is how it is counted; `retry_after` is the shortest wait, in seconds, that the
    gateway asked for before the next request, or None.
    """

    outcome = Outcome.BAD_RESPONSE

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class AuthError(GatewayError):
    outcome = Outcome.AUTH


class RateLimitedError(GatewayError):
    outcome = Outcome.RATE_LIMITED


class QuotaSpentError(GatewayError):
    outcome = Outcome.OUT_OF_MONEY


class GatewayTimeoutError(GatewayError):
    outcome = Outcome.TIMEOUT


class NetworkError(GatewayError):
    outcome = Outcome.NETWORK


class ServerError(GatewayError):
    outcome = Outcome.SERVER_ERROR


class BadResponseError(GatewayError):
    outcome = Outcome.BAD_RESPONSE


class ResponseTooLargeError(BadResponseError):
    """An answer larger than the exporter is willing to hold: ask for a shorter range."""


class IncompleteError(BadResponseError):
    """An answer that holds less than it says itself; so many rows or buckets are `missing`."""

    def __init__(self, message: str, *, missing: int = 0, retry_after: float | None = None) -> None:
        super().__init__(message, retry_after=retry_after)
        self.missing = missing


class UnknownAnswerError(BadResponseError):
    """JSON in no known dialect: its message names the members that it holds."""


class RefusedAnswerError(BadResponseError):
    """A status of 200 around an error: its own `status`, 0 where it names none."""

    def __init__(self, message: str, *, status: int = 0, retry_after: float | None = None) -> None:
        super().__init__(message, retry_after=retry_after)
        self.status = status


class BadRequestError(GatewayError):
    outcome = Outcome.BAD_REQUEST


class NotFoundError(BadRequestError):
    """404, 405 or 410: the gateway has no such address."""


class RefusedParameterError(BadRequestError):
    """400 or 422: the gateway does not understand a parameter, or the range is too long."""


class ListenError(ExporterError):
    """An address cannot be listened on: the port is taken, or it is not this machine's."""

    @classmethod
    def at(cls, setting: str, address: str, cause: Exception, without: str) -> ListenError:
        """`setting` is the key path that holds the address, `without` what its absence costs."""
        strerror = cause.strerror if isinstance(cause, OSError) else None
        reason = strerror or str(cause) or type(cause).__name__
        return cls(
            f"cannot listen on {address} ({reason}): "
            f'set {setting} to a free address, or to "" to do without {without}'
        )


class StateError(ExporterError):
    """The state file cannot be opened, read or written."""


class StateLockedError(StateError):
    """Another process holds the state file."""


class StateVersionError(StateError):
    """The state file was written by a newer version of the exporter."""
