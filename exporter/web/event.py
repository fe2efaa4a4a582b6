"""What a delivery tells, read leniently: the names of its members are documented nowhere.

See the gateway contract, section 5.
"""

from __future__ import annotations

import hashlib

import msgspec

ABOUT_MONEY = ("system.balance.", "system.payment.")
"""How the types of those events begin after which the wallet is not what it was."""

_TYPES = ("type", "event")
_IDS = ("event_id", "id")
_USER = "user_id"


class Event(msgspec.Struct, frozen=True):
    """One event.

    `identity` is the same for every delivery of it: of its id where there is one, else of its
    body. `user_id` is whose it is, None where it does not say.
    """

    identity: bytes
    about_money: bool
    user_id: str | None


def read_event(body: bytes) -> Event | None:
    """The event in a body; None if that is no JSON object which names its type."""
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
        about_money=any(name.startswith(ABOUT_MONEY) for name in types),
        user_id=_name(members.get(_USER)),
    )


def _name(value: object) -> str | None:
    """An id given as text or as a number."""
    return str(value) if isinstance(value, str | int) and not isinstance(value, bool) else None
