"""What was recognized of a gateway, in words."""

from __future__ import annotations

from collections.abc import Iterator

from exporter.check.tried import Checked, Unit, without_address
from exporter.web.recognition import page_words, usage_words


def recognition(account: Checked) -> Iterator[tuple[str, str]]:
    """Pairs of what it is about and what was recognized. What is not known is left out."""
    usage = account.recognized.usage
    if usage is not None:
        yield from usage_words(usage)
    if account.unit is not None:
        yield "unit", _unit(account.unit)
    if account.wrapped:
        yield "wrapping", "answers stand in `data`"
    if account.recognized.transactions is not None:
        yield "movements", page_words(account.recognized.transactions)
    if any(one.worked for one in account.tried):
        yield "clock", _clock(account.clock_offset)
    if account.reading is not None:
        yield "whose", _whose(account)


def _unit(unit: Unit) -> str:
    if not unit.known:
        return f"not known: {unit.by}"
    if unit.credits_per_usd is None:
        return f"USD: {unit.by}"
    one = unit.credits_per_usd == 1
    said = "1 credit is 1 USD" if one else f"{unit.credits_per_usd:,} credits are 1 USD"
    return f"{said}: {unit.by}"


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
