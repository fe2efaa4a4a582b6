"""What was recognized of a gateway, in words."""

from __future__ import annotations

from collections.abc import Iterator

from exporter.check.tried import Checked, without_address
from exporter.gateway.readings import UsageShape
from exporter.gateway.recognized import UsageForm
from exporter.web.recognition import page_words, usage_words


def recognition(account: Checked) -> Iterator[tuple[str, str]]:
    """Pairs of what it is about and what was recognized. What is not known is left out."""
    usage = account.recognized.usage
    if usage is not None:
        yield from usage_words(usage)
        yield "unit", _unit(usage, account.priced_rows)
    if account.wrapped:
        yield "wrapping", "answers stand in `data`"
    if account.recognized.transactions is not None:
        yield "movements", page_words(account.recognized.transactions)
    if any(one.worked for one in account.tried):
        yield "clock", _clock(account.clock_offset)
    if account.reading is not None:
        yield "whose", _whose(account)


def _unit(usage: UsageForm, priced: bool) -> str:
    if usage.shape is not UsageShape.LOG:
        return "USD, as its name says (total_usd)"
    if priced:
        return "USD, as each row says what was charged (actual_cost)"
    if usage.credits_per_usd is None:
        return f"credits, not known yet how many make one USD ({usage.unit_by})"
    rate = usage.credits_per_usd
    unit = "USD" if rate == 1 else f"{rate:,} credits to one USD"
    return f"{unit} (by {usage.unit_by})"


def _clock(offset: float | None) -> str:
    if offset is None:
        return "not told: its answers bear no Date"
    if abs(offset) < 1:
        return "the same as this machine's"
    return f"{abs(offset):,.1f} s {'ahead of' if offset > 0 else 'behind'} this machine's"


def _whose(account: Checked) -> str:
    reading = account.reading
    user = None if reading is None else without_address(reading.user_id)
    said = "a user that is not told" if user is None else f"user {user}"
    if account.pays_organization:
        wallet = account.wallet or ""
        return f"{said}; {wallet if 'organization' in wallet else 'its organization'} pays"
    return f"{said}; the user's own wallet pays"
