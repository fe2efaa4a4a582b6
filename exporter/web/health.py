"""`/livez` and `/readyz`.

Ready means: the state is writable, and every enabled endpoint of some account has answered
once; the list of keys, which may be refused, does not count. The second half is remembered: later
outages of the gateway or of the receiver do not take it back, because a sidecar must never take
its application down. The first half is not remembered: what cannot be written is not counted, and
only an operator can change that.
"""

from __future__ import annotations

import msgspec

from exporter.gateway.readings import Endpoint
from exporter.live import Live, LiveAccount

MAX_LISTED = 20
"""Accounts that the body of `/readyz` lists: a probe's answer stays small."""


class ReadinessBody(msgspec.Struct, frozen=True):
    """The body of `/readyz`.

    `waiting_for` has one line for each thing that readiness still needs; `state` says whether it
    is writable, and why not. `accounts` holds the first `MAX_LISTED` of `accounts_total` accounts:
    whether each endpoint has answered, when last (Unix s), and the error of its last poll.
    """

    status: str
    waiting_for: tuple[str, ...]
    state: dict[str, bool | str | None]
    accounts_total: int
    accounts: dict[str, dict[Endpoint, dict[str, bool | float | str | None]]]

    @property
    def ready(self) -> bool:
        return not self.waiting_for


class Readiness:
    """Remembers that some account has been read completely once."""

    def __init__(self) -> None:
        self._answered = False

    def check(self, live: Live) -> ReadinessBody:
        accounts = tuple(live.accounts.values())
        missing = min(map(_missing, accounts), key=len, default=["an account"])
        self._answered = self._answered or not missing
        waiting = [] if self._answered else missing
        if not live.state_writable:
            waiting.insert(0, f"the state to be writable: {live.state_error or 'no reason known'}")
        return ReadinessBody(
            status="waiting" if waiting else "ready",
            waiting_for=tuple(waiting),
            state={"writable": live.state_writable, "error": live.state_error},
            accounts_total=len(accounts),
            accounts={
                account.name: {
                    endpoint: {
                        "answered": status.last_success is not None,
                        "last_success": status.last_success,
                        "error": status.last_error,
                    }
                    for endpoint, status in account.endpoints.items()
                }
                for account in accounts[:MAX_LISTED]
            },
        )


def _missing(account: LiveAccount) -> list[str]:
    return [
        f"{account.name}: a first answer of {endpoint}: {status.last_error or 'not polled yet'}"
        for endpoint, status in account.endpoints.items()
        if status.last_success is None and not status.optional
    ]
