"""What the tap saw on the applications' own traffic. In memory, and new with each process."""

from __future__ import annotations

from enum import StrEnum

from exporter.gateway.readings import Observation, Source

MAX_KEYS = 256
"""Keys of one account that are kept apart; a forger cannot fill the memory with more."""

MAX_SERIES = 2000
"""Counts of one account's responses that are kept apart; past it, further models are `OTHER`."""

OTHER = "other"

REFUSED = (402, 429)
"""Statuses with which the gateway refuses a call because money or a limit is used up."""


class TapOutcome(StrEnum):
    """What became of an observation: `bytespike.outcome` on `bytespike.tap.observations`.

    `outdated`: its time is too far from ours. `impossible`: no gateway can have said so.
    `unknown_key`: no account can be told for its key. `too_many_keys`: `MAX_KEYS` are in use
    already. `dropped`: it came in a flood and was not read.
    """

    ACCEPTED = "accepted"
    MALFORMED = "malformed"
    OUTDATED = "outdated"
    IMPOSSIBLE = "impossible"
    UNKNOWN_KEY = "unknown_key"
    TOO_MANY_KEYS = "too_many_keys"
    DROPPED = "dropped"


class DeliveryOutcome(StrEnum):
    """What became of a delivery: `bytespike.outcome` on `bytespike.webhook.deliveries`.

    `accepted`: an event that made for an early poll. `ignored`: signed, but of a kind that says
    nothing about money. `duplicate`: it came before. `unsigned`: its signature is missing or
    wrong. `unconfigured`: the secret cannot be read. `malformed`: signed, but no event, or cut
    short. `too_large`, `too_many`: over the bounds.
    """

    ACCEPTED = "accepted"
    IGNORED = "ignored"
    DUPLICATE = "duplicate"
    UNSIGNED = "unsigned"
    UNCONFIGURED = "unconfigured"
    MALFORMED = "malformed"
    TOO_LARGE = "too_large"
    TOO_MANY = "too_many"


class TapStatus:
    """How tap and webhook themselves fare, all accounts together.

    Each is shown only where it is switched on. `observations` counts by source (None where a
    datagram did not say) and outcome.
    """

    def __init__(self) -> None:
        self.observing = False
        self.hooked = False
        self.deliveries: dict[DeliveryOutcome, int] = dict.fromkeys(DeliveryOutcome, 0)
        self.observations: dict[tuple[Source | None, TapOutcome], int] = {}

    def observed(self, source: Source | None, outcome: TapOutcome, count: int = 1) -> None:
        known = (source, outcome)
        self.observations[known] = self.observations.get(known, 0) + count


class Traffic:
    """Responses to one account's applications.

    `responses` counts by key, status class (`2xx`) and model, `refusals` by key and status, each
    since the key was `first` heard of (Unix s). `seen` holds the newest observation of each key by
    source.
    """

    def __init__(self) -> None:
        self.responses: dict[tuple[str, str, str | None], int] = {}
        self.refusals: dict[tuple[str, int], int] = {}
        self.first: dict[str, float] = {}
        self.seen: dict[str, dict[Source, float]] = {}

    def last_seen(self, key_id: str) -> float | None:
        """When (Unix s) the key was last observed, whoever saw it."""
        return max(self.seen.get(key_id, {}).values(), default=None)

    def count(self, observation: Observation, now: float) -> None:
        """Count one response of a key, told of at `now` (Unix s)."""
        envelope = observation.envelope
        key = envelope.key_id
        if key not in self.seen:
            self.seen[key] = {}
            # Not when it was observed: a key that comes back may bring a time before it went.
            self.first[key] = now
            self.refusals.update({(key, status): 0 for status in REFUSED})
        self._note(key, observation.source, envelope.observed_at, now)
        status_class = f"{observation.status // 100}xx"
        response = (key, status_class, observation.model)
        full = response not in self.responses and len(self.responses) >= MAX_SERIES
        if full and observation.model is not None:
            response = (key, status_class, OTHER)
        self.responses[response] = self.responses.get(response, 0) + 1
        if observation.status in REFUSED:
            self.refusals[key, observation.status] += 1

    def _note(self, key: str, source: Source, at: float, now: float) -> None:
        """When a source saw the key: never in the future, also after our clock was set back."""
        known = self.seen[key].get(source, 0.0)
        self.seen[key][source] = at if known > now else max(known, at)

    def forget(self, key_id: str) -> None:
        """Drop all that is known of a key. Its counters start anew should it come back."""
        self.seen.pop(key_id, None)
        self.first.pop(key_id, None)
        self.responses = {of: n for of, n in self.responses.items() if of[0] != key_id}
        self.refusals = {of: n for of, n in self.refusals.items() if of[0] != key_id}
