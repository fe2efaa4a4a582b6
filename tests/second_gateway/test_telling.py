"""What is shown is what is so: how long money lasts, whose it is, and how far was counted."""

from __future__ import annotations

import re
from typing import Any

import httpx
import pytest

from tests.second_gateway.gateway import Org, User
from tests.second_gateway.scene import HOUR, MINUTE, A, B, Scene, key_of

pytestmark = pytest.mark.anyio

USAGE = "/api/v1/me/usage"
LEFT = "X-RateLimit-Remaining"
CAP_LEFT = "X-Quota-Remaining-Credits"
ORG_LEFT = "X-Org-Quota-Remaining-Credits"


async def spend_steadily(scene: Scene, usd_an_hour: float, hours: float, key: Any = None) -> None:
    """In calls ten minutes apart."""
    for _ in range(round(hours * 6)):
        scene.spend(f"{usd_an_hour / 6:.6f}", A, key=key or scene.key)
        await scene.wait(10 * MINUTE)


# -- 18: runway -------------------------------------------------------------------------


@pytest.mark.parametrize("shape", ["log", "rollup"])
@pytest.mark.parametrize("account", ["object", "number"])
@pytest.mark.parametrize("outage", ["stopped", "usage down", "all down"])
async def test_what_was_caught_up_is_not_taken_for_spend_of_now(
    scene: Scene, shape: Any, account: Any, outage: str
) -> None:
    scene.gateway.turn(me_usage=shape, account=account)
    scene.gateway.books.wallets[scene.key.user.owner].topped_up += 3000
    scene.pace("5m")
    await scene.start()
    await spend_steadily(scene, 4, 4)
    if outage == "stopped":
        await scene.stop()
    else:
        scene.gateway.turn(failing={USAGE if outage == "usage down" else "*": 503})
    await spend_steadily(scene, 4, 8)
    scene.gateway.turn(failing={})
    if outage == "stopped":
        scene.pace("60s")
        await scene.start()
    else:
        scene.pace("60s")
        await scene.reload()
    truth = (3100 - 4 * 12) / 4 * HOUR
    for minutes in range(60):
        await scene.wait(MINUTE)
        runway = scene.gauge("wallet.runway")
        assert runway is None or runway > truth / 3, f"after {minutes} minutes"


@pytest.mark.parametrize("shape", ["log", "rollup"])
@pytest.mark.parametrize("account", ["object", "number"])
async def test_a_runway_is_unknown_in_the_first_seconds(
    scene: Scene, shape: Any, account: Any
) -> None:
    scene.gateway.turn(me_usage=shape, account=account)
    scene.settings["poll"] = dict.fromkeys(("account", "usage", "transactions"), "1s")
    scene.settings["otlp"]["interval"] = "1s"
    scene.settings["gateway"]["max_requests_per_minute"] = 10_000
    await scene.start()
    for _ in range(20):
        await scene.wait(1)
        scene.spend("0.5", A)
        assert scene.gauge("wallet.runway") is None


@pytest.mark.parametrize("shape", ["log", "rollup"])
@pytest.mark.parametrize("account", ["object", "number"])
async def test_a_runway_tells_how_long_the_balance_lasts(
    scene: Scene, shape: Any, account: Any
) -> None:
    scene.gateway.turn(me_usage=shape, account=account)
    scene.pace("5m")
    await scene.start()
    await spend_steadily(scene, 2, 8)
    assert scene.gauge("wallet.runway") == pytest.approx((100 - 16) / 2 * HOUR, rel=0.1)


@pytest.mark.parametrize("start", ["-12h", "-3d"])
@pytest.mark.parametrize("account", ["object", "number"])
async def test_history_before_the_first_start_is_no_spend_of_now(
    scene: Scene, start: str, account: Any
) -> None:
    scene.gateway.turn(account=account)
    scene.settings["usage"] = {"start": start}
    for hours in range(1, 60):
        scene.spend("0.5", A, at=scene.now - hours * HOUR)
    await scene.start()
    for minutes in range(90):
        await scene.wait(MINUTE)
        runway = scene.gauge("wallet.runway")
        assert runway is None or runway > 70 / 0.5 / 3 * HOUR, f"after {minutes} minutes"


