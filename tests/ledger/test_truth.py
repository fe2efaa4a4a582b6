"""Whatever happens in between, the counters end at what was billed."""

from __future__ import annotations

import tempfile
from collections import Counter
from pathlib import Path

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from exporter.gateway.readings import UsageShape
from exporter.ledger.ledger import Rules
from exporter.ledger.totals import UsageTotal
from tests.ledger.exporter import NAME, Exporter
from tests.ledger.world import HOUR, MASKED, Naming, World

DAY = 24 * HOUR
FIRST = 1_790_000_000.0 // DAY * DAY
COSTS = st.integers(1, 10**15)


class Truth(RuleBasedStateMachine):
    """A gateway that does all it may do, polled by an exporter that lives through all it may."""

    @initialize(
        settle=st.sampled_from([HOUR, 6 * HOUR, 48 * HOUR]),
        skew=st.sampled_from([0.0, -600.0, 600.0]),
        back=st.sampled_from([0.0, 5 * DAY]),
        colliding=st.booleans(),
        batch=st.integers(1, 5),
        repeat=st.integers(0, 2),
    )
    def begin(
        self, settle: float, skew: float, back: float, colliding: bool, batch: int, repeat: int
    ) -> None:
        self._directory = tempfile.TemporaryDirectory()
        self.settle = settle
        self.world = World(FIRST, skew, colliding=colliding)
        rules = Rules(settle_window=settle, max_series=100)
        # Whole days: a rollup cannot tell what an hour or day held before counting began in it.
        self.exporter = Exporter(Path(self._directory.name), self.world, rules, FIRST - back)
        self.exporter.batch, self.exporter.repeat = batch, repeat
        self.instance = self.exporter.store.instance_id
        self.shown: dict[int, UsageTotal] = {}
        self.corrected = False
        self.namings = {Naming.OBJECT}

    def teardown(self) -> None:
        if hasattr(self, "exporter"):
            try:
                self._finish()
            finally:
                self.exporter.store.close()
                self._directory.cleanup()

    @rule(cost=COSTS, key=st.integers(1, 3), model=st.sampled_from("ab"), back=st.floats(0, 300))
    def bill(self, cost: int, key: int, model: str, back: float) -> None:
        self.world.bill(cost, model, key, back)

    @rule(cost=COSTS, key=st.integers(1, 3), share=st.floats(0, 1), seen=st.floats(0, 1))
    def bill_late(self, cost: int, key: int, share: float, seen: float) -> None:
        """A call that appears inside the settle window after it was made."""
        late = share * self.settle
        self.world.bill(cost, "a", key, late * seen, late * (1 - seen))

    @precondition(lambda self: self.world.calls)
    @rule(which=st.integers(0), cost=COSTS)
    def correct(self, which: int, cost: int) -> None:
        """The amounts of a call change, inside its settle window."""
        call = self.world.calls[-1 - which % min(3, len(self.world.calls))]
        if self.world.now + self.world.skew - call.created_at <= self.settle:
            self.corrected |= cost < call.cost or call.cost // 7 > cost // 7
            call.cost, call.tokens = cost, cost // 7

    @rule(seconds=st.sampled_from([30.0, 60.0, 600.0, HOUR, 5 * HOUR]))
    def wait(self, seconds: float) -> None:
        self.world.now += seconds

    @rule(days=st.sampled_from([0.5, 1.0, 3.0, 10.0, 75.0]))
    def rest(self, days: float) -> None:
        """Nobody polls: an outage of the gateway, or of ours, of less than 90 days."""
        polled = self.exporter.ledger.cursor(NAME, "usage").polled_ns / 1e9 - self.exporter.clock
        self.world.now = max(self.world.now, min(self.world.now + days * DAY, polled + 75 * DAY))

    @rule(slices=st.sampled_from([1, 2, 10_000]))
    def poll(self, slices: int) -> None:
        self.exporter.poll(slices)

    @rule(hours=st.integers(2, 40), every=st.sampled_from([600.0, HOUR]))
    def poll_on(self, hours: int, every: float) -> None:
        """Poll for a while, with a call now and then."""
        for number in range(hours):
            self.world.now += every
            self.world.bill(number + 1, "b", 3)
            self.exporter.poll()

    @rule(after=st.integers(0, 60))
    def poll_and_fail(self, after: int) -> None:
        self.exporter.poll_and_fail(after)

    @rule(after=st.integers(0, 60))
    def poll_and_die(self, after: int) -> None:
        self.exporter.poll_and_die(after)

    @rule()
    def restart(self) -> None:
        self.exporter.restart()

    @rule(shape=st.sampled_from(UsageShape), naming=st.sampled_from(Naming))
    def speak(self, shape: UsageShape, naming: Naming) -> None:
        """From now on the gateway answers in another way."""
        self.exporter.shape, self.world.naming = shape, naming
        self.namings.add(naming)

    @rule(missing=st.frozensets(st.sampled_from("ab")), polls=st.integers(1, 3))
    def poll_with_buckets_missing(self, missing: frozenset[str], polls: int) -> None:
        """The rollup leaves models out for a few minutes; both of them: it is empty.

        Of what is read again, that is: nobody can tell it of the last reading.
        """
        self.world.missing = missing
        self.world.missing_since = self.world.now + self.world.skew - self.settle
        for _ in range(polls):
            self.world.now += 60
            self.exporter.poll()
        self.world.missing = frozenset()

    @precondition(lambda self: self.exporter.shape is not UsageShape.DAYS)
    @rule()
    def poll_once_a_hundred_times_too_high(self) -> None:
        """What that adds is either doubted, or small, and then shown as overcount.

        Of what is read again, that is: nobody can tell it of the last reading.
        """
        before = self.exporter.totals.usage
        self.world.times = 100
        self.world.times_since = self.world.now + self.world.skew - self.settle
        self.exporter.poll()
        self.world.times = 1
        self.corrected |= self.exporter.totals.usage != before

    @rule(hours=st.lists(st.integers(1, 60), max_size=5), cost=COSTS)
    def change_the_wallet(self, hours: list[int], cost: int) -> None:
        """The key is another user's from now on; what he spent before is not ours."""
        before = self.exporter.world
        now = before.now // DAY * DAY + DAY  # a rollup by days tells no more
        self.exporter.clock = 0.0
        self.world = World(now, before.skew, colliding=before.colliding, naming=before.naming)
        for ago in hours:
            self.world.bill(cost, "a", 1, back=ago * HOUR + abs(before.skew))
        self.exporter.another_wallet(self.world)
        self.shown, self.corrected, self.namings = {}, False, {before.naming}

    @rule(
        seconds=st.sampled_from([0.0, 0.0, 30.0, -30.0, 600.0, -600.0, 2 * HOUR, 8 * DAY, -8 * DAY])
    )
    def set_clock(self, seconds: float) -> None:
        self.exporter.clock = seconds

    @invariant()
    def counters_never_fall_and_keep_their_start(self) -> None:
        if not hasattr(self, "exporter"):
            return
        assert self.exporter.store.instance_id == self.instance
        now = {total.id: total for total in self.exporter.totals.usage}
        for id_, before in self.shown.items():
            after = now[id_]
            assert before.start_ns == after.start_ns
            assert (before.key_id, before.key_name, before.model) == (
                after.key_id,
                after.key_name,
                after.model,
            )
            for name in ("cost", "input_tokens", "output_tokens", "requests"):
                assert getattr(before, name) <= getattr(after, name)
        self.shown = now

    def _finish(self) -> None:
        """Let everything settle, then compare."""
        self.exporter.clock = 0.0
        for _ in range(8):
            for _ in range(20):
                if self.exporter.poll():
                    break
                self.counters_never_fall_and_keep_their_start()
            else:
                raise AssertionError("polls do not come to an end")
            self.world.now += self.settle / 2
        totals = self.exporter.totals
        calls = [call for call in self.world.calls if call.created_at >= self.exporter.start]
        shown = sum(total.cost for total in totals.usage)
        assert totals.overcount is not None
        assert shown - totals.overcount == sum(call.cost for call in calls)
        if self.corrected:
            return
        assert totals.overcount == 0
        assert sum(total.requests for total in totals.usage) == len(calls)
        assert sum(total.input_tokens for total in totals.usage) == sum(c.tokens for c in calls)
        if self.namings <= {Naming.OBJECT, Naming.MASKED} and not self.world.colliding:
            self._compare_series(totals.usage)

    def _compare_series(self, usage: tuple[UsageTotal, ...]) -> None:
        calls = [call for call in self.world.calls if call.created_at >= self.exporter.start]
        said: Counter[tuple[str, str]] = Counter()
        tokens: Counter[tuple[str, str]] = Counter()
        requests: Counter[tuple[str, str]] = Counter()
        for call in calls:
            said[MASKED[call.key], call.model] += call.cost
            tokens[MASKED[call.key], call.model] += call.tokens
            requests[MASKED[call.key], call.model] += 1
        assert {(t.key_id, t.model): t.cost for t in usage} == said
        assert {(t.key_id, t.model): t.input_tokens for t in usage} == tokens
        assert {(t.key_id, t.model): t.output_tokens for t in usage} == tokens
        assert {(t.key_id, t.model): t.requests for t in usage} == requests


Truth.TestCase.settings = settings(
    max_examples=60,
    stateful_step_count=25,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink],
    suppress_health_check=[HealthCheck.too_slow],
)
TestTruth = Truth.TestCase
