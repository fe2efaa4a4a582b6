"""Trouble is said once, then now and then, and its end is said too."""

import logging

import pytest

from exporter.throttle import _REMEMBERED, Throttle
from tests.clock import VirtualClock

LOGGER = logging.getLogger("exporter.test.throttle")


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def throttle(clock: VirtualClock, caplog: pytest.LogCaptureFixture) -> Throttle:
    caplog.set_level(logging.DEBUG, logger=LOGGER.name)
    return Throttle(LOGGER, clock, every=600.0)


def test_a_thousand_troubles_are_one_line(
    throttle: Throttle, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(1000):
        throttle.say("usage", "Poll of %s failed", "usage")
    assert caplog.messages == ["Poll of usage failed"]


def test_later_lines_count_what_was_left_out(
    throttle: Throttle, clock: VirtualClock, caplog: pytest.LogCaptureFixture
) -> None:
    for minute in range(25):
        clock.time = minute * 60.0
        throttle.say("usage", "Poll failed")
    assert caplog.messages == [
        "Poll failed",
        "Poll failed (and 9 times since the last such line)",
        "Poll failed (and 9 times since the last such line)",
    ]


def test_the_end_is_said_once_and_only_if_there_was_trouble(
    throttle: Throttle, caplog: pytest.LogCaptureFixture
) -> None:
    assert not throttle.over("usage", "Poll works again")
    throttle.say("usage", "Poll failed")
    throttle.say("usage", "Poll failed")
    assert throttle.over("usage", "Poll of %s works again", "usage")
    assert not throttle.over("usage", "Poll works again")
    assert caplog.messages == ["Poll failed", "Poll of usage works again (after 2 times)"]
    assert [r.levelname for r in caplog.records] == ["WARNING", "INFO"]


def test_after_the_end_the_next_trouble_is_said_at_once(
    throttle: Throttle, caplog: pytest.LogCaptureFixture
) -> None:
    throttle.say("usage", "Poll failed")
    throttle.over("usage", "Poll works again")
    throttle.say("usage", "Poll failed")
    assert caplog.messages == ["Poll failed", "Poll works again", "Poll failed"]


def test_troubles_of_different_keys_do_not_hide_each_other(
    throttle: Throttle, caplog: pytest.LogCaptureFixture
) -> None:
    throttle.say(("prod", "usage"), "a")
    throttle.say(("prod", "account"), "b")
    assert caplog.messages == ["a", "b"]


def test_once_is_once_however_long_ago(
    throttle: Throttle, clock: VirtualClock, caplog: pytest.LogCaptureFixture
) -> None:
    throttle.once("row-1", "Row %s was rejected", "row-1", level=logging.ERROR)
    clock.time = 1e9
    throttle.once("row-1", "Row %s was rejected", "row-1")
    assert caplog.messages == ["Row row-1 was rejected"]


def test_what_is_remembered_is_bounded(
    throttle: Throttle, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.ERROR, logger=LOGGER.name)
    for row in range(_REMEMBERED + 100):
        throttle.once(row, "Row was rejected")
    assert len(throttle._troubles) == _REMEMBERED
