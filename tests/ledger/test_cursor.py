"""Which ranges are read, when what is read is final, and that no instant is left out."""

from __future__ import annotations

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from exporter.gateway.readings import AHEAD
from exporter.ledger.cursor import (
    DAY,
    FIRST_SPAN,
    HOUR,
    LONGEST_SPAN,
    OVERLAP,
    Cursor,
    Slice,
    Window,
    advanced,
    hour_of,
    next_sweep_slice,
    tail_of,
)

STEPS = st.sampled_from([0.0, HOUR, DAY])
NOW = 1_790_000_000.0
SPANS = st.sampled_from([HOUR, FIRST_SPAN, LONGEST_SPAN])
WINDOW = Window(48 * HOUR)


def follow(cursor: Cursor, now: float, span: float, step: float) -> tuple[Cursor, list[Slice]]:
    """Read up to now; nothing is found."""
    reached = max(cursor.position, cursor.polled_ns / 1e9 if cursor.caught_up else 0.0)
    cursor = WINDOW.begun(cursor, now, reached)
    read = [tail_of(cursor, now, step)]
    cursor = WINDOW.after(advanced(cursor, read[-1], now, None))
    while cursor.sweep_from is not None:
        read.append(next_sweep_slice(cursor, now, span, step))
        cursor = WINDOW.after(advanced(cursor, read[-1], now, None))
    return cursor, read


@given(back=st.floats(0, 89 * DAY), span=SPANS, step=STEPS)
def test_every_instant_from_the_start_on_is_read(back: float, span: float, step: float) -> None:
    cursor, read = follow(Cursor.begin(NOW - back, NOW), NOW, span, step)
    assert min(piece.since for piece in read) <= NOW - back
    assert covered(read, NOW - back) >= NOW
    assert all(piece.until - piece.since <= max(span, DAY) + 3 * HOUR for piece in read)
    assert not step or all(piece.since % step == 0 for piece in read)
    assert cursor.caught_up


def covered(read: list[Slice], since: float) -> float:
    """Up to when everything from `since` on was read."""
    for piece in sorted(read, key=lambda piece: piece.since):
        if piece.since <= since:
            since = max(since, piece.until)
    return since


def test_after_a_long_outage_the_newest_part_is_read_first() -> None:
    cursor = Cursor.begin(NOW - 60 * DAY, NOW - 60 * DAY)
    cursor, _ = follow(cursor, NOW - 60 * DAY, FIRST_SPAN, 0.0)
    cursor, read = follow(cursor, NOW, FIRST_SPAN, 0.0)
    assert read[0].since > NOW - HOUR
    assert all(piece.sweep for piece in read[1:])
    assert sum(piece.until - piece.since for piece in read) < 61 * DAY
    assert (cursor.swept_at, cursor.sweep_from, cursor.caught_up) == (NOW, None, True)


def test_until_an_outage_is_caught_up_its_beginning_is_not_forgotten() -> None:
    cursor = Cursor.begin(NOW - 10 * DAY, NOW - 10 * DAY)
    cursor, _ = follow(cursor, NOW - 10 * DAY, FIRST_SPAN, 0.0)
    for at in (NOW, NOW + 60, NOW + 5 * HOUR):  # the sweep never gets anywhere
        cursor = WINDOW.begun(cursor, at, cursor.position)
        cursor = WINDOW.after(advanced(cursor, tail_of(cursor, at), at, at - 1))
    assert cursor.sweep_from is not None
    assert cursor.sweep_from <= NOW - 10 * DAY
    assert (cursor.caught_up, cursor.polled_ns) == (False, int((NOW - 10 * DAY) * 1e9))


def test_a_short_outage_is_caught_up_without_a_whole_sweep() -> None:
    cursor = Cursor.begin(NOW - 9 * DAY, NOW - DAY / 2)
    cursor, _ = follow(cursor, NOW - DAY / 2, FIRST_SPAN, 0.0)
    swept_at = cursor.swept_at
    cursor, read = follow(cursor, NOW - DAY / 4, LONGEST_SPAN, 0.0)
    assert min(piece.since for piece in read) >= NOW - DAY / 2 - 2 * HOUR
    assert cursor.swept_at == swept_at


def test_nothing_is_asked_for_that_is_older_than_the_gateway_answers_for() -> None:
    cursor = Cursor.begin(NOW - 200 * DAY, NOW - 200 * DAY)
    for step in (0.0, HOUR, DAY):
        _, read = follow(cursor, NOW, FIRST_SPAN, step)
        assert min(piece.since for piece in read) > NOW - 90 * DAY + HOUR / 2


def test_the_gateways_own_clock_moves_the_tail_of_an_idle_stream() -> None:
    cursor = Cursor.begin(NOW, NOW)
    idle = advanced(cursor, tail_of(cursor, NOW + HOUR, 0.0, 0.0), NOW + HOUR, None)
    assert idle.position == NOW + HOUR - OVERLAP


