"""Webhooks (gateway contract, section 5): who subscribed to what, and signed deliveries to them.

A simulator must not be able to call anybody but this machine, so that it delivers over plain
HTTP to loopback only. Each event is delivered once, by a thread of its own: the world may move
in any thread, and a receiver that hangs must not hold it up.
"""

from __future__ import annotations

import hashlib
import hmac
import http.client
from ipaddress import ip_address
from threading import Thread
from urllib.parse import urlsplit

import msgspec

from bytespike_simulator.account_answer import told
from bytespike_simulator.wire import bad_request
from bytespike_simulator.world import Notice, World

TIMEOUT = 5.0
"""Seconds that a receiver may take."""


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

    def __init__(self, world: World) -> None:
        self.subscriptions: list[Subscription] = []
        self.delivered: list[int] = []
        self._world = world
        world.listeners.append(self._deliver)

    def subscribe(self, body: bytes) -> bytes:
        """`POST /me/webhooks`: the answer is the only one that holds the secret."""
        try:
            wish = msgspec.json.decode(body, type=_Wish)
            split = urlsplit(wish.url)
            near = split.scheme == "http" and _is_loopback(split.hostname) and split.port != 0
        except (ValueError, msgspec.MsgspecError):
            raise bad_request("a webhook has a url and a list of event_types") from None
        if not near:
            raise bad_request("url: a simulated gateway delivers to http on loopback only")
        secret = f"whsec_{self._world.rng.getrandbits(128):032x}"
        made = Subscription(len(self.subscriptions) + 1, secret, wish.url, wish.event_types)
        self.subscriptions.append(made)
        return msgspec.json.encode(made)

    def _deliver(self, notice: Notice) -> None:
        body = msgspec.json.encode(told(notice))
        for subscription in self.subscriptions:
            if notice.type in subscription.event_types:
                what = (subscription, body)
                Thread(target=self._post, args=what, name="delivery", daemon=True).start()

    def _post(self, to: Subscription, body: bytes) -> None:
        split = urlsplit(to.url)
        signature = hmac.new(to.secret.encode(), body, hashlib.sha256).hexdigest()
        headers = {
            "content-type": "application/json",
            self._world.options.webhook_header: f"sha256={signature}",
        }
        connection = http.client.HTTPConnection(split.hostname or "", split.port, timeout=TIMEOUT)
        try:
            connection.request("POST", split.path or "/", body, headers)
            status = connection.getresponse().status
        except (OSError, ValueError, http.client.HTTPException):
            status = 0
        finally:
            connection.close()
        self.delivered.append(status)


def _is_loopback(host: str | None) -> bool:
    if host == "localhost":
        return True
    return host is not None and ip_address(host).is_loopback