@pytest.mark.parametrize("shape", ["log", "rollup"])
@pytest.mark.parametrize("account", ["object", "number"])
@pytest.mark.parametrize("away", [2, 30, 200])
async def test_an_outage_with_a_topup_and_a_restart_in_it_makes_no_runway_short(
    scene: Scene, shape: Any, account: Any, away: int
) -> None:
    scene.gateway.turn(me_usage=shape, account=account)
    scene.gateway.books.wallets[scene.key.user.owner].topped_up += 3000
    scene.pace("5m")
    await scene.start()
    await spend_steadily(scene, 4, 4)
    scene.gateway.turn(failing={"*": 503})
    await spend_steadily(scene, 4, away / 2)
    scene.gateway.move(scene.key, "500")
    await scene.stop()
    await spend_steadily(scene, 4, away / 2)
    scene.gateway.turn(failing={})
    await scene.start()
    truth = (3600 - 4 * (4 + away)) / 4 * HOUR
    for tens in range(9):
        await spend_steadily(scene, 4, 1 / 6)
        runway = scene.gauge("wallet.runway")
        assert runway is None or runway > truth / 3, f"after {tens} times ten minutes"
    assert runway is not None
    assert runway < truth * 3


@pytest.mark.parametrize("shape", ["log", "rollup"])
@pytest.mark.parametrize("account", ["object", "number"])
async def test_what_yesterday_cost_and_a_sweep_finds_is_no_spend_of_now(
    scene: Scene, shape: Any, account: Any
) -> None:
    scene.gateway.turn(me_usage=shape, account=account)
    scene.gateway.books.wallets[scene.key.user.owner].topped_up += 3000
    scene.pace("5m")
    await scene.start()
    await spend_steadily(scene, 4, 26)
    scene.spend("600", B, at=scene.now - 20 * HOUR)
    for _ in range(26):
        await spend_steadily(scene, 4, 1)
        runway = scene.gauge("wallet.runway")
        left = scene.gauge("wallet.balance")
        assert runway is not None
        assert left is not None
        assert runway == pytest.approx(left / 4 * HOUR, rel=0.25)
    assert scene.counted() == pytest.approx(4 * 52 + 600, abs=0.01)


@pytest.mark.parametrize("more", [{"lifetime": "stands"}, {"knows_hours": False}])
async def test_a_runway_is_by_the_rows_whatever_else_the_gateway_tells(
    scene: Scene, more: Any
) -> None:
    scene.gateway.turn(me_usage="rollup", **more)
    scene.gateway.books.wallets[scene.key.user.owner].topped_up += 900
    scene.pace("5m")
    await scene.start()
    await spend_steadily(scene, 4, 30)
    assert scene.gauge("wallet.runway") == pytest.approx((1000 - 120) / 4 * HOUR, rel=0.2)


@pytest.mark.parametrize("account", ["object", "number"])
async def test_without_usage_the_wallet_itself_tells_how_fast_money_goes(
    scene: Scene, account: Any
) -> None:
    scene.gateway.turn(account=account)
    scene.settings["usage"] = {"enabled": False}
    scene.pace("5m")
    await scene.start()
    await spend_steadily(scene, 2, 4)
    scene.gateway.move(scene.key, "50")
    await spend_steadily(scene, 2, 4)
    assert scene.gauge("wallet.runway") == pytest.approx((150 - 16) / 2 * HOUR, rel=0.1)


# -- 19: keys that an organization pays for ---------------------------------------------


async def billed_to_an_organization(scene: Scene, own: str, organization: str) -> Any:
    """A key whose calls the organization pays; its user's own wallet does not matter."""
    user = User(7, "grace", "enterprise", Org(5, "Example AI"))
    key = scene.gateway.books.add_key(key_of(user, 70, "7777"), topped_up=organization)
    scene.pace("5m")
    scene.gateway.books.add_key(key_of(User(7, "grace"), 71, "7771"), topped_up=own)
    scene.put_key("prod", key)
    scene.gateway.turn(lifetime="stands")
    await scene.start()
    return key


