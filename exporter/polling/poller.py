"""When to ask: polls every endpoint of one account, and survives every error of the gateway."""

from __future__ import annotations

import logging
import random
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from exporter.clock import InterruptibleClock
from exporter.errors import AuthError, GatewayError, Outcome, QuotaSpentError, StateError
from exporter.gateway.client import GatewayClient
from exporter.gateway.readings import Endpoint, KeyRef
from exporter.ledger.ledger import Ledger
from exporter.live import Live, LiveAccount
from exporter.polling.follower import Follower
from exporter.polling.key_reader import KeyReader
from exporter.polling.reader import batch_of
from exporter.polling.rows import Rows
from exporter.polling.transactions_reader import TransactionsReader
from exporter.polling.usage_reader import UsageReader
from exporter.polling.wallet_watch import FIRST_ANSWER, WalletWatch
from exporter.threads import Worker
from exporter.throttle import Crowd, Throttle

JITTER = 0.1
"""Each wait is up to this share longer or shorter, so that many exporters do not ask at once."""

SLOWLY = 5
"""After a refused key the next poll comes after so many intervals,"""

SLOWEST = 300.0
"""but no later than so many seconds, unless the interval itself is longer."""

LOOK = 5.0
"""Seconds between two looks at the file of a refused key."""

FAILURES = 20
"""Polls failing in one way that are told one by one in ten minutes, of all accounts together."""

SOONEST = 15.0
"""Seconds from one poll to the next that somebody asked for; less where the interval is short."""

FAR_OFF = 60.0
"""Seconds between the gateway's clock and ours that are worth a warning."""

_NO_LIST = (
    "Account %s: no list of its keys: %s. Only names, caps and expiry of keys are missing; "
    "keys.enabled: false asks no more"
)

Round = Callable[[], Awaitable[bool]]
"""One poll: returns whether more waits to be read at once; raises GatewayError, StateError."""

PollError = GatewayError | StateError

logger = logging.getLogger(__name__)


def wait_after(interval: float, error: PollError | None) -> float:
    """Seconds until the next poll. A refused key is asked slowly, yet its repair noticed."""
    wait = interval
    if isinstance(error, AuthError):
        wait = max(interval, min(interval * SLOWLY, SLOWEST))
    wait *= random.uniform(1 - JITTER, 1 + JITTER)
    if isinstance(error, GatewayError) and error.retry_after is not None:
        wait = max(wait, error.retry_after)
    return wait


