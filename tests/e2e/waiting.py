"""Waiting for what real processes show in their own time."""

from __future__ import annotations

import time
from collections.abc import Callable

SECONDS = 40.0
"""How long anything may take to show. A busy machine is slow; a right answer still comes."""


def eventually(check: Callable[[], None]) -> None:
    """Run `check` until it raises no AssertionError; its last one is the test's failure."""
    deadline = time.monotonic() + SECONDS
    while True:
        try:
            check()
        except AssertionError:
            if time.monotonic() > deadline:
                raise
        else:
            return
        time.sleep(0.1)
