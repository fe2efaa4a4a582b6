"""The truth that the ledger has to reach: billed calls, and a gateway that shows them."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from exporter.gateway.readings import KeyRef, RollupReading, UsageBucket, UsageRow

HOUR = 3600.0
DAY = 24 * HOUR
NAMES = {1: "vision", 2: "search", 3: "batch"}
MASKED = {1: "sk-byts-…aaaa", 2: "sk-byts-…bbbb", 3: "sk-byts-…cccc"}


class Naming(StrEnum):
    """How rows name their key."""

    OBJECT = "object"
    MASKED = "masked"
    ID = "id"
    ABSENT = "absent"


@dataclass
class Call:
    """A billed call: `created_at` by the gateway's clock, shown from `visible_at` on by ours."""

    request_id: str
    created_at: float
    visible_at: float
    model: str
    key: int
    cost: int
    tokens: int


@dataclass
class World:
    """Real time, the calls so far, and how the gateway speaks at the moment."""

    now: float
    skew: float = 0.0
    calls: list[Call] = field(default_factory=list)
    naming: Naming = Naming.OBJECT
    colliding: bool = False
    missing: frozenset[str] = frozenset()
    """Models that the rollup leaves out at the moment, in buckets that end after some time."""
    missing_since: float = 0.0
    times: int = 1
    """How often too high all is that the rollup says of calls after `times_since`."""
    times_since: float = 0.0

    def bill(
        self, cost: int, model: str = "m", key: int = 1, back: float = 0.0, late: float = 0.0
    ) -> Call:
        """A call that was made `back` seconds ago and appears in `late` seconds."""
        created = round(self.now + self.skew - back, 3)
        call = Call(f"r{len(self.calls)}", created, self.now + late, model, key, cost, cost // 7)
        self.calls.append(call)
        return call

    def visible(self, since: float, until: float) -> list[Call]:
        """Calls that show in the range by now, newest first."""
        found = [
            c for c in self.calls if c.visible_at <= self.now and since <= c.created_at < until
        ]
        return sorted(found, key=lambda call: -call.created_at)

    def masked(self, key: int) -> str:
        """The masked form of a key; two keys share one if they collide."""
        return MASKED[1] if self.colliding and key == 2 else MASKED[key]

    def key_of(self, key: int) -> KeyRef:
        """How a row names its key at the moment. A key that is absent is taken for our own, 1."""
        if self.naming is Naming.OBJECT:
            return KeyRef(str(key), self.masked(key), NAMES[key])
        if self.naming is Naming.ID:
            return KeyRef(gateway_id=str(key))
        return KeyRef(masked=self.masked(key if self.naming is Naming.MASKED else 1))

    def log(self, since: float, until: float) -> list[UsageRow]:
        """The rows of the log in the range."""
        return [
            UsageRow(
                c.request_id, c.created_at, c.model, self.key_of(c.key), c.cost, c.tokens, c.tokens
            )
            for c in self.visible(since, until)
        ]

    def rollup(self, since: float, until: float, days: bool = False) -> RollupReading:
        """The buckets of every hour, or day, that the range touches."""
        step = DAY if days else HOUR
        cells: dict[tuple[int, str, KeyRef], list[int]] = {}
        for call in self.visible(since // step * step, until):
            key = (int(call.created_at // step * step), call.model, self.key_of(call.key))
            sums = cells.setdefault(key, [0, 0, 0])
            times = self.times if call.created_at >= self.times_since else 1
            sums[0] += call.cost * times
            sums[1] += call.tokens * times
            sums[2] += times
        buckets = [
            UsageBucket(hour, model, key, cost, tokens, tokens, n)
            for (hour, model, key), (cost, tokens, n) in cells.items()
            if model not in self.missing or hour + step <= self.missing_since
        ]
        return RollupReading(tuple(buckets), (), days=days)
