"""Datagrams as a sender makes them, and what they are to become."""

from __future__ import annotations

import json

from exporter.gateway.readings import Envelope, Observation, Source
from tests.tap.hook_stage import MASKED

WHOLE = "sk-byts-0123456789abcdef0123456789ab9f3c"
"""A key that opens nothing."""

DOCUMENTED: dict[str, object] = {
    "key": MASKED,
    "status": 200,
    "at": 1_779_371_999.25,
    "source": "hook",
    "model": "claude-sonnet-4-6",
    "x-ratelimit-limit": "200.00",
    "x-ratelimit-remaining": "192.40",
    "x-ratelimit-reset": "1779379691",
    "x-quota-remaining-credits": "0.00",
    "x-org-quota-remaining-credits": "1024.123456",
}
"""Every member, as the hook sends them."""

READ = Observation(
    Source.HOOK,
    200,
    Envelope(
        1_779_371_999.25,
        MASKED,
        200_000_000_000,
        192_400_000_000,
        1779379691.0,
        0,
        1_024_123_456_000,
    ),
    "claude-sonnet-4-6",
)
"""What `DOCUMENTED` is to become."""


def report(**changes: object) -> bytes:
    """The documented datagram with other members; `...` leaves one out."""
    members = DOCUMENTED | {name.replace("_", "-"): value for name, value in changes.items()}
    return json.dumps({k: v for k, v in members.items() if v is not ...}).encode()
