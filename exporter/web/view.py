"""What the web layer is given: the daemon's objects at one moment, and how to read the totals."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

import msgspec

from exporter.config.types import Config
from exporter.ledger.totals import AccountTotals
from exporter.live import Live


class View(msgspec.Struct, frozen=True):
    """The objects that are in force now; a reload of the configuration replaces them."""

    live: Live
    config: Config
    instance_id: str


Views = Callable[[], View]
"""Gives the objects in force."""

Totals = Callable[[], Awaitable[Mapping[str, AccountTotals]]]
"""Reads what is committed, by account name. May raise StateError."""
