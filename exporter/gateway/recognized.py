"""What was recognized of a gateway from its answers: for `check`, the page and the log.

Holds no payload: names of members are told, and never what they hold.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import StrEnum
from itertools import pairwise
from typing import Final

import msgspec

from exporter.errors import BadResponseError
from exporter.gateway.jsontext import Json, parse
from exporter.gateway.paging import PageFacts
from exporter.gateway.readings import UsageShape

MOST_NAMES: Final = 100
"""Names of members that are told of one answer."""

_DEEPEST: Final = 5
_LOOKED_AT: Final = 20
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,39}", re.ASCII)
_HIDDEN: Final = "…"
_PERSONAL: Final = frozenset({"username", "user_name", "email", "name", "display_name"})


class Order(StrEnum):
    """How the rows of a page stand."""

    NEWEST = "newest first"
    OLDEST = "oldest first"
    NONE = "in no order"


class FirstPage(msgspec.Struct, frozen=True):
    """The first page of a list, and what it says of the whole.

    `rows` came; `asked` is the page size that was asked for and `size` the one that the answer
    names; `total`: so many rows there are. `order` None: too few rows to tell.
    """

    rows: int
    asked: int | None = None
    size: int | None = None
    total: int | None = None
    order: Order | None = None


class UsageForm(msgspec.Struct, frozen=True):
    """How usage is read: where, in which shape.

    `path` is relative to the base URL. `page` None: a rollup in one answer, or none yet. `whole`:
    the buckets add up to the totals; None where nothing tells.
    """

    path: str
    shape: UsageShape
    page: FirstPage | None = None
    buckets: int | None = None
    whole: bool | None = None


class Recognized(msgspec.Struct, frozen=True):
    """How one gateway answers one account, as far as that is known."""

    usage: UsageForm | None = None
    transactions: FirstPage | None = None


class Exchanged(msgspec.Struct, frozen=True):
    """One request: its URL without the query, the answer's status and the seconds it took.

    `status` is None where no answer came. `members` are the names that its JSON has.
    """

    url: str
    status: int | None
    seconds: float
    members: tuple[str, ...] = ()


def first_page(facts: PageFacts, asked: int | None) -> FirstPage:
    """What the first page of a list tells; it was asked for with this size, if any."""
    return FirstPage(facts.count, asked, facts.size, facts.total, order_of(facts.times))


def order_of(times: list[float]) -> Order | None:
    """The order of rows by their times; None where these are one, or none."""
    if len(set(times)) < 2:
        return None
    if all(a >= b for a, b in pairwise(times)):
        return Order.NEWEST
    return Order.OLDEST if all(a <= b for a, b in pairwise(times)) else Order.NONE


def member_names(body: bytes) -> tuple[str, ...]:
    """The names of all members, such as `items[].model`; none of an answer that is not JSON.

    One that is no plain word, or is somebody's name, shows as `…`: it is a value in disguise.
    """
    try:
        answer = parse(body)
    except BadResponseError:
        return ()
    names: dict[str, None] = {}
    for name in _names(answer, "", frozenset(_personal(answer, _DEEPEST)), _DEEPEST):
        names[name] = None
        if len(names) >= MOST_NAMES:
            break
    return tuple(names)


def _names(value: Json, path: str, personal: frozenset[str], depth: int) -> Iterator[str]:
    if isinstance(value, list) and value and depth:
        for element in value[:_LOOKED_AT]:
            yield from _names(element, f"{path}[]", personal, depth - 1)
    elif isinstance(value, dict) and value and depth:
        for name, member in value.items():
            plain = _NAME.fullmatch(name) and name.lower() not in personal
            here = f"{path}.{name if plain else _HIDDEN}".removeprefix(".")
            yield from _names(member, here, personal, depth - 1)
    elif path:
        yield path


def _personal(value: Json, depth: int) -> Iterator[str]:
    """Names and addresses of people, in lower case, wherever they stand."""
    if isinstance(value, list) and depth:
        for element in value[:_LOOKED_AT]:
            yield from _personal(element, depth - 1)
    elif isinstance(value, dict) and depth:
        for name, member in value.items():
            if isinstance(member, str) and name.lower() in _PERSONAL:
                yield member.lower()
            yield from _personal(member, depth - 1)
