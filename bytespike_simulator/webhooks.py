"""Webhooks (gateway contract, section 5): who subscribed to what, and signed deliveries to them.

A simulator must not be able to call anybody but this machine, so that it delivers over plain
HTTP to loopback only. Each event is delivered once, by a thread of its own: the world may move
in any thread, and a receiver that hangs must not hold it up.
"""

from __future__ import annotations

import hashlib
import hmac
from threading import Thread
from urllib.parse import urlsplit

import httpx
import msgspec
from starlette.requests import Request
from starlette.responses import Response

from bytespike_simulator.account import Account, Notice
from bytespike_simulator.formats import timestamp, usd
from bytespike_simulator.refusals import bad_request

TIMEOUT = 5.0
"""Seconds that a receiver may take."""

_HERE = ("127.0.0.1", "::1", "localhost")


class _Wish(msgspec.Struct):
    url: str
    event_types: list[str]


class Subscription(msgspec.Struct, frozen=True):
    """One subscriber; the secret signs what is delivered to it."""

    id: int
    secret: str
    url: str
    event_types: list[str]


class Webhooks:
    """All subscriptions. `delivered` has the status of each answer, 0 where there was none."""

    def __init__(self, account: Account) -> None:
        self.subscriptions: list[Subscription] = []
        self.delivered: list[int] = []
        self._account = account
        account.listeners.append(self._deliver)

    async def subscribe(self, request: Request, key: int, fails: bool) -> Response:
        """`POST /me/webhooks`: the answer is the only one that holds the secret."""
        try:
            wish = msgspec.json.decode(await request.body(), type=_Wish)
            split = urlsplit(wish.url)
            near = split.scheme == "http" and split.hostname in _HERE and split.port != 0
        except (ValueError, msgspec.MsgspecError):
            raise bad_request("a webhook has a url and a list of event_types") from None
        if not near:
            raise bad_request("url: a simulated gateway delivers to http on loopback only")
        secret = f"whsec_{self._account.rng.getrandbits(128):032x}"
        made = Subscription(len(self.subscriptions) + 1, secret, wish.url, wish.event_types)
        self.subscriptions.append(made)
        return Response(msgspec.json.encode(made), media_type="application/json")

    def _deliver(self, notice: Notice) -> None:
        told = {
            "id": notice.id,
            "type": notice.type,
            "created_at": timestamp(notice.created),
            "read": False,
            "data": {"usd": usd(notice.credits)},
        }
        body = msgspec.json.encode(told)
        for subscription in self.subscriptions:
            if notice.type in subscription.event_types:
                what = (subscription, body)
                Thread(target=self._post, args=what, name="delivery", daemon=True).start()

    def _post(self, to: Subscription, body: bytes) -> None:
        signature = hmac.new(to.secret.encode(), body, hashlib.sha256).hexdigest()
        headers = {
            "content-type": "application/json",
            "X-ByteSpike-Signature": signature,
        }
        try:
            with httpx.Client(timeout=TIMEOUT, trust_env=False) as client:
                status = client.post(to.url, content=body, headers=headers).status_code
        except (httpx.HTTPError, httpx.InvalidURL):
            status = 0
        self.delivered.append(status)
