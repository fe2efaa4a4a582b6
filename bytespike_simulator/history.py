"""What was before the start: calls, movements, caps and the balance that they leave."""

from __future__ import annotations

from collections import Counter

from bytespike_simulator.account import Account
from bytespike_simulator.keys import LENGTHS
from bytespike_simulator.rollup import HOUR
from bytespike_simulator.traffic import SLOT, Traffic
from bytespike_simulator.wallet import CREDITS

EARLIER_DAYS = 10
"""Days of spending that lie before the history and show in lifetime numbers only."""

_RUNWAY_HOURS = 5
_TOPUP_HOURS = 8
_FALLBACK_CAPS = (50 * CREDITS, 150 * CREDITS, 600 * CREDITS)


def write(account: Account, traffic: Traffic, since: float, until: float) -> None:
    """Fill the account with calls and movements of [since, until), then set caps and balance."""
    options = account.options
    if options.caps:
        for key in account.keys:
            if key.id % 4:
                key.cap_windows((0, 0, 0))
    hours = (until - since) / HOUR
    rows = options.history_rows or round(options.rate * options.speed * 60 * hours)
    if hours > 0 and rows:
        _earlier(account, traffic, round(rows / hours * 24 * EARLIER_DAYS))
        _calls(account, traffic, since, until, rows)
    account.now = until
    _open_wallet(account, hours)
    if options.caps:
        _set_caps(account, hours)


def _earlier(account: Account, traffic: Traffic, calls: int) -> None:
    """Book spending of a time that the log no longer tells about."""
    each = calls // len(traffic.table)
    for call in traffic.table:
        amount = call.sums.credits * each
        account.wallet.spent += amount
        account.keys[call.key].spent += amount
        account.models[call.model].used += amount


def _calls(account: Account, traffic: Traffic, since: float, until: float, rows: int) -> None:
    """Write the log hour by hour, with the movements of each hour at its end."""
    slots = traffic.slots(since, until, rows)
    hours: dict[int, list[int]] = {}
    for start, count in slots:
        hour = int(start) // HOUR * HOUR
        times = traffic.times(max(start, since), min(start + SLOT, until), count)
        hours.setdefault(hour, []).extend(times)
    paid = 0
    for number, (hour, times) in enumerate(hours.items()):
        account.now = max(since, float(hour))
        _hour(account, traffic, hour, times)
        account.now = min(until, hour + HOUR - 1.0)
        before = len(hours) - number
        if before % _TOPUP_HOURS == 3:
            paid = _top_up(account, paid)
        _errands(account, before, times)


def _hour(account: Account, traffic: Traffic, hour: int, times: list[int]) -> None:
    """Append the calls of one hour, created at `times` (Unix ms)."""
    places = traffic.draw_many(len(times))
    calls = [traffic.table[place] for place in places]
    first = account.next_serial
    account.next_serial += len(times)
    account.rows.extend(
        (
            range(first, account.next_serial),
            times,
            [call.key for call in calls],
            [call.model for call in calls],
            [call.sums.prompt for call in calls],
            [call.sums.completion for call in calls],
            [call.sums.credits for call in calls],
        )
    )
    for place, count in Counter(places).items():
        call = traffic.table[place]
        account.book((hour, call.key, call.model), call.sums, count)


def _top_up(account: Account, paid: int) -> int:
    """Pay in what was spent since lifetime spend was `paid`. Gives lifetime spend."""
    spent = account.wallet.spent - paid if paid else 0
    usd = max(10, -(-spent // CREDITS // 10) * 10)
    account.topup(usd, bonus=usd / 10 if usd >= 100 else 0.0)
    return account.wallet.spent


def _errands(account: Account, hours_left: int, times: list[int]) -> None:
    """A few movements of the other kinds, at fixed places before the end of the history."""
    if not account.options.errands:
        return
    if hours_left % 5 == 1 and times:
        newest = len(account.rows) - 1
        row = account.rows[newest - account.rng.randrange(len(times))]
        account.rebate(row.request_id)
    if hours_left % 48 == 6:
        account.transaction("admin_credit", 5 * CREDITS, note="goodwill")
    if hours_left % 48 == 14:
        account.transaction("subscription_renew", 20 * CREDITS, note="monthly plan")
    if hours_left % 48 == 20:
        account.transaction("admin_debit", -2 * CREDITS, note="correction")


def _open_wallet(account: Account, hours: float) -> None:
    """Choose the wallet's first top-up so that it now holds what it should."""
    wallet = account.wallet
    billed = sum(sums.credits for sums in account.totals.values())
    wanted = round(account.options.balance_usd * CREDITS)
    if not wanted:
        hourly = billed / hours if hours > 0 else 20 * CREDITS
        wanted = max(10 * CREDITS, round(hourly * _RUNWAY_HOURS / 10_000) * 10_000)
        lowest = min((movement.balance_after for movement in wallet.movements), default=0)
        wanted = max(wanted, wallet.balance - lowest + CREDITS)
    wallet.open_with(wanted - wallet.balance)


def _set_caps(account: Account, hours: float) -> None:
    """Caps that are partly used: one model at 80 %, windows at about 60 %."""
    for index, model in enumerate(account.models):
        share = {1: 0.8, 4: 0.25}.get(index % 6)
        if share is not None:
            model.cap = _whole(model.used / share) or 50 * CREDITS
    for index, key in enumerate(account.keys):
        if index % 2 == 0:
            key.quota = _whole(key.spent / (0.62 if index == 0 else 0.9)) or 200 * CREDITS
        if not key.windows:
            continue
        billed = sum(sums.credits for pair, sums in account.totals.items() if pair[0] == index)
        hourly = billed / hours if hours > 0 else 0.0
        if not billed:
            key.cap_windows(_FALLBACK_CAPS)
            continue
        five, day, week = (
            _whole(max(window.spent * 1.4, hourly * length / HOUR * factor))
            for window, length, factor in zip(key.windows, LENGTHS, (1.8, 1.5, 1.3), strict=True)
        )
        key.cap_windows((five, day, week))


def _whole(credits: float) -> int:
    """Rounded up to whole USD."""
    return -(-round(credits) // CREDITS) * CREDITS
