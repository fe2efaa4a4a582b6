"""The webhook: takes the gateway's events, and asks for an early poll after those about money.

The gateway delivers up to three times, 30 s and 5 min apart, but only after a 5xx or a broken
connection (gateway contract, section 5): what is wanted again is answered 503.

Whoever lacks the secret has no effect here, and cannot keep out those who have it: the bound on
the rate counts signed deliveries only, and a replayed one is known before it is counted. A forged
one costs a digest of at most `MAX_BODY` bytes for each secret, less than a scrape.

A delivery's numbers are not taken over: it only says that a poll is worth having now.
"""

from __future__ import annotations

import hashlib
import logging
import re
from dataclasses import dataclass, field
from typing import Final

import msgspec
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response

from exporter.clock import Clock
from exporter.gateway.readings import Endpoint
from exporter.throttle import Throttle
from exporter.traffic import DeliveryOutcome
from exporter.web.signing import Owner, Signers
from exporter.web.view import Views

MAX_BODY: Final = 65_536
"""Bytes of a delivery."""

PER_MINUTE: Final = 60
BURST: Final = 20
"""New events that are taken in a minute, and at once."""

REMEMBERED: Final = 4096
REMEMBERED_SECONDS: Final = 86_400.0
"""How many events are remembered, and how long, so that a second delivery asks for nothing."""

RETRIED_SECONDS: Final = 360.0
"""How long an event without an id is remembered. Its last delivery comes after 5 min 30 s.

Then an equal body is another event: bodies hold no time by which to tell two apart.
"""

ABOUT_MONEY = ("system.balance.", "system.payment.", "admin.balance.")
"""How the types of those events begin after which the wallet is not what it was."""

_TYPES = ("type", "event")
_IDS = ("event_id", "id")
_USER = "user_id"

