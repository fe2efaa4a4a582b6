"""For which wallet rows are read: only with a key of which it is known whose it is."""

from __future__ import annotations

import asyncio
import logging

import pytest

from exporter.errors import AuthError, GatewayError
from exporter.gateway.readings import Endpoint, Envelope
from exporter.ledger.owners import Owner
from exporter.live import LiveAccount, SharedWallet, shared_wallets
from exporter.secrets import Secret
from tests.daemon.fakes import HOUR, INTERVALS, NAME, USD, FakeGateway, Scene
from tests.daemon.test_poller import ACCOUNT, TRANSACTIONS, USAGE, lines, poller, polling

pytestmark = pytest.mark.anyio

EVES_KEY = Secret("sk-byts-abcdefghijklmnopeeee")


def hand_over(gateway: FakeGateway, user: str = "99") -> None:
    """From now on the key file holds another key, whose user has spent for two days."""
    gateway.secret, gateway.user, gateway.version = EVES_KEY, user, "new"
    gateway.rows.clear()
    gateway.items.clear()
    for hour in range(1, 48):
        gateway.bill(gateway.clock.now() - hour * HOUR, 3 * USD)
        gateway.topup(gateway.clock.now() - hour * HOUR)


async def test_a_rotated_key_of_the_same_user_changes_nothing(
    made: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    async with polling(made):
        await made.clock.advance(70)
        made.gateway.bill(made.clock.now())
        start = made.ledger.cursor(NAME, "usage").start
        made.gateway.secret = EVES_KEY
        await made.clock.advance(300)
        made.gateway.bill(made.clock.now())
        await made.clock.advance(300)
    assert made.cost == 2 * USD
    assert made.ledger.cursor(NAME, "usage").start == start
    assert made.ledger.owner(NAME).api_key == EVES_KEY.masked()
    assert made.gateway.accepted_key == EVES_KEY
    assert not lines(caplog, "another wallet")


async def test_another_users_key_counts_from_the_change_on(
    made: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    async with polling(made):
        made.gateway.bill(made.clock.now())
        await made.clock.advance(300)
        assert made.cost == USD
        made.account.observe(Envelope(0.0, "sk-byts-…9f3c", org_quota_remaining=USD))
        hand_over(made.gateway)
        changed = made.clock.now()
        await made.clock.advance(700)
        assert made.cost == 0
        assert made.account.keys == {}
        made.gateway.bill(made.clock.now())
        made.gateway.topup(made.clock.now(), kind="refund")
        await made.clock.advance(700)
    totals = made.ledger.totals_of(NAME)
    assert made.cost == USD
    assert [(t.kind, t.count) for t in totals.billing] == [("refund", 1)]
    assert dict(totals.last_transactions).keys() == {"topup", "refund"}
    assert changed <= totals.counted_from <= changed + 70
    [line] = lines(caplog, "another wallet")
    assert "user 99 of gateway https://gateway.example" in line
    assert "user 88 of gateway https://gateway.example" in line


async def test_what_is_being_read_of_the_old_wallet_is_given_up(made: Scene) -> None:
    one = poller(made)
    await one.poll_once()
    made.gateway.bill(made.clock.now())
    gate = asyncio.Event()
    ask = made.gateway._ask

    async def slowly(endpoint: Endpoint, since: float, until: float) -> None:
        await ask(endpoint, since, until)
        if endpoint is USAGE:
            await gate.wait()

    made.gateway._ask = slowly  # type: ignore[method-assign]
    reading = asyncio.ensure_future(one._rounds[USAGE]())
    await asyncio.sleep(0.01)
    hand_over(made.gateway)
    await one._rounds[ACCOUNT]()
    gate.set()
    assert await reading, "it is read again at once"
    assert made.cost == 0
    await one._rounds[USAGE]()
    assert made.cost == 0


async def test_nothing_is_read_with_a_key_whose_account_cannot_be_read(made: Scene) -> None:
    one = poller(made)
    await one.poll_once()
    hand_over(made.gateway)
    made.gateway.failing[ACCOUNT] = GatewayError("no account")
    before = len(made.gateway.asked)
    errors = await one.poll_once()
    assert [str(error) for error in errors] == ["no account"] * 3
    assert {asked[0] for asked in made.gateway.asked[before:]} == {ACCOUNT}
    assert made.account.endpoints[USAGE].up is False
    made.gateway.failing.clear()
    assert not await one.poll_once()
    made.gateway.bill(made.clock.now())
    await one.poll_once()
    assert made.cost == USD


@pytest.mark.parametrize("known", [False, True], ids=["first start", "known key"])
async def test_usage_does_not_wait_for_an_account_endpoint_that_fails(
    made: Scene, known: bool
) -> None:
    if known:
        await poller(made).poll_once()
        made.gateway.accepted_key = None
    made.gateway.failing[ACCOUNT] = GatewayError("no account")
    made.gateway.bill(made.clock.now())
    assert [str(error) for error in await poller(made).poll_once()] == ["no account"]
    assert made.cost == USD


async def test_usage_waits_a_moment_for_an_account_endpoint_that_hangs(made: Scene) -> None:
    made.gateway.bill(made.clock.now())
    made.gateway.hanging = True
    async with polling(made):
        await made.clock.advance(3)
        assert made.cost == USD


async def test_a_key_that_the_state_does_not_know_waits_for_its_account(made: Scene) -> None:
    owner = Owner(made.gateway.address, "88", None, "sk-byts-…0000")
    made.ledger.commit_account(NAME, await made.gateway.account(), owner=owner)
    made.gateway.failing[ACCOUNT] = AuthError("refused")
    made.gateway.bill(made.clock.now())
    assert [str(error) for error in await poller(made).poll_once()] == ["refused"] * 3
    assert made.cost == 0


async def test_accounts_that_are_one_wallet_are_warned_of_once(
    made: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    second = LiveAccount("second", dict(INTERVALS))
    made.live.accounts["second"] = second
    made.ledger.open_accounts(["second"], made.clock.now(), made.clock.now())
    for _ in range(3):
        await poller(made).poll_once()
        await poller(made, second).poll_once()
    assert list(made.live.shared_wallets()) == [
        SharedWallet("user 88", (NAME, "second"), doubles=True)
    ]
    [line] = lines(caplog, "one wallet")
    assert "Accounts prod, second are one wallet" in line


def test_of_an_organization_only_the_accounts_of_one_user_double() -> None:
    wallet = "https://llm.example", "organization 5"
    accounts = [
        ("a", wallet, "1"),
        ("b", wallet, "2"),
        ("c", wallet, "1"),
        ("d", ("https://llm.example", "user 1"), "1"),
    ]
    assert list(shared_wallets(accounts)) == [
        SharedWallet("organization 5", ("a", "c"), doubles=True),
        SharedWallet("organization 5", ("a", "b"), doubles=False),
    ]


async def test_what_was_counted_before_the_start_is_held_back_until_it_has_caught_up(
    made: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    made.clock.time += 60
    made.gateway.bill(made.clock.now())
    made.gateway.topup(made.clock.now())
    await poller(made).poll_once()
    polled = made.ledger.polled()[NAME]
    assert set(polled) == {"usage", "transactions"}
    made.clock.time += HOUR
    made.account.held_back = {Endpoint(stream): at for stream, at in polled.items()}
    made.gateway.failing[USAGE] = made.gateway.failing[TRANSACTIONS] = GatewayError("down")
    one = poller(made)
    for _ in range(3):
        await one.poll_once()
    assert set(made.account.held_back) == {USAGE, TRANSACTIONS}
    assert len(lines(caplog, "left out of OTLP and /metrics")) == 2
    made.gateway.failing.clear()
    await one.poll_once()
    assert made.account.held_back == {}


async def test_what_was_never_counted_is_not_held_back(made: Scene) -> None:
    await poller(made).poll_once()
    assert made.ledger.polled() == {}
