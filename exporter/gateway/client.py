"""The gateway as one account sees it: typed answers of three endpoints, or a GatewayError."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import suppress
from typing import Final
from urllib.parse import urlsplit

from exporter.clock import Clock
from exporter.config.types import Account, Gateway, Usage, UsageMode
from exporter.errors import AuthError, BadRequestError, BadResponseError
from exporter.gateway.account import read_account
from exporter.gateway.attempts import RefusedParameterError, Requester
from exporter.gateway.dialects import DIALECTS, Dialect
from exporter.gateway.exchange import HttpClient, open_http
from exporter.gateway.fields import range_params
from exporter.gateway.keys import KeySource
from exporter.gateway.paging import PAGE_SIZE, Pager
from exporter.gateway.readings import (
    AccountReading,
    Envelope,
    KeyRef,
    LogPage,
    RollupReading,
    TransactionsPage,
)
from exporter.gateway.transactions import read_transactions
from exporter.gateway.usage_answer import HOUR, DayBucketsError, LogAnswer, read_usage
from exporter.secrets import Secret

__all__ = ["GatewayClient", "HttpClient", "open_http"]

ACCOUNT_PATH: Final = "/api/v1/me/account"
USAGE_PATH: Final = "/api/v1/me/usage"
TRANSACTIONS_PATH: Final = "/api/v1/me/billing/transactions"

_USUAL_PORTS: Final = {"http": ":80", "https": ":443"}

_Answer = LogAnswer | RollupReading


class GatewayClient:
    """One account's view of the gateway. Every error it raises is a GatewayError."""

    def __init__(
        self,
        http: HttpClient,
        account: Account,
        gateway: Gateway,
        usage: Usage,
        clock: Clock,
        on_envelope: Callable[[Envelope], None],
        environ: Mapping[str, str],
    ) -> None:
        """`http` comes from `open_http` and is shared by all accounts.

        `on_envelope` is called with each response's quota headers, whatever its status, unless
        they say nothing. `environ` is where `api_key_env` is looked up, at each request.
        """
        self.address = address_of(account.base_url)
        self._keys = KeySource(account, environ)
        self._requester = Requester(http, account, gateway, clock, on_envelope, self._keys)
        self._clock = clock
        self._mode = usage.mode
        self._credits_per_usd = usage.credits_per_usd
        self._dialect: Dialect | None = None
        self._tried_larger_pages = False

    @property
    def masked_key(self) -> str | None:
        """The masked form of the account's own key, as in `Envelope.key_id`.

        None while the key cannot be read.
        """
        try:
            return (self._keys.accepted or self._keys.read()).masked()
        except AuthError:
            return None

    def key(self) -> Secret:
        """The account's own key as it is now. Raises AuthError."""
        return self._keys.read()

    @property
    def accepted_key(self) -> Secret | None:
        """The key with which rows are read, None until one was accepted."""
        return self._keys.accepted

    def accept(self, key: Secret) -> None:
        """From now on rows are read with this key: it is known whose account it is."""
        self._keys.accepted = key

    def key_version(self) -> object:
        """Differs from what it gave before once the key file was changed; None without a file."""
        return self._keys.version()

    async def account(self, key: Secret | None = None) -> AccountReading:
        """`GET /me/account` (contract §2), with the newest key or this one. Raises GatewayError."""
        return await self._requester.ask(
            ACCOUNT_PATH,
            {},
            lambda body: read_account(body, self._clock.now()),
            bulk=False,
            key=key,
        )

    async def usage(self, since: float, until: float) -> AsyncIterator[LogPage | RollupReading]:
        """Usage with `since` ≤ time < `until` (Unix s), in whichever shape the gateway answers.

        The log comes page by page; rows outside of the range are left out, so a gateway that
        ignores it does no harm. The rollup comes as one reading that holds every whole hour the
        range touches. At most 89 days may be asked for: the gateway allows 90, and the range is
        widened to a whole hour. Raises GatewayError.
        """
        dialect, answer = await self._first_answer(since, until)
        if isinstance(answer, RollupReading):
            first = math.floor(since / HOUR) * HOUR
            buckets = tuple(bucket for bucket in answer.buckets if first <= bucket.hour < until)
            yield RollupReading(buckets, answer.rejected)
            return
        pager = Pager(since, dialect.asked)
        while True:
            step = pager.after(answer.facts)
            if pager.repeated:
                yield LogPage((), (), last=step is None)
            else:
                rows = tuple(row for row in answer.rows if since <= row.created_at < until)
                yield LogPage(rows, answer.rejected, last=step is None)
            if step is None:
                return
            following = await self._ask_usage(dialect, since, until, step)
            if isinstance(following, RollupReading):
                raise BadResponseError(
                    "the gateway changed from the log to the rollup between two pages; "
                    "the next poll follows it"
                )
            answer = following

    async def transactions(self, since: float, until: float) -> AsyncIterator[TransactionsPage]:
        """Transactions with `since` ≤ created_at < `until` (Unix s), newest first, page by page.

        What lies outside of the range is left out. Raises GatewayError.
        """
        params = range_params(since, until) | {"page_size": str(PAGE_SIZE)}
        pager = Pager(since, PAGE_SIZE)
        step: dict[str, str] | None = {"page": "1"}
        while step is not None:
            items, rejected, facts = await self._requester.ask(
                TRANSACTIONS_PATH, params | step, read_transactions
            )
            step = pager.after(facts)
            if pager.repeated:
                items, rejected = (), ()
            within = tuple(item for item in items if since <= item.created_at < until)
            yield TransactionsPage(within, rejected, last=step is None)

    async def _first_answer(self, since: float, until: float) -> tuple[Dialect, _Answer]:
        """The first page, and the dialect that got it.

        Where `limit` changed nothing and more pages follow, `page_size` is tried once.
        """
        dialect, answer = await self._negotiated(since, until)
        self._dialect = dialect
        if isinstance(answer, RollupReading) or self._tried_larger_pages or dialect.page_size:
            return dialect, answer
        size, count = answer.facts.size, answer.facts.count
        if size is None or size >= PAGE_SIZE or not size <= count < PAGE_SIZE:
            return dialect, answer
        self._tried_larger_pages = True
        larger = Dialect(dialect.group_by, dialect.limit, page_size=True)
        with suppress(RefusedParameterError):
            fuller = await self._ask_usage(larger, since, until)
            if isinstance(fuller, LogAnswer) and fuller.facts.count > count:
                self._dialect = larger
                return larger, fuller
        return dialect, answer

    async def _negotiated(self, since: float, until: float) -> tuple[Dialect, _Answer]:
        """Use the dialect that worked last time, or the first that is not refused."""
        candidates = list(DIALECTS[self._mode])
        if self._dialect is not None:
            candidates = [self._dialect, *(d for d in candidates if d != self._dialect)]
        refusal: BadRequestError | None = None
        for dialect in candidates:
            try:
                return dialect, await self._ask_usage(dialect, since, until)
            except RefusedParameterError as error:
                refusal = error
                self._dialect = None
                self._tried_larger_pages = False
        assert refusal is not None
        raise refusal

    async def _ask_usage(
        self, dialect: Dialect, since: float, until: float, step: Mapping[str, str] | None = None
    ) -> _Answer:
        params = dialect.params(since, until) | dict(step or {})
        answer = await self._requester.ask(USAGE_PATH, params, self._read_usage)
        if self._mode is UsageMode.LOG and isinstance(answer, RollupReading):
            raise _other_shape("log", "rollup")
        if self._mode is UsageMode.ROLLUP and isinstance(answer, LogAnswer):
            raise _other_shape("rollup", "log")
        return answer

    def _read_usage(self, body: bytes) -> _Answer:
        try:
            return read_usage(body, KeyRef(masked=self.masked_key), self._credits_per_usd)
        except DayBucketsError:
            if self._mode is UsageMode.LOG:  # then hours were not asked for
                raise _other_shape("log", "rollup") from None
            raise


def address_of(base_url: str) -> str:
    """A gateway's address in one spelling."""
    scheme, place, path, _, _ = urlsplit(base_url)
    place = place.lower().removesuffix(_USUAL_PORTS.get(scheme, ""))
    return f"{scheme}://{place}{path.rstrip('/')}"


def _other_shape(mode: str, shape: str) -> BadResponseError:
    return BadResponseError(
        f"the gateway answered with the {shape}, but usage.mode is {mode}: "
        f"set usage.mode to {shape} or auto"
    )
