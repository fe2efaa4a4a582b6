"""`GET /me/usage` as a log: one row per billed call (gateway contract, section 3a)."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence

import msgspec

from bytespike_simulator.account import Account
from bytespike_simulator.formats import timestamp_ms, usd
from bytespike_simulator.query import Query, instant, integer
from bytespike_simulator.refusals import bad_request
from bytespike_simulator.rows import Row

DEFAULT_SIZE = 20
_HUGE = 10**12
_SIZES = ("limit", "page_size")
"""Parameters that ask for a page's size; the first that is given counts."""


def page(account: Account, query: Query, asking: int) -> bytes:
    """The page that the key with index `asking` asks for.

    Rows without a key belong to the key that asked, so that form shows no others.
    """
    options = account.options
    places = _places(account, query, asking)
    asked = next((name for name in _SIZES if query.get(name) is not None), _SIZES[0])
    size = min(integer(query, asked, DEFAULT_SIZE), options.max_page_size)
    start, number = _start(account, query, places, size)
    ordered = places if options.order == "oldest" else places[::-1]
    rows = [account.rows[place] for place in ordered[start : start + size]]
    keys = {key: _key(account, key) for key in {row.key for row in rows}}
    answer: dict[str, object] = {
        options.list_name: [_shown(account, row, keys[row.key]) for row in rows]
    }
    totals = {"honest": len(places), "zero": 0, "page": len(rows), "huge": _HUGE}
    if options.total in totals:
        answer["total"] = totals[options.total]
    if options.paging == "page":
        answer |= {"page": number, "page_size": size}
    else:
        more = rows and start + len(rows) < len(places)
        answer["next_cursor"] = f"{rows[-1].created}.{rows[-1].serial}" if more else None
    return msgspec.json.encode(answer)


def _places(account: Account, query: Query, asking: int) -> Sequence[int]:
    """Indexes of all rows that the query is about, oldest first."""
    rows = account.rows
    wanted = query.get("request_id")
    if wanted is not None:
        index = rows.find(wanted)
        places: Sequence[int] = [] if index is None else [index]
    else:
        places = range(*rows.span(instant(query, "since"), instant(query, "until")))
    if account.options.api_key == "absent":
        return [index for index in places if rows[index].key == asking]
    return places


def _start(account: Account, query: Query, places: Sequence[int], size: int) -> tuple[int, int]:
    """How many rows come before the asked page, and its number."""
    if account.options.paging == "page":
        number = integer(query, "page", 1)
        return (number - 1) * size, number
    cursor = query.get("cursor")
    if cursor is None:
        return 0, 1
    created, _, serial = cursor.partition(".")
    try:
        place = account.rows.place(int(created), int(serial))
    except ValueError:
        raise bad_request("cursor: not one of ours") from None
    # The cursor names the last row that was shown. Rows before it are older.
    older = bisect_left(places, place)
    if account.options.order == "oldest":
        shown = older < len(places) and places[older] == place
        return older + shown, 1
    return len(places) - older, 1


def _shown(account: Account, row: Row, key: dict[str, object]) -> dict[str, object]:
    if account.options.dialect == "stock":
        return _stock(account, row)
    in_usd = account.options.credits == "usd"
    return {
        "request_id": row.request_id,
        "created_at": timestamp_ms(row.created),
        "model": account.models[row.model].id,
        **key,
        "prompt_tokens": row.prompt,
        "completion_tokens": row.completion,
        "credits": usd(row.credits) if in_usd else row.credits,
    }


def _stock(account: Account, row: Row) -> dict[str, object]:
    """A row as sub2api spells it; a call reads half of its prompt from the cache."""
    return {
        "id": row.serial,
        "request_id": row.request_id,
        "created_at": timestamp_ms(row.created),
        "model": account.models[row.model].id,
        "api_key_id": account.keys[row.key].id,
        "input_tokens": row.prompt,
        "output_tokens": row.completion,
        "cache_read_tokens": row.prompt // 2,
        "cache_creation_tokens": row.prompt // 10,
        "total_cost": usd(row.credits * 2),
        "actual_cost": usd(row.credits),
    }


def _key(account: Account, index: int) -> dict[str, object]:
    key = account.keys[index]
    match account.options.api_key:
        case "object":
            return {"api_key": {"id": key.id, "name": key.name, "masked": key.masked}}
        case "masked":
            return {"api_key": key.masked}
        case "id":
            return {"api_key": key.id}
    return {}
