"""Webhooks (gateway contract, section 5): who subscribed to what, and signed deliveries to them.

A simulator must not be able to call anybody but this machine, so that it delivers over plain
HTTP to loopback only. Each event is delivered by a thread of its own: the world may move in any
thread, and a receiver that hangs must not hold it up. Up to three times: again after a 5xx and
where there was no answer.
"""

from __future__ import annotations

import hashlib
import hmac
import time
from threading import Thread
from urllib.parse import urlsplit

import httpx
import msgspec
from starlette.requests import Request
from starlette.responses import Response

from bytespike_simulator.account import LOW_BALANCE, Account, Notice
from bytespike_simulator.formats import usd
from bytespike_simulator.refusals import bad_request

TIMEOUT = 5.0
"""Seconds that a receiver may take."""

WAITS = (30.0, 300.0)
"""Seconds before the second delivery, and before the third; the option `speed` shortens them."""

FAILURES = 50
"""Failures in a row that disable the subscription."""

_HERE = ("127.0.0.1", "::1", "localhost")


class _Wish(msgspec.Struct):
    url: str
    event_types: list[str]
    secret: str | None = None


class Subscription(msgspec.Struct, frozen=True):
    """One subscriber; the secret signs what is delivered to it."""

    id: int
    secret: str
    url: str
    event_types: list[str]


class Webhooks:
    """The subscriptions: a user has one URL, so that a new one takes the place of the old.

    `delivered` has the status of each answer, 0 where there was none.
    """

    def __init__(self, account: Account) -> None:
        self.subscriptions: list[Subscription] = []
        self.delivered: list[int] = []
        self.waits: tuple[float, ...] = WAITS
        self._failures = 0
        self._made = 0
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
        secret = wish.secret or f"{self._account.rng.getrandbits(128):032x}"
        self._made += 1
        made = Subscription(self._made, secret, wish.url, wish.event_types)
        self.subscriptions[:] = [made]
        self._failures = 0
        return Response(msgspec.json.encode(made), media_type="application/json")

    def _deliver(self, notice: Notice) -> None:
        amount = "balance_usd" if notice.type == LOW_BALANCE else "amount_usd"
        body = msgspec.json.encode({"event": notice.type, amount: usd(notice.credits)})
        for subscription in self.subscriptions:
            if notice.type in subscription.event_types:
                what = (subscription, body)
                Thread(target=self._post, args=what, name="delivery", daemon=True).start()

    def _post(self, to: Subscription, body: bytes) -> None:
        """Deliver, and again where that failed. A 4xx counts as delivered."""
        for wait in (0.0, *self.waits):
            time.sleep(wait / max(1.0, self._account.options.speed))
            status = self._send(to, body)
            self.delivered.append(status)
            if 0 < status < 500:
                self._failures = 0
                return
            self._failures += 1
            if self._failures >= FAILURES:
                self.subscriptions[:] = [one for one in self.subscriptions if one is not to]
                return

    def _send(self, to: Subscription, body: bytes) -> int:
        """The status of the answer, 0 where there was none."""
        signature = hmac.new(to.secret.encode(), body, hashlib.sha256).hexdigest()
        headers = {
            "content-type": "application/json",
            "X-ByteSpike-Signature": signature,
        }
        try:
            with httpx.Client(timeout=TIMEOUT, trust_env=False) as client:
                return client.post(to.url, content=body, headers=headers).status_code
        except (httpx.HTTPError, httpx.InvalidURL):
            return 0
