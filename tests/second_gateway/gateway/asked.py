"""What a client asked for: which range of time, which page, how many rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tests.second_gateway.gateway.spelling import BadRequestError, instant
from tests.second_gateway.gateway.switches import Switches

DAY = 86400.0


@dataclass(frozen=True, slots=True)
class Range:
    since: float = 0.0
    until: float = float("inf")
    bounded: bool = False


def range_of(query: Mapping[str, str], switches: Switches, now: float) -> Range:
    """The asked range; everything where none was asked, or this gateway reads none."""
    if switches.range_by == "nothing":
        return Range()
    if switches.range_by == "dates":
        since, until = query.get("start_date"), query.get("end_date")
        first = instant(since) if since else 0.0
        last = instant(until) + DAY if until else float("inf")
    else:
        since, until = query.get("since"), query.get("until")
        first = instant(since) if since else 0.0
        last = instant(until) if until else float("inf")
        if switches.refuses_future and until and last > now:
            raise BadRequestError("until is in the future")
    if last < first:
        raise BadRequestError("the range ends before it begins")
    if since and min(last, now) - first > switches.longest_range_days * DAY:
        raise BadRequestError(f"a range is at most {switches.longest_range_days:g} days")
    if since and switches.oldest_days is not None and first < now - switches.oldest_days * DAY:
        raise BadRequestError(f"nothing older than {switches.oldest_days:g} days is kept")
    return Range(first, last, bounded=since is not None)


def size_of(query: Mapping[str, str], switches: Switches) -> int:
    for name in switches.size_names:
        if name in query:
            size = whole(query, name)
            break
    else:
        return switches.default_size
    if 1 <= size <= switches.largest_size:
        return size
    if size < 1 or switches.too_large == "refused":
        raise BadRequestError(f"at most {switches.largest_size} rows a page")
    return switches.largest_size if switches.too_large == "largest" else switches.default_size


def page_of(query: Mapping[str, str], switches: Switches) -> int:
    """The asked page, counted from 0."""
    page = whole(query, "page") if "page" in query else switches.first_page
    if page < 0:
        raise BadRequestError("no such page")
    return max(0, page - switches.first_page)


def whole(query: Mapping[str, str], name: str) -> int:
    try:
        return int(query[name])
    except ValueError:
        raise BadRequestError(f"{name} is not a whole number") from None


def refuse_unknown(query: Mapping[str, str], known: set[str], switches: Switches) -> None:
    strange = sorted(set(query) - known)
    if switches.refuses_unknown and strange:
        raise BadRequestError(f"unknown parameter {strange[0]}")
