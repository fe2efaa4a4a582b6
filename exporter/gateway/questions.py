"""How usage is asked for: gateways differ in address and in the parameters they know (contract §3).

A rollup is asked for without a page size, which some would obey and be cut. A log gateway ignores
`group_by`, or answers 400 to it, and is then asked as a log; what is refused is left out.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final, Literal

import msgspec

from exporter.config.types import UsageMode
from exporter.gateway.fields import range_params
from exporter.gateway.paging import PAGE_SIZE
from exporter.gateway.rollup_answer import HOUR

ADDRESSES: Final = ("/api/v1/me/usage", "/api/v1/usage", "/v1/usage")
"""Where usage may be, in the order in which it is looked for."""

_EASTMOST: Final = 14 * HOUR
_WESTMOST: Final = 12 * HOUR


class Question(msgspec.Struct, frozen=True):
    """An address and a choice of parameters.

    `dates`: the range is given as `start_date` and `end_date`, whole days.
    """

    path: str = ADDRESSES[0]
    group_by: bool = False
    size_name: Literal["limit", "page_size"] | None = None
    size: int | None = None
    dates: bool = False

    def params(self, since: float, until: float) -> dict[str, str]:
        """Query parameters for the range (Unix s).

        Where buckets may come back, the range begins with a whole hour: the bucket of a part of
        an hour would look like an hour that shrank. Days are those of any time zone: a gateway
        does not say in which one it reads dates.
        """
        if self.dates:
            first, last = since - _WESTMOST, until + _EASTMOST
            params = {"start_date": _date(first), "end_date": _date(last)}
        else:
            params = range_params(since - since % HOUR if self.group_by else since, until)
        if self.group_by:
            params["group_by"] = "hour,model,api_key"
        if self.size_name is not None:
            params[self.size_name] = str(self.size)
        return params


def _date(at: float) -> str:
    return datetime.fromtimestamp(max(0.0, at), UTC).strftime("%Y-%m-%d")


_ROLLUP: Final = (Question(group_by=True),)
_LOG: Final = (
    Question(size_name="limit", size=PAGE_SIZE),
    Question(size_name="page_size", size=PAGE_SIZE),
    Question(size_name="limit", size=PAGE_SIZE // 2),
    Question(size_name="page_size", size=PAGE_SIZE // 2),
    Question(),
)
_QUESTIONS: Final = {
    UsageMode.AUTO: (*_ROLLUP, *_LOG),
    UsageMode.LOG: _LOG,
    UsageMode.ROLLUP: _ROLLUP,
}


def questions(mode: UsageMode, path: str) -> list[Question]:
    """What is tried at an address, in this order."""
    return [msgspec.structs.replace(one, path=path) for one in _QUESTIONS[mode]]


def with_sizes(question: Question) -> list[Question]:
    """The same question with each page size that a gateway may know."""
    return [
        msgspec.structs.replace(question, size_name=one.size_name, size=one.size)
        for one in _LOG
        if one.size is not None
    ]
