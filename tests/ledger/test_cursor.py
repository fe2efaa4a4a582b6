"""Which ranges are read, when what is read is final, and that no instant is left out."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from exporter.ledger.cursor import (
    AHEAD,
    FIRST_SPAN,
    HOUR,
    LONGEST_SPAN,
    OVERLAP,
    Cursor,
    Slice,
    Window,
    advanced,
    hour_of,
    next_slice,
    next_sweep_slice,
)

DAY = 24 * HOUR
NOW = 1_790_000_000.0
SPANS = st.sampled_from([HOUR, FIRST_SPAN, LONGEST_SPAN])
WINDOW = Window(48 * HOUR)


def follow(cursor: Cursor, now: float, span: float, aligned: bool) -> tuple[Cursor, list[Slice]]:
    """Read up to now; nothing is found."""
    read: list[Slice] = []
    while True:
        read.append(next_slice(cursor, now, span, aligned))
        cursor = WINDOW.after(advanced(cursor, read[-1], now, None), now)
        if read[-1].tail:
            return cursor, read


@given(back=st.floats(0, 90 * DAY), span=SPANS, aligned=st.booleans())
def test_every_instant_from_the_start_on_is_read(back: float, span: float, aligned: bool) -> None:
    cursor = Cursor.begin(NOW - back, NOW)
    cursor, read = follow(cursor, NOW, span, aligned)
    assert read[0].since <= NOW - back
    assert read[-1].until >= NOW
    for before, after in pairwise(read):
        assert after.since <= before.until
    assert all(piece.until - piece.since <= span + OVERLAP + 3 * HOUR for piece in read)
    assert not aligned or all(piece.since == hour_of(piece.since) for piece in read)
    assert cursor.caught_up


def test_a_long_outage_is_caught_up_in_one_pass_that_is_a_sweep() -> None:
    cursor = Cursor.begin(NOW - 60 * DAY, NOW - 60 * DAY)
    cursor, _ = follow(cursor, NOW - 60 * DAY, FIRST_SPAN, False)
    cursor, read = follow(cursor, NOW, FIRST_SPAN, False)
    assert [piece.sweep for piece in read[:2]] == [False, True]
    assert all(piece.sweep for piece in read[1:])
    assert sum(piece.until - piece.since for piece in read) < 61 * DAY
    assert cursor.swept_at == NOW
    assert cursor.sweep_from is None
    assert cursor.caught_up


def test_only_the_newest_row_moves_the_tail() -> None:
    cursor = Cursor.begin(NOW, NOW)
    quiet, _ = follow(cursor, NOW + 60, FIRST_SPAN, False)
    assert quiet.position == NOW
    row = advanced(quiet, Slice(NOW, NOW + 999, True, False), NOW + 950, NOW + 900)
    assert row.position == row.newest == NOW + 900
    assert next_slice(row, NOW + 1200, FIRST_SPAN, False).since == NOW + 900 - OVERLAP


def test_a_row_from_the_future_does_not_carry_the_cursor_away() -> None:
    cursor = Cursor.begin(NOW, NOW)
    moved = advanced(cursor, Slice(NOW, NOW + 120, True, False), NOW + 60, NOW + 900 * DAY)
    assert moved.newest == moved.position == NOW + 60


@given(jump=st.floats(-40 * DAY, 40 * DAY), span=SPANS, aligned=st.booleans())
def test_a_clock_that_jumps_never_asks_for_an_empty_range(
    jump: float, span: float, aligned: bool
) -> None:
    cursor = Cursor.begin(NOW, NOW)
    for now in (NOW, NOW + jump, NOW + 60, NOW + jump + 60, NOW + 120):
        cursor, read = follow(cursor, now, span, aligned)
        assert all(piece.since < piece.until for piece in read)
        swept = cursor.sweeping(now)
        for at in (NOW + 180, NOW + 180 + jump):
            piece = next_sweep_slice(swept.sweep_from or 0.0, at, span)
            assert piece.since < piece.until
    assert min(cursor.position, NOW + 120) - OVERLAP <= NOW + 120


def test_a_sweep_counts_from_when_it_began() -> None:
    cursor = Cursor.begin(NOW, NOW).sweeping(NOW + DAY)
    assert cursor.sweep_from == cursor.floor
    first = next_sweep_slice(cursor.floor, NOW + DAY, HOUR)
    cursor = advanced(cursor, first, NOW + DAY, None)
    later = NOW + 20 * DAY
    last = next_sweep_slice(cursor.sweep_from or 0.0, later, 30 * DAY)
    cursor = advanced(cursor, last, later, None)
    assert last.tail
    assert cursor.swept_at == NOW + DAY


def test_what_a_sweep_read_up_to_now_is_not_read_again() -> None:
    cursor = Cursor.begin(NOW - 30 * DAY, NOW - 30 * DAY).sweeping(NOW)
    cursor = advanced(cursor, next_sweep_slice(cursor.floor, NOW, 40 * DAY), NOW, NOW - 5)
    assert cursor.caught_up
    assert cursor.position == NOW - 5
    assert cursor.polled_ns == int(NOW * 1e9)


def test_a_sweep_ahead_of_the_tail_does_not_move_it() -> None:
    cursor = Cursor.begin(NOW - 30 * DAY, NOW - 30 * DAY)
    ahead = Slice(NOW - 2 * DAY, NOW + AHEAD, True, True)
    moved = advanced(cursor, ahead, NOW, NOW - 5)
    assert moved.position == cursor.position
    assert not moved.caught_up


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
        if sweep and cursor.sweep_from is None:
            cursor = cursor.sweeping(real + jump)
        before = cursor
        piece = next_slice(cursor, real + jump, FIRST_SPAN, False)
        found = min(piece.until, real)
        cursor = WINDOW.after(advanced(cursor, piece, real + jump, found), real + jump)
        assert cursor.floor >= before.floor
        assert cursor.floor == hour_of(cursor.floor)
        if cursor.floor > before.floor:
            assert cursor.floor <= min(real, cursor.position) - WINDOW.settle


def test_a_clock_that_was_ahead_does_not_put_the_next_sweep_off() -> None:
    swept = Cursor.begin(NOW, NOW).sweeping(NOW + 365 * DAY)
    swept = advanced(
        swept, Slice(swept.floor, NOW + 366 * DAY, True, True), NOW + 365 * DAY, NOW + 60
    )
    back = WINDOW.after(swept, NOW + 3 * DAY)
    assert NOW + 4 * DAY - back.swept_at >= WINDOW.sweep_every
    assert back.floor == swept.floor


def test_at_least_two_sweeps_fall_into_each_settle_window() -> None:
    assert 2 * WINDOW.sweep_every <= WINDOW.settle