@pytest.mark.parametrize(
    ("own", "organization", "shape"),
    [("0", "4800", "log"), ("1000", "153", "log"), ("1000", "153", "rollup"), ("3", "9000", "log")],
)
async def test_runway_is_about_the_wallet_that_pays(
    scene: Scene, own: str, organization: str, shape: Any
) -> None:
    scene.gateway.turn(me_usage=shape)
    key = await billed_to_an_organization(scene, own, organization)
    await spend_steadily(scene, 12, 8, key)
    left = float(organization) - 96
    assert scene.gauge("organization.balance") == pytest.approx(left, abs=0.01)
    truth = left / 12 * HOUR
    assert scene.gauge("organization.runway") == pytest.approx(truth, rel=0.2)
    wallet = scene.gauge("wallet.runway")
    assert wallet is None or wallet == pytest.approx(truth, rel=0.2)


@pytest.mark.parametrize("shape", ["log", "rollup"])
async def test_a_lifetime_that_is_not_of_the_paying_wallet_is_no_drift(
    scene: Scene, shape: Any
) -> None:
    scene.gateway.turn(me_usage=shape)
    key = await billed_to_an_organization(scene, "0", "4800")
    await spend_steadily(scene, 12, 3, key)
    assert scene.counted() == 36
    assert scene.gauge("ledger.drift") in (None, 0)


async def test_a_topped_up_organization_keeps_its_runway(scene: Scene) -> None:
    key = await billed_to_an_organization(scene, "0", "200")
    await spend_steadily(scene, 12, 4, key)
    scene.gateway.move(key, "500")
    await spend_steadily(scene, 12, 4, key)
    truth = (700 - 96) / 12 * HOUR
    assert scene.gauge("organization.runway") == pytest.approx(truth, rel=0.2)


@pytest.mark.parametrize("account", ["object", "number"])
async def test_an_overdrawn_organization_lasts_no_second_however_full_the_own_wallet_is(
    scene: Scene, account: Any
) -> None:
    scene.gateway.turn(account=account)
    key = await billed_to_an_organization(scene, "1000", "50")
    await spend_steadily(scene, 12, 5, key)
    assert scene.gauge("organization.balance") == -10
    assert scene.gauge("organization.runway") == 0
    assert scene.gauge("wallet.runway") is None
    assert scene.gauge("ledger.drift") is None


# -- 20: negative, zero and unreadable --------------------------------------------------


@pytest.mark.parametrize("said", ["-3.20", "-0.01", "0.00", "19.99"])
@pytest.mark.parametrize(
    ("header", "metric"),
    [
        (CAP_LEFT, "key.quota.remaining"),
        (ORG_LEFT, "organization.balance"),
        (LEFT, "rate_limit.remaining"),
    ],
)
async def test_what_a_header_says_is_shown_though_it_is_bad_news(
    scene: Scene, header: str, metric: str, said: str
) -> None:
    reset = f"{scene.now + 5 * HOUR:.0f}"
    window = {"X-RateLimit-Limit": "50.00", "X-RateLimit-Reset": reset}
    scene.gateway.turn(extra_headers={header: "25.00"} | window, lists_keys=False)
    await scene.start()
    await scene.wait(3 * MINUTE)
    assert scene.gauge(metric) == 25
    scene.gateway.turn(extra_headers={header: said} | window)
    await scene.wait(3 * MINUTE)
    assert scene.gauge(metric) == float(said)


@pytest.mark.parametrize("said", ["1,050.00", "$50", "plenty", "nan", "1e3x"])
@pytest.mark.parametrize(
    ("header", "metric"), [(CAP_LEFT, "key.quota.remaining"), (ORG_LEFT, "organization.balance")]
)
async def test_a_header_that_cannot_be_read_is_absent_and_told_once(
    scene: Scene, header: str, metric: str, said: str
) -> None:
    scene.gateway.turn(extra_headers={header: said})
    await scene.start()
    await scene.wait(20 * MINUTE)
    assert scene.gauge(metric) is None
    assert len([line for line in scene.lines() if header.lower() in line.lower()]) == 1


