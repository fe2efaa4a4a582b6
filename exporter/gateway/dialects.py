"""Which parameters `/me/usage` is asked with: gateways differ in what they know (contract §3).

A log gateway ignores `group_by` and a rollup gateway `limit`, or either answers 400 to it. So the
fullest question is tried first, and what is refused is left out.
"""

from __future__ import annotations

from typing import Final

import msgspec

from exporter.config.types import UsageMode
from exporter.gateway.fields import range_params
from exporter.gateway.paging import PAGE_SIZE
from exporter.gateway.usage_answer import HOUR


class Dialect(msgspec.Struct, frozen=True):
    """A choice of parameters beside `since` and `until`."""

    group_by: bool = False
    limit: bool = False
    page_size: bool = False

    @property
    def asked(self) -> int | None:
        return PAGE_SIZE if self.limit or self.page_size else None

    def params(self, since: float, until: float) -> dict[str, str]:
        """Query parameters for the range (Unix s).

        Where buckets may come back, the range begins with a whole hour: the bucket of a part of
        an hour would look like an hour that shrank.
        """
        start = since - since % HOUR if self.group_by else since
        params = range_params(start, until)
        if self.group_by:
            params["group_by"] = "hour,model,api_key"
        if self.limit:
            params["limit"] = str(PAGE_SIZE)
        if self.page_size:
            params["page_size"] = str(PAGE_SIZE)
        return params


_LOG: Final = (Dialect(limit=True), Dialect(page_size=True), Dialect())
_ROLLUP: Final = (Dialect(group_by=True),)

DIALECTS: Final = {
    UsageMode.AUTO: (Dialect(group_by=True, limit=True), *_ROLLUP, *_LOG),
    UsageMode.LOG: _LOG,
    UsageMode.ROLLUP: _ROLLUP,
}
"""What is tried, in this order, for each `usage.mode`."""
