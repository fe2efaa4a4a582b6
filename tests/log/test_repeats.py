"""A problem is said once, then now and then, and its end is said too."""

import logging
from collections.abc import Hashable

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
    return Throttle(LOGGER, clock)


COUNTED = "Poll failed (and 9 times since the last such line)"


@pytest.mark.parametrize(
    ("keys", "minutes", "messages"),
    [
        (["usage"], [0] * 1000, ["Poll failed"]),
        (["usage"], list(range(25)), ["Poll failed", COUNTED, COUNTED]),
        ([("prod", "usage"), ("prod", "account")], [0, 1], ["Poll failed", "Poll failed"]),
    ],
    ids=["a thousand at once", "one a minute", "of two keys"],
)
def test_trouble_of_each_key_is_said_at_once_and_then_counted(
    throttle: Throttle,
    clock: VirtualClock,
    caplog: pytest.LogCaptureFixture,
    keys: list[Hashable],
    minutes: list[int],
    messages: list[str],
) -> None:
    for minute in minutes:
        clock.time = minute * 60.0
        for key in keys:
            throttle.say(key, "Poll %s", "failed")
    assert caplog.messages == messages


def test_the_end_is_said_once_only_after_trouble_and_the_next_trouble_at_once(
    throttle: Throttle, caplog: pytest.LogCaptureFixture
) -> None:
    assert not throttle.over("usage", "Poll works again")
    throttle.say("usage", "Poll failed")
    throttle.say("usage", "Poll failed")
    assert throttle.over("usage", "Poll of %s works again", "usage")
    assert not throttle.over("usage", "Poll works again")
    throttle.say("usage", "Poll failed again")
    said = ["Poll failed", "Poll of usage works again (after 2 times)", "Poll failed again"]
    assert caplog.messages == said
    assert [r.levelname for r in caplog.records] == ["WARNING", "INFO", "WARNING"]


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
    assert len(throttle._problems) == _REMEMBERED
