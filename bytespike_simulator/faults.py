"""What can go wrong between client and gateway, on demand."""

from __future__ import annotations

from typing import Literal

import msgspec

Where = Literal["*", "account", "usage", "transactions", "calls", "models"]


class Fault(msgspec.Struct, forbid_unknown_fields=True):
    """One fault. It hits the next `times` requests to `endpoint`, or all (None) until cleared.

    ============ =========================================================================
    `status`     the gateway's error body and envelope under `status`
    `proxy`      an HTML page under `status`, no envelope
    `html`       an HTML page under status 200, no envelope
    `empty`      nothing under `status`, no envelope
    `truncated`  half of the right body, in an answer that is complete as HTTP
    `close`      half of the right body, then the connection ends
    `stall`      half of the right body, then silence
    `hang`       silence
    `delay`      the right answer, `seconds` late
    `huge`       `size` bytes of JSON that never gets to its end
    `redirect`   `status` (3xx) to `location`
    ============ =========================================================================

    `retry_after` adds that header to any kind that answers with an error. A model call (endpoint
    `calls`) that meets anything but a `delay` has failed and is not billed.
    """

    kind: Literal[
        "status",
        "proxy",
        "html",
        "empty",
        "truncated",
        "close",
        "stall",
        "hang",
        "delay",
        "huge",
        "redirect",
    ]
    endpoint: Where = "*"
    status: int = 503
    times: int | None = None
    seconds: float = 1.0
    size: int = 64 << 20
    location: str = "https://elsewhere.invalid/"
    retry_after: str | None = None


class Faults:
    def __init__(self) -> None:
        self._faults: list[Fault] = []

    def add(self, fault: Fault) -> None:
        self._faults.append(fault)

    def clear(self) -> None:
        self._faults.clear()

    def take(self, endpoint: str) -> Fault | None:
        """The fault that hits this request, its `times` counted down."""
        for fault in self._faults:
            if fault.endpoint in ("*", endpoint):
                if fault.times is not None:
                    fault.times -= 1
                    if fault.times <= 0:
                        self._faults.remove(fault)
                return fault
        return None
