"""Which page comes next, and when a list ends (contract §3a, §4). Pure.

A cursor is followed while there is one. Otherwise pages are numbered, from 1 or from 0 as the
answer says or as the second question shows. A short page ends a list only if nothing speaks for
more: rows can be filtered out after the limit. What speaks for more is a `total` that was not
reached, `has_more`, `total_pages`, or a full page. An empty or repeated page ends what nothing
speaks for. Rows that arrive meanwhile push others onto the next page, a whole page of them too,
so it is an error only if several pages in a row bring nothing new.
"""

from __future__ import annotations

import math
from array import array
from collections import deque
from collections.abc import Iterable
from typing import Final

import msgspec

from exporter.errors import BadResponseError

PAGE_SIZE: Final = 200
"""Rows asked for in one page: the most that the gateway gives."""

DEFAULT_PAGE_SIZE: Final = 20
"""Rows that the gateway gives unasked."""

USUAL_SIZES: Final = (DEFAULT_PAGE_SIZE, 50, PAGE_SIZE // 2)
"""A page of as many rows may be a full one, whatever was asked for."""

_MAX_PAGES: Final = 50_000
_FRUITLESS: Final = 3
_EMPTY_CURSORS: Final = 10
_REMEMBERED: Final = 4
_PARTS: Final = 64


class PageFacts(msgspec.Struct, frozen=True):
    """What paging needs to know of one page.

    `ids` are those of all rows, those that could be read first; `times` (Unix s) those of the
    rows that could be read, in the same order. `total`, `size`, `cursor`, `number` and `more` as
    the answer says, or None.
    """

    ids: list[str]
    times: list[float]
    total: int | None = None
    size: int | None = None
    cursor: str | None = None
    number: int | None = None
    more: bool | None = None

    @property
    def count(self) -> int:
        return len(self.ids)


class Distinct:
    """How many different ids a list has had, in 8 bytes each: an hour may hold a million."""

    def __init__(self) -> None:
        self._hashes = [array("q") for _ in range(_PARTS)]

    def add(self, ids: Iterable[str]) -> None:
        for id_ in ids:
            hashed = hash(id_)
            self._hashes[hashed % _PARTS].append(hashed)

    def count(self) -> int:
        for part, hashes in enumerate(self._hashes):
            self._hashes[part] = array("q", set(hashes))
        return sum(map(len, self._hashes))


class Pager:
    """Follows one list from page to page.

    `said` is the smallest total that its pages named, None without any; `first` the number of
    the first page, None while it is not known; `repeated`: the newest page brought nothing new.
    """

    def __init__(
        self,
        since: float,
        asked: int | None,
        total_is_of_range: bool | None = None,
        first: int | None = None,
    ) -> None:
        """`since` in Unix s; `asked` is the page size that was asked for, None if none was.

        What is known of the gateway may be told: whether its totals are of the asked range or of
        all time, and whether its pages begin with 0 or 1.
        """
        self.said: int | None = None
        self.first = first
        self.repeated = False
        self._since = since
        self._asked = asked or DEFAULT_PAGE_SIZE
        self._total_is_of_range = total_is_of_range
        self._pages = 0
        self._fresh = 0
        self._turned = False
        self._full = False
        self._fruitless = 0
        self._begin: float | None = None
        self._recent: deque[frozenset[str]] = deque(maxlen=_REMEMBERED)
        self._cursors: set[str] = set()

    def after(self, page: PageFacts) -> dict[str, str] | None:
        """Parameters of the next page, or None if this was the last. Raises BadResponseError."""
        self._pages += 1
        if page.total is not None:
            self.said = page.total if self.said is None else min(self.said, page.total)
        self._take(page)
        if self._pages >= _MAX_PAGES:
            raise _loops("it does not end")
        if self._is_past(page):
            return None
        if page.cursor is not None:
            return self._by_cursor(page.cursor)
        return None if self._cursors else self._by_number(page)

    def _take(self, page: PageFacts) -> None:
        """Note what the page brings. What arrived since the first page is no progress."""
        new = set(page.ids).difference(*self._recent)
        if self._begin is None:
            newest_first = bool(page.times) and page.times[0] >= page.times[-1]
            self._begin = max(page.times) if newest_first else math.inf
        arrived = {
            id_
            for id_, at in zip(page.ids, page.times, strict=False)
            if at > self._begin and id_ in new
        }
        self._fresh += len(new)
        self.repeated = not new
        self._fruitless = 0 if len(new) > len(arrived) else self._fruitless + 1
        self._turned = self._turned or (self._pages > 1 and self._fruitless == 0)
        whole = min(page.size or self._asked, self._asked)
        self._full = page.count >= whole or (page.size is None and page.count in USUAL_SIZES)
        self._recent.append(frozenset(page.ids))

    def _is_past(self, page: PageFacts) -> bool:
        times = page.times
        # Oldest first, an early page says nothing about what follows.
        return bool(times) and max(times) < self._since and times[0] >= times[-1]

    def _by_cursor(self, cursor: str) -> dict[str, str]:
        if cursor in self._cursors or self._fruitless >= _EMPTY_CURSORS:
            raise _loops("a cursor came twice, or brings nothing new")
        self._cursors.add(cursor)
        return {"cursor": cursor}

    def _by_number(self, page: PageFacts) -> dict[str, str] | None:
        if page.count == 0 and self._pages == 1:
            return None
        self._find_first(page)
        total = None if self._total_is_of_range is False else page.total
        told = page.more is True or (total is not None and self._fresh < total)
        reached = total is not None and (self._total_is_of_range or not self._full)
        if page.more is False or (reached and not told):
            return None
        if self._fruitless >= (_FRUITLESS if told or (self._full and page.count) else 1):
            open_ended = self._full and not self._turned and (total is None or told)
            if page.count and (page.more or open_ended):
                raise _loops("its pages bring nothing new")
            return None
        return {"page": str(self._pages + (self.first or 0))}

    def _find_first(self, page: PageFacts) -> None:
        """Where nothing tells numbers, page 1 is asked for: the first one again, or the next."""
        if self.first is None and self._pages == 1:
            self.first = page.number
        elif self.first is None and self._pages == 2:
            self.first = 0 if self._turned else 1
            if not self._turned:
                self._pages, self._fruitless = 1, 0


def _loops(how: str) -> BadResponseError:
    return BadResponseError(
        f"paging loops: {how}; the gateway does not page as documented, the list was not read"
    )
