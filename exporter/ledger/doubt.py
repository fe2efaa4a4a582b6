"""Growth that looks like a mistake of the gateway waits for a second reading. Pure."""

from __future__ import annotations

_LEAST = 1_000_000_000
"""Nano-USD: 1 USD. Less is believed at once."""

_TIMES = 10


def doubtful(growth: int, lifetime: int, usual: int) -> bool:
    """Whether so much growth at once cannot be believed yet; all in nano-USD.

    `lifetime` is the growth of lifetime spend meanwhile: more than ten times that is doubtful.
    Where it has not moved it is no witness; then more than ten times what is `usual` is doubtful,
    unless nothing is known of that either.
    """
    if growth <= _LEAST:
        return False
    measure = lifetime if lifetime > 0 else usual
    return measure > 0 and growth > _TIMES * measure


def confirms(doubted: int | None, growth: int) -> bool:
    """Whether a reading tells of as much growth as the one that was doubted before it."""
    return doubted is not None and 2 * growth >= doubted
