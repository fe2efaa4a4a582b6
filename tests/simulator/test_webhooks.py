"""Subscriptions of the simulated gateway, and what it delivers (contract, section 5)."""

from __future__ import annotations

import hmac
import json
import re
import threading
from queue import Queue
from typing import Any

import pytest

from bytespike_simulator import Simulator
from bytespike_simulator.account import ADJUSTED, LOW_BALANCE, PAYMENT
from bytespike_simulator.wallet import CREDITS
from bytespike_simulator.webhooks import FAILURES
from tests.http import Posted, Receiver, Reply
from tests.peers.process import free_port
from tests.simulator.fakes import answer, ask, simulator


class Subscriber(Receiver):
    """A subscriber at `url`; `deliveries` is what comes there."""

    def __init__(self) -> None:
        super().__init__(self._take)
        self.url = f"{self.origin}/in"
        self.deliveries: Queue[Posted] = Queue()

    def _take(self, posted: Posted) -> Reply:
        self.deliveries.put(posted)
        return Reply(204)


def subscribe(made: Simulator, url: str, *types: str, **more: str) -> dict[str, Any]:
    wish = {"url": url, "event_types": types or (LOW_BALANCE, PAYMENT), **more}
    response = ask(made, "webhooks", method="POST", body=wish)
    assert response.status_code == 200
    return answer(response)  # type: ignore[no-any-return]


def settled(made: Simulator) -> list[int]:
    """What every delivery was answered, once no thread delivers any more."""
    for thread in threading.enumerate():
        if thread.name == "delivery":
            thread.join(10)
    return made.webhooks.delivered


def test_a_delivery_is_as_the_gateway_documents_it() -> None:
    made = simulator()
    with Subscriber() as there:
        secret = subscribe(made, there.url)["secret"]
        made.world.bill(credits=96 * CREDITS)
        delivery = there.deliveries.get(timeout=10)
    assert re.fullmatch("[0-9a-f]{32}", secret)
    assert json.loads(delivery.body) == {"event": LOW_BALANCE, "balance_usd": 4}
    signed = hmac.new(secret.encode(), delivery.body, "sha256").hexdigest()
    assert delivery.headers["x-bytespike-signature"] == signed


def test_only_what_was_subscribed_to_is_delivered_and_only_to_the_newest_url() -> None:
    made = simulator()
    with Subscriber() as old, Subscriber() as new:
        subscribe(made, old.url)
        chosen = subscribe(made, new.url, PAYMENT, ADJUSTED, secret="my-own-secret")["secret"]
        made.world.bill(credits=96 * CREDITS)
        made.world.topup(50)
        made.world.transaction("admin_debit", -CREDITS)
        bodies = [new.deliveries.get(timeout=10).body for _ in range(2)]
        assert settled(made) == [204, 204]
        assert old.deliveries.empty()
    assert chosen == "my-own-secret"
    assert {json.loads(body)["event"] for body in bodies} == {PAYMENT, ADJUSTED}


@pytest.mark.parametrize(
    ("answers", "delivered"),
    [([500, 503, 204], [500, 503, 204]), ([500, 204], [500, 204]), ([500] * 3, [500] * 3),
     ([404], [404]), ([429], [429])],
)  # fmt: skip
def test_a_delivery_comes_up_to_three_times_but_only_after_a_5xx(
    answers: list[int], delivered: list[int]
) -> None:
    made = simulator()
    made.webhooks.waits = (0.0, 0.0)
    left = iter(answers)
    with Receiver(lambda posted: Reply(next(left))) as there:
        subscribe(made, f"{there.origin}/in")
        made.world.topup(50)
        assert settled(made) == delivered


def test_a_receiver_that_is_not_there_harms_nobody() -> None:
    made = simulator()
    made.webhooks.waits = (0.0, 0.0)
    subscribe(made, f"http://[::1]:{free_port()}/")
    made.world.topup(50)
    assert settled(made) == [0, 0, 0]
    assert ask(made, "account").status_code == 200


def test_fifty_failures_in_a_row_end_the_subscription() -> None:
    made = simulator()
    made.webhooks.waits = ()
    subscribe(made, f"http://[::1]:{free_port()}/")
    for count in range(1, FAILURES + 1):
        assert made.webhooks.subscriptions
        made.world.topup(50)
        assert len(settled(made)) == count
    assert made.webhooks.subscriptions == []
