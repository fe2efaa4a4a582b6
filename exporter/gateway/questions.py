"""Which parameters `/me/usage` is asked with: gateways differ in what they know (contract §3).

A rollup is asked for without a page size, which some would obey and be cut. A log gateway ignores
`group_by`, or answers 400 to it, and is then asked as a log; what is refused is left out.
"""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from exporter.config.types import UsageMode
from exporter.gateway.fields import range_params
from exporter.gateway.paging import PAGE_SIZE
from exporter.gateway.rollup_answer import HOUR


class Question(msgspec.Struct, frozen=True):
    """A choice of parameters beside `since` and `until`."""

    group_by: bool = False
    size_name: Literal["limit", "page_size"] | None = None
    size: int | None = None

    def params(self, since: float, until: float) -> dict[str, str]:
        """Query parameters for the range (Unix s).

        Where buckets may come back, the range begins with a whole hour: the bucket of a part of
        an hour would look like an hour that shrank.
        """
        start = since - since % HOUR if self.group_by else since
        params = range_params(start, until)
        if self.group_by:
            params["group_by"] = "hour,model,api_key"
        if self.size_name is not None:
            params[self.size_name] = str(self.size)
        return params


_ROLLUP: Final = (Question(group_by=True),)
_LOG: Final = (
    Question(False, "limit", PAGE_SIZE),
    Question(False, "page_size", PAGE_SIZE),
    Question(False, "limit", PAGE_SIZE // 2),
    Question(False, "page_size", PAGE_SIZE // 2),
    Question(),
)

QUESTIONS: Final = {
    UsageMode.AUTO: (*_ROLLUP, *_LOG),
    UsageMode.LOG: _LOG,
    UsageMode.ROLLUP: _ROLLUP,
}
"""What is tried, in this order, for each `usage.mode`."""


def with_sizes(dialect: Question) -> list[Question]:
    """The same question with each page size that a gateway may know."""
    return [
        Question(dialect.group_by, one.size_name, one.size) for one in _LOG if one.size is not None
    ]
