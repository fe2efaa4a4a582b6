"""Which page comes next, and when a list ends (contract §3a, §4). Pure.

Rules: a cursor is followed while there is one. Otherwise pages are numbered; an empty page ends
the list, and so does a short one unless `total` says that more rows exist. `total` is believed
only when it says more: a full page is always followed by one more question. A page wholly older
than the range ends it, for gateways that ignore `since`.

Paging loops where a cursor comes again, or where a page repeats the one before although
something said that there is more. Where nothing said so (the count was exact, or the answer
tells no sizes at all and was shorter than asked for), a repeated page is the end.
"""

from __future__ import annotations

from typing import Final

import msgspec

from exporter.errors import BadResponseError

PAGE_SIZE: Final = 200
"""Rows asked for in one page: the most that the gateway gives."""

DEFAULT_PAGE_SIZE: Final = 20
"""Rows that the gateway gives unasked."""

_MAX_PAGES: Final = 50_000
_MAX_OVERLAPS: Final = 3
_MAX_EMPTY: Final = 10


class PageFacts(msgspec.Struct, frozen=True):
    """What paging needs to know of one page.

    `ids` are those of all rows, rejected ones included; `times` (Unix s) those of the rows that
    could be read, in their order. `total`, `size` and `cursor` as the answer says, or None.
    """

    ids: list[str]
    times: list[float]
    total: int | None = None
    size: int | None = None
    cursor: str | None = None

    @property
    def count(self) -> int:
        return len(self.ids)


class Pager:
    def __init__(self, since: float, asked: int | None) -> None:
        """`since` in Unix s; `asked` is the page size that was asked for, None if none was."""
        self.repeated = False
        """Whether the newest page only repeated the one before."""
        self._since = since
        self._asked = asked or DEFAULT_PAGE_SIZE
        self._pages = 0
        self._rows = 0
        self._first_count = 0
        self._previous: frozenset[str] | None = None
        self._more_promised = False
        self._overlaps = 0
        self._empty = 0
        self._cursors: set[str] = set()

    def after(self, page: PageFacts) -> dict[str, str] | None:
        """Parameters of the next page, or None if this was the last. Raises BadResponseError."""
        self._pages += 1
        self._rows += page.count
        if self._pages == 1:
            self._first_count = page.count
        self._compare(page)
        if self._pages >= _MAX_PAGES:
            raise _loops("it does not end")
        if self._is_past(page):
            return None
        if page.cursor is not None:
            return self._by_cursor(page, page.cursor)
        if self._cursors:
            return None
        return self._by_number(page)

    def _compare(self, page: PageFacts) -> None:
        """Note how much of the page before comes again.

        Rows that arrive meanwhile push some over the edge of a page; most of a page, three
        times running, means that the gateway does not turn the page.
        """
        ids = frozenset(page.ids)
        before, self._previous = self._previous, ids
        if before is None or page.count == 0:
            return
        self.repeated = ids == before
        overlapping = 2 * len(ids & before) > len(ids)
        self._overlaps = self._overlaps + 1 if overlapping else 0
        if self._overlaps >= _MAX_OVERLAPS:
            raise _loops("its pages overlap")

    def _is_past(self, page: PageFacts) -> bool:
        times = page.times
        # Oldest first, an early page says nothing about what follows.
        return bool(times) and max(times) < self._since and times[0] >= times[-1]

    def _by_cursor(self, page: PageFacts, cursor: str) -> dict[str, str]:
        self._empty = 0 if page.count else self._empty + 1
        if cursor in self._cursors or self.repeated or self._empty >= _MAX_EMPTY:
            raise _loops("a cursor or a page came twice")
        self._cursors.add(cursor)
        return {"cursor": cursor}

    def _by_number(self, page: PageFacts) -> dict[str, str] | None:
        if page.count == 0:
            return None
        if self.repeated:
            if self._more_promised:
                raise _loops("a page came twice")
            return None
        full = page.count >= (page.size or self._first_count)
        behind = page.total is not None and self._rows < page.total
        if not full and not behind:
            return None
        told = page.size is not None or page.count >= self._asked
        self._more_promised = behind or (page.total is None and told)
        return {"page": str(self._pages + 1)}


def _loops(how: str) -> BadResponseError:
    return BadResponseError(
        f"paging loops: {how}; the gateway does not page as documented, the list was not read"
    )
