"""What was before the start: calls, movements, caps and the balance that they leave."""

from __future__ import annotations

from collections import Counter
from itertools import groupby

from bytespike_simulator.account import Account, hour_of
from bytespike_simulator.keys import LENGTHS, Window
from bytespike_simulator.rows import HOUR
from bytespike_simulator.traffic import Call, Traffic
from bytespike_simulator.wallet import CREDITS

_ERRANDS = (
    ("admin_credit", 5 * CREDITS, "goodwill"),
    ("subscription_renew", 20 * CREDITS, "monthly plan"),
    ("admin_debit", -2 * CREDITS, "correction"),
)

_EARLIER = 10
"""How often each possible call was made before the log begins, which only lifetime sums show."""

_RECENT = 20
_RUNWAY_HOURS = 5
_TOPUP_HOURS = 8
_WINDOW_CAPS = ((1.8, 50 * CREDITS), (1.5, 150 * CREDITS), (1.3, 600 * CREDITS))
"""Of the three windows: cap as a multiple of what a window costs, and the cap if that is 0."""


def write(account: Account, traffic: Traffic, since: float, until: float) -> None:
    """Fill the account with calls and movements of [since, until), then set caps and balance."""
    options = account.options
    if options.caps:
        for key in account.keys:
            if key.id % 4:
                key.windows = [Window(length) for length in LENGTHS]
    hours = (until - since) / HOUR
    rows = options.history_rows or round(options.rate * options.speed * 60 * hours)
    if hours > 0 and rows:
        account.wallet.spent = _EARLIER * sum(call.sums.credits for call in traffic.table)
        account.wallet.topup = account.wallet.spent
        _calls(account, traffic, since, until, rows)
    account.now = until
    _open_wallet(account, hours)
    if options.caps:
        _set_caps(account, hours)


def _calls(account: Account, traffic: Traffic, since: float, until: float, rows: int) -> None:
    """Write the log hour by hour, with the movements of each hour at its end."""
    for hour, instants in groupby(traffic.instants(since, until, rows), key=hour_of):
        times = list(instants)
        account.now = max(since, float(hour))
        calls = traffic.draw(len(times))
        serials = range(account.next_serial, account.next_serial + len(times))
        account.next_serial = serials.stop
        account.rows.extend(map(Call.row, calls, times, serials))
        for call, count in Counter(calls).items():
            account.book((hour, call.key, call.model), call.sums, count)
        account.now = min(until, hour + HOUR - 1.0)
        before = int(until - hour) // HOUR
        if before % _TOPUP_HOURS == 3:
            account.pay_in(max(10, -(account.wallet.balance // CREDITS // 10) * 10))
        if account.options.errands and before % 2:
            errand(account)


def errand(account: Account) -> None:
    """Do what an administrator does now and then, or give back what a recent call cost."""
    place = account.rng.randrange(2 * len(_ERRANDS))
    if place < len(_ERRANDS):
        kind, amount, note = _ERRANDS[place]
        account.transaction(kind, amount, note=note)
    elif len(account.rows) >= _RECENT:
        account.rebate(account.rows[-1 - account.rng.randrange(_RECENT)].request_id)


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
        billed = sum(sums.credits for pair, sums in account.totals.items() if pair[0] == index)
        hourly = billed / hours if hours > 0 else 0.0
        for window, (factor, otherwise) in zip(key.windows, _WINDOW_CAPS, strict=False):
            window.cap = _whole(hourly * window.length / HOUR * factor) or otherwise


def _whole(credits: float) -> int:
    """Rounded up to whole USD."""
    return -(-round(credits) // CREDITS) * CREDITS