@pytest.mark.parametrize(
    ("member", "metric"),
    [
        ("available_usd", "wallet.balance"),
        ("lifetime_spent_usd", "wallet.spend"),
        ("low_balance_threshold_usd", "wallet.low_balance_threshold"),
        ("low_balance_flagged", "wallet.low_balance_active"),
    ],
)
async def test_a_field_of_the_balance_that_cannot_be_read_is_absent_and_told_once(
    scene: Scene, member: str, metric: str
) -> None:
    scene.gateway.turn(balance_says={member: "1,050.00"})
    await scene.start()
    await scene.wait(20 * MINUTE)
    assert scene.up("account") == 1
    assert scene.gauge(metric) is None
    assert len([line for line in scene.lines() if f"balance.{member}" in line]) == 1


async def test_check_says_who_pays_and_what_cannot_be_read(
    scene: Scene, capsys: pytest.CaptureFixture[str]
) -> None:
    user = User(7, "grace", "enterprise", Org(5, "Example AI"))
    scene.put_key("prod", scene.gateway.books.add_key(key_of(user, 70, "7777"), topped_up="-3.5"))
    scene.gateway.turn(extra_headers={CAP_LEFT: "plenty"}, balance_says={"available_usd": "none"})
    assert await scene.check()
    said = capsys.readouterr().out
    assert "-3.50 USD left in the organization's wallet, which pays" in said
    assert re.search("cannot be read: balance.available_usd, .*x-quota-remaining-credits", said)


async def test_an_overdrawn_wallet_is_shown_as_it_is(scene: Scene) -> None:
    await scene.start()
    await scene.wait(3 * MINUTE)
    scene.spend("103.5", A)
    await scene.wait(3 * MINUTE)
    assert scene.gauge("wallet.balance") == -3.5


# -- 21: lag ----------------------------------------------------------------------------


@pytest.mark.parametrize("shape", ["log", "rollup"])
async def test_how_far_usage_is_counted_is_told(scene: Scene, shape: Any) -> None:
    scene.gateway.turn(me_usage=shape)
    await scene.start()
    await scene.wait(10 * MINUTE)
    position = scene.gauge("usage.position.timestamp")
    assert position == pytest.approx(scene.now, abs=3 * MINUTE)
    failed_at = scene.now
    scene.gateway.turn(failing={USAGE: 503})
    await scene.wait(30 * MINUTE)
    position = scene.gauge("usage.position.timestamp")
    assert position == pytest.approx(failed_at, abs=3 * MINUTE)


async def test_a_sweep_does_not_hold_up_the_newest_money(scene: Scene) -> None:
    """A sixth of the request budget is needed for what is new; a sweep takes 900 requests."""
    scene.gateway.turn(largest_size=20)
    scene.settings["gateway"]["max_requests_per_minute"] = 90
    scene.settings["usage"] = {"settle_window": "1h"}
    made = [scene.now]

    def arrive(_: httpx.Request) -> None:
        while made[0] < scene.now:
            scene.spend("0.001", A if made[0] % 2 else B, at=made[0])
            made[0] += 60 / 300

    scene.gateway.before.append(arrive)
    await scene.start()
    await scene.wait(5 * MINUTE)
    for minute in range(5, 45):
        await scene.wait(MINUTE)
        behind = len(scene.gateway.books.calls) - scene.counted() * 1000
        assert behind <= 5 * 300, f"after {minute} minutes"


async def test_a_gateway_that_is_too_busy_is_told_as_lag(scene: Scene) -> None:
    scene.gateway.turn(largest_size=20)
    scene.settings["gateway"]["max_requests_per_minute"] = 20
    made = [scene.now]

    def arrive(_: httpx.Request) -> None:
        while made[0] < scene.now:
            scene.spend("0.001", A, at=made[0])
            made[0] += 0.05

    scene.gateway.before.append(arrive)
    await scene.start()
    await scene.wait(15 * MINUTE)
    position = scene.gauge("usage.position.timestamp")
    assert position is not None
    settled = [one for one in scene.gateway.books.calls if one.at <= position]
    assert len(settled) * 0.001 <= scene.counted() + 0.001
    assert position < scene.now - 3 * MINUTE