_SIGNATURE = re.compile(r"(?:sha256=)?([0-9a-f]{64})", re.ASCII | re.IGNORECASE)
_FULL_AGAIN = str(BURST * 60 // PER_MINUTE)
_REFUSALS = {
    DeliveryOutcome.UNSIGNED: (401, "the signature is missing or wrong"),
    DeliveryOutcome.UNCONFIGURED: (503, "no secret yet: try again later"),
    DeliveryOutcome.MALFORMED: (400, "this is no event"),
    DeliveryOutcome.TOO_LARGE: (413, "at most 64 KiB"),
    DeliveryOutcome.TOO_MANY: (503, "too many events: try again later"),
}
"""Status and text of the answer to a delivery that is not taken; every other is answered 204."""

logger = logging.getLogger(__name__)


class _RefusedError(Exception):
    """A delivery is not taken; the message says why and what to do."""

    def __init__(self, outcome: DeliveryOutcome, why: str) -> None:
        super().__init__(why)
        self.outcome = outcome


class WebhookReceiver:
    """What was delivered so far is remembered across a reload of the configuration."""

    def __init__(self, views: Views, clock: Clock) -> None:
        """`views` gives the objects in force, the configuration among them."""
        self._views = views
        self._throttle = Throttle(logger, clock)
        self._bucket = Bucket(PER_MINUTE, BURST, clock)
        self._named = Seen(REMEMBERED_SECONDS, REMEMBERED, clock)
        self._unnamed = Seen(RETRIED_SECONDS, REMEMBERED, clock)
        self._signers = Signers()

    async def answer(self, request: Request) -> Response:
        """Take one delivery, and count what became of it."""
        deliveries = self._views().live.tap.deliveries
        try:
            deliveries[await self._take(request)] += 1
        except _RefusedError as refused:
            deliveries[refused.outcome] += 1
            status, text = _REFUSALS[refused.outcome]
            self._throttle.say(
                str(refused), "A delivery to the webhook was answered %d: %s", status, refused
            )
            too_many = refused.outcome is DeliveryOutcome.TOO_MANY
            again = {"retry-after": _FULL_AGAIN} if too_many else None
            return PlainTextResponse(f"{text}\n", status, again)
        return Response(status_code=204)

    async def _take(self, request: Request) -> DeliveryOutcome:
        body, owners = await self._signed_body(request)
        event = read_event(body)
        if event is None:
            raise _RefusedError(
                DeliveryOutcome.MALFORMED,
                "it is signed, but no JSON object that names its type; have only the gateway's "
                "events sent to webhook.path",
            )
        if not event.about_money:
            return DeliveryOutcome.IGNORED
        seen = self._named if event.named else self._unnamed
        # Two accounts may have equal events, and each its own.
        identity = event.identity + repr(sorted(owner or "" for owner in owners)).encode()
        if identity in seen:
            return DeliveryOutcome.DUPLICATE
        if not self._bucket.take():
            raise _RefusedError(
                DeliveryOutcome.TOO_MANY,
                f"more than {PER_MINUTE} events a minute; subscribe only to those about money",
            )
        seen.add(identity)
        self._ask_for_polls(event, owners)
        return DeliveryOutcome.ACCEPTED

    async def _signed_body(self, request: Request) -> tuple[bytes, set[Owner]]:
        """The body, and whose secrets have signed it. Without a signature it is not even read."""
        config = self._views().config
        name = config.webhook.signature_header
        if not self._signers.read(config):
            raise self._unconfigured()
        signature = _SIGNATURE.fullmatch(request.headers.get(name, "").strip())
        if signature is None:
            raise _RefusedError(
                DeliveryOutcome.UNSIGNED,
                f"its header {name} is missing or no SHA-256 in hex; if the "
                "gateway sent it, set webhook.signature_header to the header that it signs with",
            )
        body = await _read(request)
        owners = self._signers.of(body, bytes.fromhex(signature[1]))
        if owners:
            return body, owners
        if self._signers.problems:  # it may be signed with the one that cannot be read
            raise self._unconfigured()
        raise _RefusedError(
            DeliveryOutcome.UNSIGNED,
            "it is not signed with a secret in webhook.secret_file or an account's "
            "webhook_secret_file; if the gateway sent it, put the secret there that it gave when "
            "the webhook was registered",
        )

    def _unconfigured(self) -> _RefusedError:
        return _RefusedError(DeliveryOutcome.UNCONFIGURED, self._signers.problems[0])

    def _ask_for_polls(self, event: Event, owners: set[Owner]) -> None:
        """Of the account whose secret signed, or that the event names; else of all of them."""
        live = self._views().live.accounts
        shared = None in owners
        accounts = [account for name, account in live.items() if shared or name in owners]
        whose = event.user_id
        named = [one for one in accounts if whose is not None and one.user_id == whose]
        for account in named or accounts:
            account.ask(Endpoint.ACCOUNT, Endpoint.TRANSACTIONS)


async def _read(request: Request) -> bytes:
    """The whole body, but no more of it than can be taken, whatever was announced."""
    body = bytearray()
    try:
        async for piece in request.stream():
            body += piece
            if len(body) > MAX_BODY:
                raise _RefusedError(
                    DeliveryOutcome.TOO_LARGE,
                    f"it has more than {MAX_BODY} bytes; have only the gateway's events sent to "
                    "webhook.path",
                )
    except ClientDisconnect:
        raise _RefusedError(
            DeliveryOutcome.MALFORMED,
            "it broke off before its end; check what is between the gateway and http.listen",
        ) from None
    return bytes(body)


class Event(msgspec.Struct, frozen=True):
    """One event.

    `identity` is the same for every delivery of it: of its id where there is one (`named`), else
    of its body. `user_id` is whose it is, None where it does not say.
    """

    identity: bytes
    named: bool
    about_money: bool
    user_id: str | None


def read_event(body: bytes) -> Event | None:
    """The event in a body; None if that is no JSON object which names its type.

    Names of members are documented nowhere (gateway contract, section 5): read leniently.
    """
    try:
        members = msgspec.json.decode(body)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None
    if not isinstance(members, dict):
        return None
    types = [name for name in map(members.get, _TYPES) if isinstance(name, str)]
    if not types:
        return None
    event_id = next(filter(None, (_name(members.get(member)) for member in _IDS)), None)
    what = msgspec.json.encode((types, event_id)) if event_id is not None else body
    return Event(
        identity=hashlib.sha256(what).digest(),
        named=event_id is not None,
        about_money=any(name.startswith(ABOUT_MONEY) for name in types),
        user_id=_name(members.get(_USER)),
    )


def _name(value: object) -> str | None:
    """An id given as text or as a number."""
    return str(value) if isinstance(value, str | int) and not isinstance(value, bool) else None


class Bucket:
    """A token bucket: `burst` at once, and `per_minute` for ever."""

    def __init__(self, per_minute: float, burst: int, clock: Clock) -> None:
        self._per_second = per_minute / 60
        self._burst = burst
        self._clock = clock
        self._left = float(burst)
        self._filled_at = clock.monotonic()

    def take(self) -> bool:
        """Take one out. False if there is none."""
        now = self._clock.monotonic()
        filled = self._left + (now - self._filled_at) * self._per_second
        self._left, self._filled_at = min(filled, self._burst), now
        if self._left < 1:
            return False
        self._left -= 1
        return True


@dataclass(eq=False)
class Seen:
    """What was seen in the last `seconds`, of the last `at_most`."""

    _seconds: float
    _at_most: int
    _clock: Clock
    _at: dict[bytes, float] = field(default_factory=dict, init=False)

    def __contains__(self, identity: bytes) -> bool:
        at = self._at.get(identity)
        return at is not None and self._clock.monotonic() - at < self._seconds

    def add(self, identity: bytes) -> None:
        """Remember it from now on, at the cost of the oldest one if there are too many."""
        self._at.pop(identity, None)
        self._at[identity] = self._clock.monotonic()
        if len(self._at) > self._at_most:
            del self._at[next(iter(self._at))]
