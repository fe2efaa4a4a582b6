"""A second gateway, written from the gateway's contract alone.

It shares no line and no picture of the contract with the exporter or the simulator: what both of
those understand wrongly in the same way shows here.
"""

from tests.second_gateway.gateway.books import Books, Call, Key, Movement, Org, User, Wallet
from tests.second_gateway.gateway.served import as_asgi
from tests.second_gateway.gateway.switches import Switches
from tests.second_gateway.gateway.wire import SECONDS, Gateway

__all__ = [
    "SECONDS",
    "Books",
    "Call",
    "Gateway",
    "Key",
    "Movement",
    "Org",
    "Switches",
    "User",
    "Wallet",
    "as_asgi",
]
