"""Whom Alertmanager notifies: a receiver that keeps what it is told."""

from __future__ import annotations

import threading
from collections.abc import Callable

import msgspec

from tests.http import Posted, Receiver, Reply


class Told(msgspec.Struct, frozen=True):
    """One alert of one notification. `status` is `firing` or `resolved`."""

    status: str
    labels: dict[str, str]
    annotations: dict[str, str]

    @property
    def name(self) -> str:
        return self.labels["alertname"]

    @property
    def summary(self) -> str:
        """What stands in somebody's pocket."""
        return self.annotations["summary"]


class _Notification(msgspec.Struct):
    receiver: str
    alerts: list[Told]


class Webhook(Receiver):
    """`url` + a receiver's name is where it is told.

    `hear` is called for each alert, in a thread of the server.
    """

    def __init__(self, hear: Callable[[str, Told], None] = lambda receiver, told: None) -> None:
        super().__init__(self._take)
        self._hear = hear
        self._lock = threading.Lock()
        self._told: list[tuple[str, Told]] = []
        self.url = f"{self.origin}/"

    def _take(self, posted: Posted) -> Reply:
        notification = msgspec.json.decode(posted.body, type=_Notification)
        for told in notification.alerts:
            with self._lock:
                self._told.append((notification.receiver, told))
            self._hear(notification.receiver, told)
        return Reply()

    def told(self, receiver: str, status: str) -> list[Told]:
        """What a receiver was told so far, in order."""
        with self._lock:
            return [told for whom, told in self._told if (whom, told.status) == (receiver, status)]
