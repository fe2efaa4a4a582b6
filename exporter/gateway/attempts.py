"""One request to the gateway: budget, attempts, waits, and what each status means (contract §6)."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass
from typing import Final, TypeVar
from urllib.parse import urlencode

from exporter.clock import Clock
from exporter.config.types import Account, Gateway
from exporter.errors import (
    AuthError,
    BadRequestError,
    BadResponseError,
    GatewayError,
    QuotaSpentError,
    RateLimitedError,
    RefusedParameterError,
    ServerError,
)
from exporter.gateway.budget import RequestBudget
from exporter.gateway.envelope import read_envelope, retry_after, wait_for_window
from exporter.gateway.exchange import Answer, ConnectionLostError, HttpClient, exchange
from exporter.gateway.gateway_clock import GatewayClock
from exporter.gateway.jsontext import parse
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
_CODE: Final = re.compile(r"[a-z_]{1,40}")
_ESCAPE: Final = re.compile(rb"\\\\|\\u00([2-7][0-9a-fA-F])")
"""In JSON: a backslash, or a character of ASCII, each spelled as an escape."""

_KNOWN_TYPES: Final = frozenset(
    {"application/json", "application/xml", "text/html", "text/plain", "text/xml"}
)


_MEANINGS: Final[tuple[tuple[Container[int], type[GatewayError], str], ...]] = (
    ((401,), AuthError, "the key is wrong, revoked or expired: check {place}"),
    ((403,), AuthError, "this address is not allowed, or the key's organization is paused"),
    (
        (402,),
        QuotaSpentError,
        "the wallet is empty or the key's cap is reached: top up or raise the cap",
    ),
    (
        (429,),
        RateLimitedError,
        "a rolling spend window of the key is used up; it is asked again later",
    ),
    (
        (400, 422),
        RefusedParameterError,
        "it does not understand a parameter: check usage.mode",
    ),
    (range(500, 1000), ServerError, "the gateway is failing: nothing to do here unless it lasts"),
    (range(400, 500), BadRequestError, "check base_url"),
    (
        range(300, 400),
        BadResponseError,
        "redirects are not followed: set base_url to where the gateway is",
    ),
)
"""Statuses, the error that each means, and what an operator can do. The first that fits."""


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
            elif _too_many_in_flight(answer) and may_wait:
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
        """What an answer other than 200 means, and what to do about it."""
        status, now = answer.status, self._clock.now()
        wait = retry_after(answer.headers, now)
        kind, advice = next(
            ((kind, advice) for statuses, kind, advice in _MEANINGS if status in statuses),
            (BadResponseError, "200 was expected"),
        )
        if kind is AuthError:
            self._keys.forget()
        if _too_many_in_flight(answer):
            advice = "too many requests are in flight with this key; it is asked again later"
            wait = random.uniform(2.0, 5.0) if wait is None else wait
        elif status == 429:
            wait = wait_for_window(answer.headers, now)
        code = " ".join(_codes(answer.body))
        what = f"GET {path} answered {status}{f' ({code})' if code else ''}"
        return kind(f"{what}: {advice.format(place=self._keys.place)}", retry_after=wait)


def _too_many_in_flight(answer: Answer) -> bool:
    return answer.status == 429 and "concurrency_limit" in _codes(answer.body)


def _codes(body: bytes) -> list[str]:
    """`error.type` and `error.code` where they are plain words: all of it that may be shown."""
    try:
        answer = parse(body[:65536])
    except BadResponseError:
        return []
    error = answer.get("error") if isinstance(answer, dict) else None
    if not isinstance(error, dict):
        return []
    words = (error.get("type"), error.get("code"))
    return [word for word in words if isinstance(word, str) and _CODE.fullmatch(word)]


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
