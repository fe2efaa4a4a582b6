"""What the buckets of one hour say about its cells. Pure.

A cell counts what its bucket holds less its base: what of it is not ours, because it was there
before counting began, or is counted in another cell already. The bases of an hour together stay
as they are, so whatever a gateway does with the names of its buckets, the hour counts what they
hold together less that.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Mapping

import msgspec

from exporter.ledger.amounts import ZERO, Amounts, total

GONE_AFTER = 3600.0
"""Seconds for which every whole reading must lack a bucket before it is believed to be gone."""

_CENT = 10_000_000
"""Nano-USD. Sums of buckets may be rounded to cents."""


class Bucket(msgspec.Struct):
    """What is known of one bucket. `missing_since` (Unix s): no reading has had it since then."""

    id: int
    api_key: int
    model: str
    held: Amounts
    base: Amounts
    missing_since: float | None = None

    @property
    def counted(self) -> Amounts:
        return self.held.minus(self.base)


def read_hour(
    buckets: Collection[Bucket],
    said: Mapping[int, Amounts],
    now: float,
    judged: Collection[int],
    partial: bool,
) -> None:
    """Take over what a reading at `now` (Unix s) says of an hour's buckets, by their ids.

    `judged`: those of which the reading would have told, so that one that it lacks is missing. A
    bucket that is missing keeps what it held: its return is no news. It pays for what is new in
    the hour under another name. After `GONE_AFTER` what it counted is taken back. `partial`: in
    the hour in which counting began, what a bucket loses below its base was not ours.
    """
    _rename(buckets, said)
    for bucket in buckets:
        if bucket.id in said:
            _grow(bucket, said[bucket.id], buckets)
            if partial:
                bucket.base = bucket.base.lowest(bucket.held)
            bucket.missing_since = None
    for bucket in buckets:
        if bucket.id not in said and bucket.id in judged and bucket.held != ZERO:
            if bucket.missing_since is None:
                bucket.missing_since = now
            elif now - bucket.missing_since >= GONE_AFTER:
                bucket.held = bucket.base.highest(ZERO)


def _rename(buckets: Collection[Bucket], said: Mapping[int, Amounts]) -> None:
    """Let what left pay for what is new, where all that is new is at least all that left.

    First among buckets of one model, whose key is named otherwise now, then of one key, then in
    the whole hour. Of one that stays a part leaves only for others of its model: it was of
    several keys, one of which has a name of its own now.
    """
    groups: tuple[tuple[Callable[[Bucket], Hashable], bool], ...] = (
        (lambda bucket: bucket.model, True),
        (lambda bucket: bucket.api_key, False),
        (lambda _: None, False),
    )
    for group_of, parts in groups:
        left: dict[Hashable, list[Bucket]] = {}
        new: dict[Hashable, list[Bucket]] = {}
        for bucket in buckets:
            if (parts or bucket.id not in said) and _gone(bucket, said) != ZERO:
                left.setdefault(group_of(bucket), []).append(bucket)
            elif bucket.held == ZERO and said.get(bucket.id, ZERO) != ZERO:
                new.setdefault(group_of(bucket), []).append(bucket)
        for group in left.keys() & new.keys():
            _pay(left[group], new[group], said)


def _pay(left: list[Bucket], new: list[Bucket], said: Mapping[int, Amounts]) -> None:
    gone = total(_gone(bucket, said) for bucket in left)
    came = total(said[bucket.id] for bucket in new)
    spare = Amounts(cost=_CENT * (len(left) + len(new)))
    if min(came.plus(spare).minus(gone)) < 0:
        return
    for payer in left:
        for bucket in new:
            paid = _gone(payer, said).lowest(said[bucket.id].minus(bucket.held))
            payer.held, payer.base = payer.held.minus(paid), payer.base.minus(paid)
            bucket.held, bucket.base = bucket.held.plus(paid), bucket.base.plus(paid)


def _gone(bucket: Bucket, said: Mapping[int, Amounts]) -> Amounts:
    """What the bucket held and does not hold any more."""
    return bucket.held.minus(said.get(bucket.id, ZERO)).highest(ZERO)


def _grow(bucket: Bucket, holds: Amounts, buckets: Collection[Bucket]) -> None:
    """The bucket holds so much now.

    One that had paid for others and holds something again was not renamed: they count what it
    paid, and it what it had counted before.
    """
    owed = holds.minus(bucket.held).highest(ZERO).lowest(ZERO.minus(bucket.base).highest(ZERO))
    bucket.held = holds
    if owed == ZERO:
        return
    for other in buckets:
        back = owed.lowest(other.base.highest(ZERO))
        other.base, bucket.base = other.base.minus(back), bucket.base.plus(back)
        owed = owed.minus(back)
