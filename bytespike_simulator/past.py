"""What was before the start, and what there is to tell about it: history, caps, the truth."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from bytespike_simulator.rollup import HOUR, Sums
from bytespike_simulator.traffic import SLOT
from bytespike_simulator.truth import BillingTruth, Truth, UsageTruth, WalletTruth
from bytespike_simulator.wallet import CREDITS
from bytespike_simulator.windows import LENGTHS

if TYPE_CHECKING:
    from bytespike_simulator.world import World

EARLIER_DAYS = 10
"""Days of spending that lie before the history and show in lifetime numbers only."""

_RUNWAY_HOURS = 5
_TOPUP_HOURS = 8
_FALLBACK_CAPS = (50 * CREDITS, 150 * CREDITS, 600 * CREDITS)


def write(world: World, since: float, until: float) -> None:
    """Fill the world with calls and movements of [since, until), then set caps and balance."""
    options = world.options
    if options.caps:
        for key in world.keys:
            if key.id % 4:
                key.windows.cap((0, 0, 0))
    hours = (until - since) / HOUR
    rows = options.history_rows or round(options.rate * options.speed * 60 * hours)
    if hours > 0 and rows:
        _earlier(world, round(rows / hours * 24 * EARLIER_DAYS))
        _calls(world, since, until, rows)
    world.now = until
    _open_wallet(world, hours)
    if options.caps:
        _set_caps(world, hours)


def _earlier(world: World, calls: int) -> None:
    """Book spending of a time that the log no longer tells about."""
    each = calls // len(world.traffic.table)
    for call in world.traffic.table:
        amount = call.sums.credits * each
        world.wallet.spent += amount
        world.keys[call.key].spent += amount
        world.models[call.model].used += amount


def _calls(world: World, since: float, until: float, rows: int) -> None:
    """Write the log hour by hour, with the movements of each hour at its end."""
    slots = world.traffic.slots(since, until, rows)
    hours: dict[int, list[int]] = {}
    for start, count in slots:
        hour = int(start) // HOUR * HOUR
        times = world.traffic.times(max(start, since), min(start + SLOT, until), count)
        hours.setdefault(hour, []).extend(times)
    paid = 0
    for number, (hour, times) in enumerate(hours.items()):
        world.now = max(since, float(hour))
        _hour(world, hour, times)
        world.now = min(until, hour + HOUR - 1.0)
        before = len(hours) - number
        if before % _TOPUP_HOURS == 3:
            paid = _top_up(world, paid)
        _errands(world, before, times)


def _hour(world: World, hour: int, times: list[int]) -> None:
    """Append the calls of one hour, created at `times` (Unix ms)."""
    places = world.traffic.draw_many(len(times))
    calls = [world.traffic.table[place] for place in places]
    first = world.next_serial
    world.next_serial += len(times)
    world.rows.extend(
        (
            range(first, world.next_serial),
            times,
            [call.key for call in calls],
            [call.model for call in calls],
            [call.sums.prompt for call in calls],
            [call.sums.completion for call in calls],
            [call.sums.credits for call in calls],
        )
    )
    for place, count in Counter(places).items():
        call = world.traffic.table[place]
        world.book((hour, call.key, call.model), call.sums, count)


def _top_up(world: World, paid: int) -> int:
    """Pay in what was spent since lifetime spend was `paid`. Gives lifetime spend."""
    spent = world.wallet.spent - paid if paid else 0
    usd = max(10, -(-spent // CREDITS // 10) * 10)
    world.topup(usd, bonus=usd / 10 if usd >= 100 else 0.0)
    return world.wallet.spent


def _errands(world: World, hours_left: int, times: list[int]) -> None:
    """A few movements of the other kinds, at fixed places before the end of the history."""
    if not world.options.errands:
        return
    if hours_left % 5 == 1 and times:
        newest = len(world.rows) - 1
        row = world.rows[newest - world.rng.randrange(len(times))]
        world.rebate(row.request_id)
    if hours_left % 48 == 6:
        world.transaction("admin_credit", 5 * CREDITS, note="goodwill")
    if hours_left % 48 == 14:
        world.transaction("subscription_renew", 20 * CREDITS, note="monthly plan")
    if hours_left % 48 == 20:
        world.transaction("admin_debit", -2 * CREDITS, note="correction")


def _open_wallet(world: World, hours: float) -> None:
    """Choose the wallet's first top-up so that it now holds what it should."""
    wallet = world.wallet
    billed = sum(sums.credits for sums in world.totals.values())
    wanted = round(world.options.balance_usd * CREDITS)
    if not wanted:
        hourly = billed / hours if hours > 0 else 20 * CREDITS
        wanted = max(10 * CREDITS, round(hourly * _RUNWAY_HOURS / 10_000) * 10_000)
        lowest = min((movement.balance_after for movement in wallet.movements), default=0)
        wanted = max(wanted, wallet.balance - lowest + CREDITS)
    wallet.open_with(wanted - wallet.balance)


