"""The list of keys names what has no name, and nothing else leans on it."""

from __future__ import annotations

import logging

import pytest
from msgspec.structs import replace

from exporter.errors import AuthError, BadRequestError, NetworkError, Outcome
from exporter.gateway.readings import Endpoint, KeyRef, ListedKey
from exporter.live import LiveAccount
from exporter.metrics.snapshot import take
from exporter.web.health import Readiness
from tests.clock import NOW
from tests.daemon.fakes import INTERVALS, NAME, USD, Scene
from tests.daemon.test_poller import poller, polling

pytestmark = pytest.mark.anyio

KEYS = Endpoint.KEYS
MASK = "sk-byts-…1234"


@pytest.fixture
def listing(made: Scene) -> Scene:
    """A scene in which the list of keys is polled too."""
    account = LiveAccount(NAME, INTERVALS | {KEYS: 600.0})
    made.live.accounts[NAME] = made.account = account
    made.gateway.listed = (ListedKey(KeyRef("18", MASK, "search")),)
    return made


def bill(made: Scene, key: KeyRef, number: int = 1) -> None:
    made.gateway.bill(made.clock.now(), number=number)
    made.gateway.rows[-number:] = [replace(row, key=key) for row in made.gateway.rows[-number:]]


def shown(made: Scene) -> dict[tuple[str, str], int]:
    totals = made.ledger.totals()[NAME].usage
    return {(total.key_id, total.key_name): total.cost // USD for total in totals}


@pytest.mark.parametrize("key", [KeyRef("18"), KeyRef("18", MASK), KeyRef(masked=MASK)])
async def test_a_key_without_a_name_is_counted_under_the_one_in_the_list(
    listing: Scene, key: KeyRef
) -> None:
    async with polling(listing):
        await listing.clock.advance(100)
        bill(listing, key)
        await listing.clock.advance(100)
    assert shown(listing) == {(MASK, "search"): 1}


async def test_a_new_id_makes_the_list_be_asked_for_at_once_and_once(listing: Scene) -> None:
    async with polling(listing):
        await listing.clock.advance(100)
        asked = len(listing.gateway.of(KEYS))
        listing.gateway.listed += (ListedKey(KeyRef("19", "sk-byts-…abcd", "new")),)
        bill(listing, KeyRef("19"))
        bill(listing, KeyRef("20"))
        await listing.clock.advance(200)
        assert len(listing.gateway.of(KEYS)) == asked + 1
    assert shown(listing) == {("sk-byts-…abcd", "new"): 1, ("20", "20"): 1}


async def test_a_name_that_the_list_could_not_give_comes_later_and_counts_nothing_twice(
    listing: Scene,
) -> None:
    listing.gateway.failing[KEYS] = NetworkError("not now")
    async with polling(listing):
        await listing.clock.advance(10)
        bill(listing, KeyRef("18"), 3)
        await listing.clock.advance(100)
        assert shown(listing) == {("18", "18"): 3}
        del listing.gateway.failing[KEYS]
        await listing.clock.advance(700)
        bill(listing, KeyRef("18"), 2)
        await listing.clock.advance(4000)
    assert shown(listing) == {("18", "18"): 3, (MASK, "search"): 2}


@pytest.mark.parametrize("error", [AuthError("no"), BadRequestError("no"), NetworkError("no")])
async def test_a_list_that_is_not_given_is_told_once_and_changes_nothing_else(
    listing: Scene, caplog: pytest.LogCaptureFixture, error: Exception
) -> None:
    caplog.set_level(logging.INFO)
    listing.gateway.failing[KEYS] = error
    async with polling(listing):
        await listing.clock.advance(4 * 3600)
    told = [r for r in caplog.records if "no list of its keys" in r.getMessage()]
    assert [record.levelno for record in told] == [logging.INFO]
    points = take(listing.live, listing.ledger.totals(), listing.clock.now()).points
    about = {p.metric.name for p in points if "keys" in p.attributes}
    assert about == {"bytespike.exporter.polls", "bytespike.exporter.poll.duration"}
    assert Readiness().check(listing.live).ready


async def test_one_round_does_not_fail_where_no_list_is_given(listing: Scene) -> None:
    listing.gateway.failing[KEYS] = AuthError("no")
    assert await poller(listing, listing.account).poll_once() == []
    assert listing.account.endpoints[KEYS].polls == {Outcome.AUTH: 1}


async def test_another_wallet_has_another_list(listing: Scene) -> None:
    async with polling(listing):
        await listing.clock.advance(100)
        assert listing.account.keys_listed(NOW + 100) is not None
        listing.gateway.user = "99"
        listing.gateway.failing[KEYS] = AuthError("no")
        await listing.clock.advance(100)
        assert listing.account.listed is None