@dataclass(eq=False)
class AccountPoller:
    """Polls one account. `live` gets what was read and how every poll ended.

    Calls of the ledger are made by the worker.
    """

    _live: Live
    _account: LiveAccount
    _client: GatewayClient
    _ledger: Ledger
    _worker: Worker
    _clock: InterruptibleClock
    _throttle: Throttle

    def __post_init__(self) -> None:
        self._keys = KeyReader(
            self._account, self._client, self._ledger, self._worker, self._clock, self._throttle
        )
        self._rows = Rows(
            self._account, self._ledger, self._worker, self._throttle, self._make_followers
        )
        self._watch = WalletWatch(
            self._live,
            self._account,
            self._client,
            self._ledger,
            self._worker,
            self._clock,
            self._throttle,
            self._give_up,
        )
        self._rounds: dict[Endpoint, Round] = {Endpoint.ACCOUNT: self._read_account}
        if Endpoint.KEYS in self._account.endpoints:
            self._rounds[Endpoint.KEYS] = self._read_keys
        for endpoint in self._rows.endpoints:
            self._rounds[endpoint] = partial(self._follow, endpoint)

    def _make_followers(self) -> dict[Endpoint, Follower]:
        followers = {}
        batch = batch_of(len(self._live.accounts))
        for reader_of in (UsageReader, TransactionsReader):
            status = self._account.endpoints.get(reader_of.endpoint)
            if status is not None:
                reader = reader_of(
                    self._account, self._client, self._ledger, self._worker, self._throttle, batch
                )
                if isinstance(reader, UsageReader) and Endpoint.KEYS in self._account.endpoints:
                    reader.name_keys = self._name_keys
                follower = Follower(reader, self._clock, status, self._throttle)
                followers[reader_of.endpoint] = follower
        return followers

    @property
    def endpoints(self) -> Sequence[Endpoint]:
        return tuple(self._rounds)

    async def run(self, endpoint: Endpoint, delay: float) -> None:
        """Poll for ever, first after `delay` seconds. Ends only by being cancelled."""
        status = self._account.endpoints[endpoint]
        version: object = None
        error: PollError | None = None
        if endpoint in self._rows.endpoints:  # the account's answer tells the gateway's time
            await self._clock.sleep_unless(self._client.gateway_clock.heard, delay + FIRST_ANSWER)
        try:
            while True:
                await self._rest(endpoint, delay, error, version)
                status.asked.clear()
                version = self._client.key_version()
                began = self._clock.monotonic()
                error, more = await self._poll(endpoint)
                delay = 0.0 if more else wait_after(status.interval, error)
                if error is None:  # a poll that takes long makes the next one no later
                    delay = max(0.0, delay - (self._clock.monotonic() - began))
        finally:
            if endpoint in self._rows.endpoints:
                await self._rows.stop(endpoint)

    async def poll_once(self) -> list[PollError]:
        """Poll every endpoint to its end, in turn; gives what went wrong."""
        errors: list[PollError] = []
        for endpoint in self._rounds:
            more = True
            while more:
                error, more = await self._poll(endpoint)
                if error and not self._account.endpoints[endpoint].optional:
                    errors.append(error)
        return errors

    async def _rest(
        self, endpoint: Endpoint, delay: float, error: PollError | None, version: object
    ) -> None:
        """Wait `delay` seconds; less where something makes the poll worth having earlier.

        After a refused key that is a new version of its file, and where the gateway said how long
        to wait, nothing. Otherwise it is the tap or a webhook that asks.
        """
        status = self._account.endpoints[endpoint]
        refused = isinstance(error, AuthError)
        fixed = isinstance(error, GatewayError) and error.retry_after is not None
        began = self._clock.monotonic()
        due = began + delay
        while True:
            if refused and version is not None and self._client.key_version() != version:
                return
            asked = not refused and not fixed and status.asked.is_set()
            if asked:
                due = min(due, began + min(SOONEST, status.interval / 4))
            left = due - self._clock.monotonic()
            if left <= 0:
                return
            status.next_poll = self._clock.now() + left
            if refused or fixed or asked:
                await self._clock.sleep(min(left, LOOK) if refused else left)
            else:
                await self._clock.sleep_unless(status.asked, left)

    async def _poll(self, endpoint: Endpoint) -> tuple[PollError | None, bool]:
        """One round of an endpoint: its error, and whether more waits to be read at once."""
        began = self._clock.monotonic()
        try:
            more = await self._rounds[endpoint]()
            self._compare_clocks()
            self._recognize()
        except GatewayError as error:
            self._refused(endpoint, error, self._clock.monotonic() - began)
            return error, False
        except StateError as error:
            self._unwritten(endpoint, error, self._clock.monotonic() - began)
            return error, False
        finally:
            self._rows.tell_held_back(endpoint)
        self._worked(endpoint, self._clock.monotonic() - began)
        return None, more

    def _worked(self, endpoint: Endpoint, seconds: float) -> None:
        name = self._account.name
        if not self._live.state_writable:
            self._live.state_writable, self._live.state_error = True, None
            self._throttle.over("state", "The state file can be written again")
        self._account.endpoints[endpoint].succeeded(self._clock.now(), seconds)
        failures = [("poll", name, endpoint, outcome) for outcome in Outcome]
        self._throttle.all_over(failures, "Account %s: %s poll works again", name, endpoint)
        logger.debug("Account %s: %s polled in %.2f s", name, endpoint, seconds)

    def _refused(self, endpoint: Endpoint, error: GatewayError, seconds: float) -> None:
        status = self._account.endpoints[endpoint]
        works = isinstance(error, QuotaSpentError)
        status.failed(self._clock.now(), seconds, error.outcome, str(error), up=works)
        if status.optional:
            self._throttle.once(
                ("poll", self._account.name, endpoint, error.outcome),
                _NO_LIST,
                self._account.name,
                error,
                level=logging.INFO,
            )
            return
        self._throttle.say(
            ("poll", self._account.name, endpoint, error.outcome),
            "Account %s: %s poll failed: %s",
            self._account.name,
            endpoint,
            error,
            crowd=Crowd(
                ("polls", error.outcome),
                FAILURES,
                "Further polls fail in the same way (%s); the status page shows all of them",
                (error.outcome,),
            ),
        )

    def _unwritten(self, endpoint: Endpoint, error: StateError, seconds: float) -> None:
        self._live.state_writable, self._live.state_error = False, str(error)
        self._throttle.say("state", "%s", error, level=logging.ERROR)
        if endpoint is Endpoint.ACCOUNT:  # the gateway has answered, and gauges need no state
            self._account.endpoints[endpoint].succeeded(self._clock.now(), seconds)

    async def _read_account(self) -> bool:
        await self._watch.read_account()
        return False

    async def _give_up(self) -> None:
        """Another wallet begins: what is being read is of the old one."""
        await self._rows.give_up()
        self._keys.forget()
        self._account.ask(Endpoint.KEYS)

    async def _read_keys(self) -> bool:
        await self._watch.ready()
        await self._keys.read()
        return False

    async def _name_keys(self, refs: Iterable[KeyRef]) -> Mapping[KeyRef, KeyRef]:
        return await self._keys.names(refs, partial(self._poll, Endpoint.KEYS))

    async def _follow(self, endpoint: Endpoint) -> bool:
        await self._watch.ready()
        if not self._client.gateway_clock.heard.is_set():
            await self._rows.ask(endpoint)
        await self._watch.begin()
        return await self._rows.round(endpoint)

    def _recognize(self) -> None:
        """Show how the gateway answers, and log where usage was found, or is found from now on."""
        usage = self._account.recognize(self._client.recognized)
        if usage is not None:
            name = self._account.name
            logger.info("Account %s: usage comes as %s from %s", name, usage.shape, usage.path)

    def _compare_clocks(self) -> None:
        offset = self._account.clock_offset = self._client.gateway_clock.offset()
        name, key = self._account.name, ("clock", self._account.name)
        if offset is not None and abs(offset) > FAR_OFF:
            self._throttle.once(
                key,
                "Account %s: the clock of this machine is %.0f s %s the gateway's: set it right. "
                "What is counted goes by the gateway's",
                name,
                abs(offset),
                "behind" if offset > 0 else "ahead of",
            )
        elif offset is not None:
            self._throttle.over(key, "Account %s: this machine's clock is right again", name)