def _set_caps(world: World, hours: float) -> None:
    """Caps that are partly used: one model at 80 %, windows at about 60 %."""
    for index, model in enumerate(world.models):
        share = {1: 0.8, 4: 0.25}.get(index % 6)
        if share is not None:
            model.cap = _whole(model.used / share) or 50 * CREDITS
    for index, key in enumerate(world.keys):
        if index % 2 == 0:
            key.quota = _whole(key.spent / (0.62 if index == 0 else 0.9)) or 200 * CREDITS
        if not key.windows.windows:
            continue
        billed = sum(sums.credits for pair, sums in world.totals.items() if pair[0] == index)
        hourly = billed / hours if hours > 0 else 0.0
        if not billed:
            key.windows.cap(_FALLBACK_CAPS)
            continue
        five, day, week = (
            _whole(max(window.spent * 1.4, hourly * length / HOUR * factor))
            for window, length, factor in zip(
                key.windows.windows, LENGTHS, (1.8, 1.5, 1.3), strict=True
            )
        )
        key.windows.cap((five, day, week))


def _whole(credits: float) -> int:
    """Rounded up to whole USD."""
    return -(-round(credits) // CREDITS) * CREDITS


def truth(world: World, since: float | None) -> Truth:
    """As `World.truth`."""
    wallet = world.wallet
    return Truth(
        now=world.now,
        usage=_usage(world, since),
        billing=_billing(world, since),
        wallet=WalletTruth(
            wallet.topup,
            wallet.other,
            wallet.spent,
            wallet.balance,
            wallet.held,
            wallet.available,
        ),
        rows=len(world.rows),
        in_flight=world.life.in_flight,
    )


def _usage(world: World, since: float | None) -> tuple[UsageTruth, ...]:
    gross: dict[tuple[int, int], Sums] = world.totals
    taken: dict[tuple[int, int], Sums] = {}
    if since is not None:
        gross = {}
        for row in world.rows_between(since, float(1 << 40)):
            sums = Sums(row.credits, row.prompt, row.completion, 1)
            gross.setdefault((row.key, row.model), Sums()).add(sums)
    for row, sums in world.rebates:
        if since is None or row.created >= round(since * 1000):
            taken.setdefault((row.key, row.model), Sums()).add(sums)
    truths = []
    for (key, model), sums in sorted(gross.items()):
        who, back = world.keys[key], taken.get((key, model), Sums())
        truths.append(
            UsageTruth(
                who.id,
                who.name,
                who.masked,
                world.models[model].id,
                sums.credits,
                sums.prompt,
                sums.completion,
                sums.calls,
                back.credits,
                back.prompt,
                back.completion,
                back.calls,
            )
        )
    return tuple(truths)


def _billing(world: World, since: float | None) -> tuple[BillingTruth, ...]:
    amounts: dict[tuple[str, str], list[int]] = {}
    for movement in world.wallet.movements:
        if since is None or movement.created >= since:
            direction = "debit" if movement.amount < 0 else "credit"
            amounts.setdefault((movement.kind, direction), []).append(abs(movement.amount))
    return tuple(
        BillingTruth(kind, direction, sum(parts), len(parts))
        for (kind, direction), parts in sorted(amounts.items())
    )
