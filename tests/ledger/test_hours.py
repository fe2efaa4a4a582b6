"""What the buckets of one hour say: renames, buckets that are missing, the first hour. Pure."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.ledger.amounts import ZERO, Amounts
from exporter.ledger.hours import GONE_AFTER, Bucket, read_hour

A, B, C, D = range(4)
MODELS = {A: "a", B: "b", C: "a", D: "d"}
"""C is A under another name of its key."""

USD = 1_000_000_000


class Hour:
    """The buckets of one hour, read once a minute."""

    def __init__(self, **baseline: float) -> None:
        self.now = 0.0
        base = {name: _amounts(usd) for name, usd in baseline.items()}
        self.partial = bool(baseline)
        there = [base.get(name, ZERO) for name in "ABCD"]
        self.buckets = [Bucket(id_, id_, MODELS[id_], was, was) for id_, was in enumerate(there)]

    def read(self, **usd: float) -> None:
        """Read these buckets, and no others."""
        said = {"ABCD".index(name): _amounts(amount) for name, amount in usd.items()}
        self.now += 60
        read_hour(self.buckets, said, self.now, list(MODELS), self.partial)

    @property
    def counted(self) -> dict[str, float]:
        """USD by bucket, of those that count anything."""
        return {"ABCD"[b.id]: b.counted.cost / USD for b in self.buckets if b.counted != ZERO}

    @property
    def total(self) -> float:
        return round(sum(self.counted.values()), 9)


def _amounts(usd: float) -> Amounts:
    cost = round(usd * USD)
    return Amounts(cost, cost // 1000, cost // 5000, cost // 100_000)


READINGS: Mapping[str, tuple[dict[str, float], list[dict[str, float]], float]] = {
    "nothing new": ({"A": 5}, [{"A": 5}] * 3, 0),
    "one answer lacks it": (
        {"A": 5},
        [{"A": 5.5, "B": 0.6}, {"B": 0.6}, {"A": 5.5, "B": 0.6}],
        1.1,
    ),
    "three empty answers": ({"A": 5}, [{"A": 6.1}, {}, {}, {}, {"A": 6.1}], 1.1),
    "renamed for good": ({"A": 5}, [{"A": 6.1}, {"C": 6.1}, {"C": 6.1}], 1.1),
    "renamed while it grows": ({"A": 5}, [{"A": 6}, {"C": 6.1}, {"C": 6.2}], 1.2),
    "two names in turn": ({"A": 5}, [{"A": 5.1}, {"C": 5.2}, {"A": 5.3}, {"C": 5.4}], 0.4),
    "renamed after a gap": ({"A": 5}, [{}, {}, {"C": 5.3}], 0.3),
    "below what was there": ({"A": 5}, [{"A": 4}, {"A": 4.5}], 0.5),
}


@pytest.mark.parametrize("name", READINGS)
def test_in_the_first_hour_only_what_came_since_counts(name: str) -> None:
    baseline, readings, counted = READINGS[name]
    hour = Hour(**baseline)
    for reading in readings:
        hour.read(**reading)
    assert hour.total == counted


def test_growth_of_a_known_bucket_does_not_pay_for_a_missing_one() -> None:
    hour = Hour()
    hour.read(A=10, B=5)
    for usd in (6, 7, 8):
        hour.read(B=usd)
    assert hour.counted == {"A": 10, "B": 8}
    hour.read(A=10, B=8)
    assert hour.counted == {"A": 10, "B": 8}


def test_something_small_and_new_is_no_new_name_of_what_is_missing() -> None:
    hour = Hour()
    hour.read(A=10)
    hour.read(C=1)
    assert hour.counted == {"A": 10, "C": 1}


def test_what_looked_like_a_new_name_counts_by_itself_once_the_old_one_is_back() -> None:
    hour = Hour()
    hour.read(A=10)
    hour.read(C=12)
    assert hour.total == 12
    hour.read(A=10, C=12)
    assert hour.counted == {"A": 10, "C": 12}


def test_a_bucket_that_is_rebated_away_is_taken_back_after_an_hour() -> None:
    hour = Hour()
    hour.read(A=10, B=5)
    for _ in range(int(GONE_AFTER // 60) + 1):
        hour.read(B=8)
    assert hour.counted == {"B": 8}


def test_the_base_of_the_first_hour_outlives_a_bucket_that_is_gone() -> None:
    hour = Hour(A=5)
    for _ in range(int(GONE_AFTER // 60) + 2):
        hour.read(B=1)
    hour.read(A=5.5, B=1)
    assert hour.counted == {"A": 0.5, "B": 1}


def test_what_a_reading_does_not_tell_of_is_not_missing() -> None:
    hour = Hour()
    hour.read(A=10, B=5)
    read_hour(hour.buckets, {B: _amounts(6)}, 1e9, [B], False)
    read_hour(hour.buckets, {B: _amounts(6)}, 2e9, [B], False)
    assert hour.counted == {"A": 10, "B": 6}


_growth = st.fixed_dictionaries({id_: st.integers(0, 5) for id_ in (A, B, D)})
_spelling = st.fixed_dictionaries({id_: st.booleans() for id_ in (A, B, D)})


@given(
    st.booleans(),
    _growth,
    st.lists(st.tuples(_growth, _spelling, st.sets(st.sampled_from([A, B, D]))), max_size=12),
)
def test_whatever_is_missing_or_renamed_a_whole_reading_sets_the_hour_right(
    partial: bool,
    before: dict[int, int],
    readings: list[tuple[dict[int, int], dict[int, bool], set[int]]],
) -> None:
    """Each bucket has two names, `id` and `id + 4`, and one of them in each reading."""
    held = {id_: _amounts(usd) for id_, usd in before.items()} if partial else {}
    there = [held.get(name, ZERO) for name in range(8)]
    buckets = [Bucket(name, name, str(name % 4), was, was) for name, was in enumerate(there)]
    truth = dict(before) if partial else dict.fromkeys(before, 0)
    rounds = [*readings, ({A: 1, B: 0, D: 1}, {A: False, B: False, D: False}, set[int]())]
    for minute, (growth, spelling, missing) in enumerate(rounds):
        for id_, usd in growth.items():
            truth[id_] += usd
        said = {
            id_ + 4 * spelling[id_]: _amounts(usd)
            for id_, usd in truth.items()
            if id_ not in missing and usd
        }
        read_hour(buckets, said, 60.0 * minute, range(8), partial)
    counted = sum(bucket.counted.cost for bucket in buckets)
    assert counted == USD * (sum(truth.values()) - (sum(before.values()) if partial else 0))
