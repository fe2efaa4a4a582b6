"""One request to the gateway: budget, attempts and waits (contract §6)."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, TypeVar
from urllib.parse import urlencode

from exporter.clock import Clock
from exporter.config.types import Account, Gateway
from exporter.errors import AuthError, BadResponseError, GatewayError, RefusedAnswerError
from exporter.gateway.budget import RequestBudget
from exporter.gateway.envelope import read_envelope, retry_after
from exporter.gateway.exchange import Answer, ConnectionLostError, HttpClient, exchange
from exporter.gateway.failures import failure, too_many_in_flight
from exporter.gateway.gateway_clock import GatewayClock
from exporter.gateway.keys import KeySource
from exporter.gateway.readings import Envelope
from exporter.gateway.recognized import Exchanged, member_names
from exporter.secrets import Secret, shown_url

T = TypeVar("T")

MAX_ATTEMPTS: Final = 4
FIRST_BACKOFF: Final = 1.0
LONGEST_SERVER_WAIT: Final = 30.0
"""A 503 that asks for more seconds than this ends the poll instead of being waited out."""

CONCURRENCY_WAITS: Final = 2
LONGEST_CONCURRENCY_WAIT: Final = 5.0

_SHORTEST_REDACTED: Final = 8
_RETRIED: Final = frozenset({500, 502, 503, 504})
_ESCAPE: Final = re.compile(rb"\\\\|\\u00([2-7][0-9a-fA-F])")
"""In JSON: a backslash, or a character of ASCII, each spelled as an escape."""

_KNOWN_TYPES: Final = frozenset(
    {"application/json", "application/xml", "text/html", "text/plain", "text/xml"}
)


@dataclass(eq=False)
class Requester:
    """Makes the requests of one account.

    Every response's envelope goes to `on_envelope`, whatever its status.
    """

    _http: HttpClient
    _account: Account
    _gateway: Gateway
    _clock: Clock
    _on_envelope: Callable[[Envelope], None]
    _keys: KeySource
    _gateway_clock: GatewayClock
    on_exchange: Callable[[Exchanged], None] | None = None
    """Is told of every request, answered or not."""

    def __post_init__(self) -> None:
        self._base = self._account.base_url.rstrip("/")
        self._budget = RequestBudget(self._gateway.max_requests_per_minute, self._clock)

    async def ask(
        self,
        path: str,
        params: Mapping[str, str],
        read: Callable[[bytes], T],
        *,
        bulk: bool = True,
        key: Secret | None = None,
        patient: bool = True,
    ) -> T:
        """What `read` makes of the body of a successful `GET path`. Raises GatewayError.

        `bulk` requests are for rows. They leave a part of the budget to the others (see
        `RequestBudget`), and bear the key that was accepted for them; others `key`, or the newest.

        A 500, 502, 503 or 504 is tried `MAX_ATTEMPTS` times with exponential backoff,
        too many requests in flight `CONCURRENCY_WAITS` times more, and a connection that broke
        before any answer once more at once. Timeouts and other network errors end the poll:
        trying again would only make an outage longer to notice. Not `patient`: nothing is tried
        again after an answer.
        """
        query = f"?{urlencode(params)}" if params else ""
        answer = await self._answer(path, f"{self._base}{path}{query}", bulk, key, patient)
        try:
            return read(answer.body)
        except BadResponseError as error:
            problem = error
        if isinstance(problem, RefusedAnswerError) and 400 <= problem.status < 600:
            raise self._failure(path, Answer(problem.status, answer.headers, answer.body))
        what = f"GET {path} answered 200 with {shown_type(answer.headers)}"
        raise type(problem)(f"{what}, but {problem}")

    async def _answer(
        self, path: str, url: str, bulk: bool, key: Secret | None, patient: bool
    ) -> Answer:
        """The first successful answer, after the attempts and waits that `ask` describes."""
        failures = crowded = 0
        reconnected = False
        while True:
            try:
                answer = await self._attempt(url, bulk, key)
            except GatewayError as error:
                if isinstance(error, ConnectionLostError) and not reconnected:
                    reconnected = True
                    continue
                named = f"GET {path}: {error}"
                raise type(error)(named, retry_after=error.retry_after) from None
            if answer.status == 200:
                return answer
            asked = retry_after(answer.headers, self._clock.now()) or 0.0
            may_retry = patient and failures < MAX_ATTEMPTS - 1 and asked <= LONGEST_SERVER_WAIT
            may_wait = patient and crowded < CONCURRENCY_WAITS and asked <= LONGEST_CONCURRENCY_WAIT
            if answer.status in _RETRIED and may_retry:
                delay = FIRST_BACKOFF * 2**failures * random.uniform(1.0, 1.5)
                failures += 1
            elif may_wait and too_many_in_flight(answer, self._clock.now()):
                delay = random.uniform(0.5, 1.5)
                crowded += 1
            else:
                raise self._failure(path, answer)
            await self._clock.sleep(max(delay, asked))

    async def _attempt(self, url: str, bulk: bool, key: Secret | None) -> Answer:
        await self._budget.take(bulk=bulk)
        key = key or (self._keys.accepted if bulk else None) or self._keys.read()
        asked = self._clock.monotonic()
        try:
            answer = await exchange(self._http, url, key, self._gateway.timeout)
        except GatewayError:
            self._tell(url, asked, None)
            raise
        self._gateway_clock.learn(answer.headers, asked)
        envelope = read_envelope(answer.headers, key.masked(), self._clock.now())
        if envelope is not None:
            self._on_envelope(envelope)
        body = redacted(answer.body, key)
        if body is not answer.body:
            answer = Answer(answer.status, answer.headers, body)
        self._tell(url, asked, answer)
        return answer

    def _tell(self, url: str, asked: float, answer: Answer | None) -> None:
        if self.on_exchange is None:
            return
        seconds, place = self._clock.monotonic() - asked, shown_url(url)
        if answer is None:
            self.on_exchange(Exchanged(place, None, seconds))
        else:
            names = member_names(answer.body)
            self.on_exchange(Exchanged(place, answer.status, seconds, names))

    def _failure(self, path: str, answer: Answer) -> GatewayError:
        error = failure(f"GET {path}", answer, self._keys.place, self._clock.now())
        if isinstance(error, AuthError):
            self._keys.forget()
        return error


def redacted(body: bytes, key: Secret) -> bytes:
    """The body with the key that asked replaced by its masked form, should it be echoed.

    A shorter key than any real one is left: it may be a word of the answer's own. JSON can spell
    a letter as an escape, and a key with it, so such letters are spelled plainly first.
    """
    secret = key.reveal().encode("ascii")
    if len(secret) < _SHORTEST_REDACTED:
        return body
    if b"\\u00" in body:
        body = _ESCAPE.sub(_plain, body)
    return body.replace(secret, key.masked().encode()) if secret in body else body


def _plain(escape: re.Match[bytes]) -> bytes:
    """The letter itself, unless JSON would read it as the end of the text or another escape."""
    letter = bytes([int(escape[1], 16)]) if escape[1] else b""
    return letter if letter.isalnum() or letter in (b"-", b"_") else escape[0]


def shown_type(headers: Mapping[bytes, bytes]) -> str:
    """The content type for an error message, if it is one of the usual ones."""
    raw = headers.get(b"content-type", b"").split(b";")[0].strip().lower()
    name = raw.decode("latin-1")
    return name if name in _KNOWN_TYPES else "an unusual type"
