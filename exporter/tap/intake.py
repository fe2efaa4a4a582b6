"""Takes observations over: whose they are, and whether they can be believed."""

from __future__ import annotations

from msgspec.structs import replace

from exporter.clock import Clock
from exporter.gateway.readings import AHEAD, QUOTA_HEADERS, Endpoint, Envelope, Observation
from exporter.live import Live, LiveAccount, warn_unreadable
from exporter.status import is_stale
from exporter.throttle import Throttle
from exporter.traffic import MAX_KEYS, REFUSED, TapOutcome

MAX_SKEW = 60.0
"""Seconds by which an observation may be ahead of our clock, or behind it and still be news."""

MAX_AGE = 3600.0
"""Seconds after its headers within which a response is reported: a log waits for its end."""

LONGEST_WINDOW = 7 * 86_400.0
"""Seconds after which every rolling window has reset (contract, section 1)."""

_KEY_REFUSED = (401, 403)
"""Statuses that an account's own key meets on traffic before it meets them in a poll."""

_ADVICE = {
    TapOutcome.OUTDATED: "The tap rejects what a %s says of key %s: its time is a minute ahead "
    "of ours or an hour behind; the clocks of both must agree",
    TapOutcome.IMPOSSIBLE: "The tap rejects what a %s says of key %s: more is left of its window "
    "than the window holds, or it resets more than 7 days from now; look at what reports it",
    TapOutcome.UNKNOWN_KEY: "The tap rejects what a %s says of key %s: no account polls with it, "
    "or several do; name the account that such keys belong to in tap.account",
    TapOutcome.TOO_MANY_KEYS: "The tap rejects what a %s says of key %s: it follows "
    f"{MAX_KEYS} keys of the account already; somebody may be inventing keys",
}


class Intake:
    """Where every observation ends, whoever made it."""

    def __init__(self, live: Live, account: str | None, clock: Clock, throttle: Throttle) -> None:
        """`account` owns the keys that are no account's own; None where nobody is named."""
        self._live = live
        self._clock = clock
        self._throttle = throttle
        self.account = account

    def take(self, observation: Observation) -> TapOutcome:
        """Take an observation over into its account. What became of it is counted."""
        outcome = self._take(observation)
        self._live.tap.observed(observation.source, outcome)
        if outcome in _ADVICE:
            self._throttle.say(
                ("tap", outcome), _ADVICE[outcome], observation.source, observation.envelope.key_id
            )
        return outcome

    def _take(self, observation: Observation) -> TapOutcome:
        now = self._clock.now()
        if not now - MAX_AGE <= observation.envelope.observed_at <= now + MAX_SKEW:
            return TapOutcome.OUTDATED
        if not _can_be(observation.envelope, now):
            return TapOutcome.IMPOSSIBLE
        # A sender whose clock is ahead overrules nobody.
        at = min(observation.envelope.observed_at, now)
        envelope = replace(observation.envelope, observed_at=at)
        observation = replace(observation, envelope=envelope)
        account = self._owner(envelope.key_id)
        if account is None:
            return TapOutcome.UNKNOWN_KEY
        if not _has_room(account, envelope.key_id, now):
            return TapOutcome.TOO_MANY_KEYS
        if envelope.observed_at > now - MAX_SKEW:  # else it counts, and its limits are history
            account.observe(envelope)
            headers = [QUOTA_HEADERS[member] for member in envelope.unreadable]
            warn_unreadable(self._throttle, account.name, f"key {envelope.key_id}", headers)
        account.traffic.count(observation, now)
        own_key_refused = envelope.key_id == account.own_key and observation.status in _KEY_REFUSED
        if observation.status in REFUSED or own_key_refused:
            account.ask(Endpoint.ACCOUNT)
        return TapOutcome.ACCEPTED

    def _owner(self, key_id: str) -> LiveAccount | None:
        """The account that polls with this key, else the one that owns all other keys.

        Masked forms can collide: a form that two accounts share is neither's.
        """
        accounts = self._live.accounts
        owners = [account for account in accounts.values() if account.own_key == key_id]
        if owners:
            return owners[0] if len(owners) == 1 else None
        if self.account is not None:
            return accounts.get(self.account)
        return next(iter(accounts.values())) if len(accounts) == 1 else None


def _can_be(envelope: Envelope, now: float) -> bool:
    """Whether a gateway can have said so. A limit of 0 is none."""
    limit, remaining, reset = envelope.limit, envelope.remaining, envelope.reset_at
    if limit and remaining is not None and remaining > limit:
        return False
    return reset is None or reset <= now + LONGEST_WINDOW + AHEAD


def _has_room(account: LiveAccount, key_id: str, now: float) -> bool:
    """Whether the key can be kept; keys that nobody has used for long make room for it.

    The account's own is kept in any case, so that no flood of others makes for more polls.
    """
    traffic = account.traffic
    if key_id in traffic.seen or len(traffic.seen) < MAX_KEYS or key_id == account.own_key:
        return True
    for key in tuple(traffic.seen):
        seen = traffic.last_seen(key)
        if seen is None or is_stale(seen, account.interval, now):
            traffic.forget(key)
            if key != account.own_key:
                account.keys.pop(key, None)
    return len(traffic.seen) < MAX_KEYS