def test_a_stream_of_days_keeps_the_day_that_may_still_grow() -> None:
    cursor = Cursor.begin(NOW - 30 * DAY, NOW - 30 * DAY)
    cursor = msgspec.structs.replace(cursor, newest=NOW, position=NOW, swept_at=NOW, shape="days")
    floor = WINDOW.after(cursor).floor
    assert floor % DAY == 0
    assert NOW - 48 * HOUR - AHEAD - DAY < floor <= NOW - 48 * HOUR - AHEAD


def test_only_the_newest_row_moves_the_tail() -> None:
    cursor = Cursor.begin(NOW, NOW)
    quiet, _ = follow(cursor, NOW + 60, FIRST_SPAN, 0.0)
    assert quiet.position == NOW
    row = advanced(quiet, Slice(NOW, NOW + 999, True, False), NOW + 950, NOW + 900)
    assert row.position == row.newest == NOW + 900
    assert tail_of(row, NOW + 1200, 0.0).since == NOW + 900 - OVERLAP


def test_a_row_from_the_future_does_not_carry_the_cursor_away() -> None:
    cursor = Cursor.begin(NOW, NOW)
    moved = advanced(cursor, Slice(NOW, NOW + 120, True, False), NOW + 60, NOW + 900 * DAY)
    assert moved.newest == moved.position == NOW + 60


@given(jump=st.floats(-40 * DAY, 40 * DAY), span=SPANS, step=STEPS)
def test_a_clock_that_jumps_never_asks_for_an_empty_range(
    jump: float, span: float, step: float
) -> None:
    cursor = Cursor.begin(NOW, NOW)
    for now in (NOW, NOW + jump, NOW + 60, NOW + jump + 60, NOW + 120):
        cursor, read = follow(cursor, now, span, step)
        assert all(piece.since < piece.until for piece in read)
        swept = cursor.sweeping(now)
        for at in (NOW + 180, NOW + 180 + jump):
            piece = next_sweep_slice(swept, at, span)
            assert piece.since < piece.until
    assert min(cursor.position, NOW + 120) - OVERLAP <= NOW + 120


def test_a_sweep_counts_from_when_it_began() -> None:
    cursor = Cursor.begin(NOW, NOW).sweeping(NOW + DAY)
    assert cursor.sweep_from == cursor.floor
    first = next_sweep_slice(cursor, NOW + DAY, HOUR)
    cursor = advanced(cursor, first, NOW + DAY, None)
    later = NOW + 20 * DAY
    last = next_sweep_slice(cursor, later, 30 * DAY)
    cursor = advanced(cursor, last, later, None)
    assert last.tail
    assert cursor.swept_at == NOW + DAY


def test_what_a_sweep_read_up_to_now_is_not_read_again() -> None:
    cursor = Cursor.begin(NOW - 30 * DAY, NOW - 30 * DAY).sweeping(NOW)
    cursor = advanced(cursor, next_sweep_slice(cursor, NOW, 40 * DAY), NOW, NOW - 5)
    assert cursor.caught_up
    assert cursor.position == NOW - 5
    assert cursor.polled_ns == int(NOW * 1e9)


@given(
    steps=st.lists(
        st.tuples(st.floats(0, 5 * DAY), st.floats(-3 * DAY, 3 * DAY), st.booleans()), max_size=12
    )
)
def test_the_floor_never_falls_and_closes_nothing_that_may_change(
    steps: list[tuple[float, float, bool]],
) -> None:
    real = NOW
    cursor = Cursor.begin(NOW - 10 * DAY, NOW)
    for wait, jump, sweep in steps:
        real += wait
        before = cursor
        cursor = WINDOW.begun(cursor, real + jump, cursor.position)
        piece = tail_of(cursor, real + jump)
        if sweep and cursor.sweep_from is not None:
            piece = next_sweep_slice(cursor, real + jump, FIRST_SPAN)
        found = min(piece.until, real)
        cursor = WINDOW.after(advanced(cursor, piece, real + jump, found))
        assert cursor.floor >= before.floor
        assert cursor.floor == hour_of(cursor.floor)
        if cursor.floor > before.floor:
            assert cursor.floor <= min(real, cursor.position) - WINDOW.settle


def test_a_clock_that_was_ahead_does_not_put_the_next_sweep_off() -> None:
    swept = Cursor.begin(NOW, NOW).sweeping(NOW + 365 * DAY)
    swept = advanced(
        swept, Slice(swept.floor, NOW + 366 * DAY, True, True), NOW + 365 * DAY, NOW + 60
    )
    back = WINDOW.begun(swept, NOW + 3 * DAY, swept.position)
    assert NOW + 4 * DAY - back.swept_at >= WINDOW.sweep_every
    assert back.floor == swept.floor


def test_at_least_two_sweeps_fall_into_each_settle_window() -> None:
    assert 2 * WINDOW.sweep_every <= WINDOW.settle
