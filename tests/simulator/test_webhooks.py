"""Subscriptions of the simulated gateway, and what it delivers (contract, section 5)."""

from __future__ import annotations

import json
import threading
from queue import Queue
from typing import Any

from bytespike_simulator import Simulator
from bytespike_simulator.account import LOW_BALANCE, PAYMENT
from bytespike_simulator.wallet import CREDITS
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


def subscribe(made: Simulator, url: str, *types: str) -> dict[str, Any]:
    wish = {"url": url, "event_types": types or (LOW_BALANCE, PAYMENT)}
    response = ask(made, "webhooks", method="POST", body=wish)
    assert response.status_code == 200
    return answer(response)  # type: ignore[no-any-return]


def test_only_what_was_subscribed_to_is_delivered() -> None:
    made = simulator()
    with Subscriber() as one, Subscriber() as other:
        subscribe(made, one.url, LOW_BALANCE)
        subscribe(made, other.url, PAYMENT)
        made.world.topup(50)
        made.world.bill(credits=150 * CREDITS)
        bodies = [there.deliveries.get(timeout=10).body for there in (one, other)]
    kinds = [json.loads(body)["type"] for body in bodies]
    assert kinds == [LOW_BALANCE, PAYMENT]


def test_a_receiver_that_is_not_there_harms_nobody() -> None:
    made = simulator()
    subscribe(made, f"http://[::1]:{free_port()}/")
    made.world.topup(50)
    for thread in threading.enumerate():
        if thread.name == "delivery":
            thread.join(10)
    assert made.webhooks.delivered == [0]
    assert ask(made, "account").status_code == 200
