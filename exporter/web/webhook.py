"""The webhook: takes the gateway's events, and asks for an early poll after those about money.

Nobody without the secret can have an effect here, nor stand in the way of who has it: what bounds
the rate counts signed deliveries only, and a replayed one is known before it is counted. A forged
one costs a digest of at most `MAX_BODY` bytes, less than a scrape.

A delivery's numbers are not taken over: it only says that a poll is worth having now.
"""

from __future__ import annotations

import hmac
import logging
import re
from pathlib import Path
from typing import Final

from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response

from exporter.clock import Clock
from exporter.gateway.readings import Endpoint
from exporter.secrets import Secret, SecretFile
from exporter.throttle import Throttle
from exporter.traffic import DeliveryOutcome
from exporter.web.bounds import Bucket, Seen
from exporter.web.event import Event, read_event
from exporter.web.view import Views

MAX_BODY: Final = 65_536
"""Bytes of a delivery."""

PER_MINUTE: Final = 60
BURST: Final = 20
"""New events that are taken in a minute, and at once."""

REMEMBERED: Final = 4096
REMEMBERED_SECONDS: Final = 86_400.0
"""How many events are remembered, and how long, so that a second delivery asks for nothing."""

_SIGNATURE = re.compile(r"(?:sha256=)?([0-9a-f]{64})", re.ASCII | re.IGNORECASE)
_FULL_AGAIN = str(BURST * 60 // PER_MINUTE)
_REFUSALS = {
    DeliveryOutcome.UNSIGNED: (401, "the signature is missing or wrong"),
    DeliveryOutcome.UNCONFIGURED: (503, "no secret yet: try again later"),
    DeliveryOutcome.MALFORMED: (400, "this is no event"),
    DeliveryOutcome.TOO_LARGE: (413, "at most 64 KiB"),
    DeliveryOutcome.TOO_MANY: (429, "too many events"),
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
        self._seen = Seen(REMEMBERED_SECONDS, REMEMBERED, clock)
        self._file: SecretFile | None = None

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
            again = {"retry-after": _FULL_AGAIN} if status == 429 else None
            return PlainTextResponse(f"{text}\n", status, again)
        return Response(status_code=204)

    async def _take(self, request: Request) -> DeliveryOutcome:
        event = read_event(await self._signed_body(request))
        if event is None:
            raise _RefusedError(
                DeliveryOutcome.MALFORMED,
                "it is signed, but no JSON object that names its type; have only the gateway's "
                "events sent to webhook.path",
            )
        if not event.about_money:
            return DeliveryOutcome.IGNORED
        if event.identity in self._seen:
            return DeliveryOutcome.DUPLICATE
        if not self._bucket.take():
            raise _RefusedError(
                DeliveryOutcome.TOO_MANY,
                f"more than {PER_MINUTE} events a minute; subscribe only to those about money",
            )
        self._seen.add(event.identity)
        self._ask_for_polls(event)
        return DeliveryOutcome.ACCEPTED

    async def _signed_body(self, request: Request) -> bytes:
        """The body, which the secret has signed. Without a signature it is not even read."""
        hook = self._views().config.webhook
        secret = self._secret(hook.secret_file)
        header = request.headers.get(hook.signature_header, "")
        signature = _SIGNATURE.fullmatch(header.strip())
        if signature is None:
            raise _RefusedError(
                DeliveryOutcome.UNSIGNED,
                f"its header {hook.signature_header} is missing or no SHA-256 in hex; if the "
                "gateway sent it, set webhook.signature_header to the header that it signs with",
            )
        body = await _read(request)
        digest = hmac.digest(secret.reveal().encode(), body, "sha256")
        if not hmac.compare_digest(digest, bytes.fromhex(signature[1])):
            raise _RefusedError(
                DeliveryOutcome.UNSIGNED,
                "it is not signed with the secret in webhook.secret_file; if the gateway sent it, "
                "put the secret there that it gave when the webhook was registered",
            )
        return body

    def _secret(self, path: Path | None) -> Secret:
        if path is None:
            raise RuntimeError("no webhook is configured")
        if self._file is None or self._file.path != path:
            self._file = SecretFile(path)
        try:
            return self._file.read()
        except ValueError as error:
            problem = str(error)
        raise _RefusedError(
            DeliveryOutcome.UNCONFIGURED,
            f"webhook.secret_file {str(path)!r} {problem}; put the secret there that the gateway "
            "gave when the webhook was registered, alone on one line",
        )

    def _ask_for_polls(self, event: Event) -> None:
        """Of the account that the event names, else of all: it may be about any of them."""
        accounts = self._views().live.accounts.values()
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
