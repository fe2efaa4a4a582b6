"""The gateway as one account sees it: typed answers of its endpoints, or a GatewayError."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from functools import partial
from typing import Final
from urllib.parse import urlsplit

from exporter.clock import Clock
from exporter.config.types import Account, Gateway, Usage
from exporter.errors import AuthError, NotFoundError, UnknownAnswerError
from exporter.gateway.account import read_account
from exporter.gateway.attempts import Requester
from exporter.gateway.exchange import HttpClient, open_http
from exporter.gateway.fields import range_params
from exporter.gateway.gateway_clock import GatewayClock
from exporter.gateway.key_account import KEY_ACCOUNT_PATH, envelope_of
from exporter.gateway.key_list import read_all_keys
from exporter.gateway.keys import KeySource
from exporter.gateway.list_reader import ListQuery, ListReader
from exporter.gateway.paging import PAGE_SIZE
from exporter.gateway.readings import (
    AccountReading,
    Envelope,
    KeysReading,
    LogPage,
    RollupReading,
    TransactionsPage,
    UsageBucket,
    UsageRow,
)
from exporter.gateway.recognized import Exchanged, Recognized
from exporter.gateway.transactions import read_transactions
from exporter.gateway.usage_source import UsageSource
from exporter.secrets import Secret

__all__ = ["GatewayClient", "HttpClient", "open_http"]

ACCOUNT_PATH: Final = "/api/v1/me/account"
KEYS_PATH: Final = "/api/v1/keys"
TRANSACTIONS_PATH: Final = "/api/v1/me/billing/transactions"

_USUAL_PORTS: Final = {"http": ":80", "https": ":443"}


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
        self.gateway_clock = GatewayClock(clock)
        self._keys = KeySource(account, environ)
        self._requester = Requester(
            http, account, gateway, clock, on_envelope, self._keys, self.gateway_clock
        )
        self._host_clock = clock
        self._on_envelope = on_envelope
        self._account_path = ACCOUNT_PATH
        self._usage = UsageSource(
            self._requester, self.gateway_clock, usage, lambda: self.masked_key
        )
        ask = partial(self._requester.ask, TRANSACTIONS_PATH, read=read_transactions)
        self._transactions = ListReader(ask, self.gateway_clock)

    def watch(self, on_exchange: Callable[[Exchanged], None]) -> None:
        """Have this told of every request from now on."""
        self._requester.on_exchange = on_exchange

    @property
    def recognized(self) -> Recognized:
        """What the answers so far have told of how this gateway answers."""
        return Recognized(self._usage.form, self._transactions.first_page)

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
        """`GET /me/account` (contract §2), with the newest key or this one. Raises GatewayError.

        Where a gateway has no such address, the key's own account is read instead.
        """
        try:
            reading = await self._ask_account(self._account_path, key)
        except (NotFoundError, UnknownAnswerError) as missing:
            known, self._account_path = self._account_path, ACCOUNT_PATH
            if known != ACCOUNT_PATH or isinstance(missing, UnknownAnswerError):
                raise
            try:
                reading = await self._ask_account(KEY_ACCOUNT_PATH, key)
            except (NotFoundError, UnknownAnswerError):
                raise missing from None
            self._account_path = KEY_ACCOUNT_PATH
        if reading.key_limits is not None:
            masked = (key or self._keys.read()).masked()
            told = envelope_of(reading.key_limits, masked, reading.observed_at)
            if told is not None:
                self._on_envelope(told)
        return reading

    async def _ask_account(self, path: str, key: Secret | None) -> AccountReading:
        return await self._requester.ask(
            path,
            {},
            lambda body: read_account(body, self._host_clock.now()),
            bulk=False,
            key=key,
        )

    async def keys(self) -> KeysReading:
        """The account's keys (contract §5), asked for once, with the accepted key.

        Raises GatewayError; the list may be refused or missing.
        """
        ask = partial(
            self._requester.ask, KEYS_PATH, bulk=False, key=self._keys.accepted, patient=False
        )
        return await read_all_keys(ask, self._host_clock.now, self.gateway_clock.now)

    def usage(
        self, since: float, until: float, in_parts: bool = False
    ) -> AsyncIterator[LogPage | RollupReading]:
        """Usage with `since` ≤ time < `until` (Unix s), in whichever shape the gateway answers.

        The log comes page by page, with rows outside of the range where the gateway ignores it.
        The rollup comes as one reading that holds every whole hour the range touches, or, if it
        is asked for `in_parts`, model by model. At most 89 days may be asked for: the gateway
        allows 90, and the range is widened to a whole hour. Raises GatewayError; IncompleteError
        where an answer holds less than it says.
        """
        return self._usage.read(since, until, in_parts)

    async def request(self, request_id: str) -> UsageRow | None:
        """What was billed for one request, None where it is not known. Raises GatewayError."""
        return await self._usage.find(request_id)

    def log_beside(self, since: float, until: float) -> AsyncIterator[LogPage]:
        """Rows of the log in the range, which may stand beside a rollup. Raises GatewayError."""
        return self._usage.read_log_beside(since, until)

    async def rollup_beside(self, since: float, until: float) -> tuple[UsageBucket, ...]:
        """Buckets of hours in the range, which may stand beside a log; none where none do."""
        return await self._usage.read_rollup_beside(since, until)

    def know_credits(self, per_usd: int | None) -> None:
        """So many credits make one USD; None while that is not known (see `UsageRow`)."""
        self._usage.know_credits(per_usd)

    async def transactions(self, since: float, until: float) -> AsyncIterator[TransactionsPage]:
        """Transactions with `since` ≤ created_at < `until` (Unix s), newest first, page by page.

        A gateway that ignores the range gives others too. Raises GatewayError.
        """
        async for page in self._transactions.read(since, until, _TRANSACTIONS):
            yield TransactionsPage(page.rows, page.rejected, page.last)


_TRANSACTIONS: Final = ListQuery(
    lambda since, until: range_params(since, until) | {"page_size": str(PAGE_SIZE)}, PAGE_SIZE
)


def address_of(base_url: str) -> str:
    """A gateway's address in one spelling."""
    scheme, place, path, _, _ = urlsplit(base_url)
    place = place.lower().removesuffix(_USUAL_PORTS.get(scheme, ""))
    return f"{scheme}://{place}{path.rstrip('/')}"
