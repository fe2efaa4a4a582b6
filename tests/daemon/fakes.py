"""Simulated time, a ledger without a thread, and a gateway client that answers as told."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import pytest

from exporter.errors import GatewayError, ResponseTooLargeError
from exporter.gateway.fields import credits_to_nanos
from exporter.gateway.gateway_clock import GatewayClock
from exporter.gateway.readings import (
    AccountReading,
    Endpoint,
    KeyRef,
    KeysReading,
    ListedKey,
    LogPage,
    Rejected,
    RollupReading,
    Transaction,
    TransactionsPage,
    UsageBucket,
    UsageRow,
)
from exporter.gateway.recognized import Recognized
from exporter.ledger.cursor import hour_of
from exporter.ledger.ledger import Ledger, Rules
from exporter.ledger.store import Store
from exporter.live import Live, LiveAccount
from exporter.polling.reader import BATCH
from exporter.polling.transactions_reader import TransactionsReader
from exporter.polling.usage_reader import UsageReader
from exporter.secrets import Secret
from exporter.threads import Worker
from exporter.throttle import Throttle
from tests.clock import NOW, VirtualClock

HOUR = 3600.0
DAY = 24 * HOUR
NAME = "prod"
KEY = KeyRef("17", "sk-byts-…9f3c", "prod-vision")
INTERVALS = {Endpoint.ACCOUNT: 60.0, Endpoint.USAGE: 60.0, Endpoint.TRANSACTIONS: 300.0}
USD = 1_000_000_000


class InlineWorker(Worker):
    """Makes each call at once; `broken` is raised instead while it is set."""

    def __init__(self) -> None:
        self.broken: Exception | None = None

    async def do(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        if self.broken is not None:
            raise self.broken
        return function(*args, **kwargs)


class FakeGateway:
    """A gateway client over rows in memory. Each question takes `cost` simulated seconds.

    `failing` maps an endpoint to the error that it raises for now; `fail_after` pages of usage
    one is raised in the middle of a read. `asked` holds (endpoint, when, since, until).
    With a `unit` rows tell what they cost in credits, so many to the USD; `per_usd` is what the
    exporter takes for it.
    """

    def __init__(self, clock: VirtualClock) -> None:
        self.clock = clock
        self.gateway_clock = GatewayClock(clock)
        self.recognized = Recognized()
        self.gateway_clock.heard.set()
        self.rows: list[UsageRow] = []
        self.items: list[Transaction] = []
        self.rejected: tuple[Rejected, ...] = ()
        self.rolls_up = False
        self.has_rollup = False
        self.unit: int | None = None
        self.per_usd: int | None = None
        self.page_size = 200
        self.cost = 0.0
        self.most_rows: int | None = None
        self.failing: dict[Endpoint, Exception] = {}
        self.fail_after: int | None = None
        self.version: object = None
        self.other_spent = 0
        self.threshold: int | None = None
        self.secret = Secret("sk-byts-abcdefghijklmnop9f3c")
        self.accepted_key: Secret | None = None
        self.address = "https://gateway.example"
        self.user = "88"
        self.hanging = False
        self.listed: tuple[ListedKey, ...] = ()
        self.asked: list[tuple[Endpoint, float, float, float]] = []
        self._serial = 0

    # -- the world ----------------------------------------------------------------------

    def bill(self, at: float, cost: int = USD, number: int = 1) -> None:
        """`number` calls created at `at`."""
        for _ in range(number):
            self._serial += 1
            self.rows.append(UsageRow(f"req_{self._serial:06}", at, "sonnet", KEY, cost, 100, 10))

    def topup(self, at: float, amount: int = 50 * USD, kind: str = "topup") -> None:
        self._serial += 1
        self.items.append(Transaction(str(self._serial), at, kind, amount))

    @property
    def spent(self) -> int:
        return sum(row.cost for row in self.rows) + self.other_spent

    # -- the client ---------------------------------------------------------------------

    def key_version(self) -> object:
        return self.version

    def key(self) -> Secret:
        return self.secret

    @property
    def masked_key(self) -> str | None:
        return self.secret.masked()

    def accept(self, key: Secret) -> None:
        self.accepted_key = key

    def know_credits(self, per_usd: int | None) -> None:
        self.per_usd = per_usd

    async def rollup_beside(self, since: float, until: float) -> tuple[UsageBucket, ...]:
        return tuple(self._buckets(since, until)) if self.has_rollup else ()

    async def account(self, key: Secret | None = None) -> AccountReading:
        if self.hanging:
            await self.clock.sleep(DAY)
        await self._ask(Endpoint.ACCOUNT, 0, 0)
        return AccountReading(
            self.clock.now(),
            self.user,
            NOW - 9e6,
            available=31 * USD,
            lifetime_topup=250 * USD,
            lifetime_spent=self.spent,
            low_balance_threshold=self.threshold,
        )

    async def keys(self) -> KeysReading:
        await self._ask(Endpoint.KEYS, 0, 0)
        return KeysReading(self.clock.now(), self.listed)

    async def usage(
        self, since: float, until: float, in_parts: bool = False
    ) -> AsyncIterator[LogPage | RollupReading]:
        await self._ask(Endpoint.USAGE, since, until)
        found = [row for row in self.rows if since <= row.created_at < until]
        if self.most_rows is not None and len(found) > self.most_rows:
            raise ResponseTooLargeError("the answer is too large: ask for a shorter range")
        if self.rolls_up:
            yield RollupReading(tuple(self._buckets(since, until)), self.rejected)
            return
        found.sort(key=lambda row: -row.created_at)
        for number, page in enumerate(_pages(found, self.page_size)):
            if number:
                await self._ask(Endpoint.USAGE, since, until)
            last = (number + 1) * self.page_size >= len(found)
            yield LogPage(tuple(map(self._told, page)), self.rejected if last else (), last)

    async def transactions(self, since: float, until: float) -> AsyncIterator[TransactionsPage]:
        await self._ask(Endpoint.TRANSACTIONS, since, until)
        found = [item for item in self.items if since <= item.created_at < until]
        found.sort(key=lambda item: -item.created_at)
        for number, page in enumerate(_pages(found, self.page_size)):
            last = (number + 1) * self.page_size >= len(found)
            yield TransactionsPage(tuple(page), self.rejected, last)

    async def _ask(self, endpoint: Endpoint, since: float, until: float) -> None:
        self.asked.append((endpoint, self.clock.now(), since, until))
        if self.cost:
            await self.clock.sleep(self.cost)
        if endpoint in self.failing:
            raise self.failing[endpoint]
        if self.fail_after is not None and endpoint is Endpoint.USAGE:
            self.fail_after -= 1
            if self.fail_after < 0:
                self.fail_after = None
                raise GatewayError("the connection broke")

    def _told(self, row: UsageRow) -> UsageRow:
        """The row as a client gives it that takes `per_usd` for the unit."""
        if self.unit is None:
            return row
        credits = Decimal(row.cost * self.unit) / USD
        if self.per_usd is None:
            return msgspec.structs.replace(row, cost=0, credits=credits) if credits else row
        return msgspec.structs.replace(row, cost=credits_to_nanos(credits, self.per_usd))

    def _buckets(self, since: float, until: float) -> Iterator[UsageBucket]:
        hours: defaultdict[int, list[UsageRow]] = defaultdict(list)
        for row in self.rows:
            if hour_of(since) <= row.created_at < until:
                hours[hour_of(row.created_at)].append(row)
        for hour, rows in sorted(hours.items()):
            yield UsageBucket(
                hour,
                "sonnet",
                KEY,
                sum(r.cost for r in rows),
                100 * len(rows),
                10 * len(rows),
                len(rows),
            )

    def of(self, endpoint: Endpoint) -> list[tuple[float, float, float]]:
        """When the endpoint was asked for what range."""
        return [asked[1:] for asked in self.asked if asked[0] is endpoint]


def _pages(found: list[Any], size: int) -> Iterator[list[Any]]:
    yield from (found[begin : begin + size] for begin in range(0, max(1, len(found)), size))


class Scene:
    """One account's live readings, ledger and gateway, in simulated time."""

    def __init__(self, store: Store, rules: Rules, back: float = 0.0) -> None:
        self.clock = VirtualClock()
        self.store = store
        self.worker = InlineWorker()
        self.ledger = Ledger(store, rules)
        self.ledger.open_accounts([NAME], self.clock.now() - back, self.clock.now())
        self.gateway = FakeGateway(self.clock)
        self.live = Live(self.clock.now())
        self.account = LiveAccount(NAME, dict(INTERVALS))
        self.live.accounts[NAME] = self.account
        self.throttle = Throttle(logging.getLogger("exporter"), self.clock)

    @property
    def cost(self) -> int:
        """What the ledger has counted, in nano-USD."""
        return sum(total.cost for total in self.ledger.totals_of(NAME).usage)

    @property
    def requests(self) -> int:
        """How many calls the ledger has counted."""
        return sum(total.requests for total in self.ledger.totals_of(NAME).usage)


@contextmanager
def scene(path: Path, rules: Rules | None = None, back: float = 0.0) -> Iterator[Scene]:
    """A scene whose state file is closed at its end. Counting starts `back` seconds ago."""
    store = Store(path / "state.db")
    store.db.execute("PRAGMA synchronous = OFF")  # tests do not cut the power
    try:
        yield Scene(store, rules or Rules(), back)
    finally:
        store.close()


def back(seconds: float) -> pytest.MarkDecorator:
    """For a test whose scene `made` starts counting so long ago."""
    return pytest.mark.parametrize("made", [seconds], indirect=True, ids=[""])


R = TypeVar("R", UsageReader, TransactionsReader)


def reader_of(kind: type[R], made: Scene) -> R:
    """A reader of the scene's account."""
    return kind(
        made.account,
        made.gateway,  # type: ignore[arg-type]  # no gateway client, but one that answers as told
        made.ledger,
        made.worker,
        made.throttle,
        BATCH,
    )
