"""Usage as a log: a row for each billed call, newest first."""

from __future__ import annotations

from collections.abc import Mapping
from random import Random

from tests.second_gateway.gateway.asked import page_of, range_of, refuse_unknown, size_of
from tests.second_gateway.gateway.books import Books, Call, Key
from tests.second_gateway.gateway.spelling import BadRequestError, key_name, number, spell
from tests.second_gateway.gateway.switches import Switches


def log_answer(
    books: Books, key: Key, query: Mapping[str, str], switches: Switches, *, now: float, turn: int
) -> dict[str, object]:
    """A page. `turn` numbers the answers: what comes in any order, each orders anew."""
    refuse_unknown(query, _known(switches), switches)
    frozen, offset = _cursor(query)
    asked = range_of(query, switches, now)

    def seen(since: float, until: float) -> list[Call]:
        found = books.between(since, until)
        return [one for one in found if _visible(one, key, query, switches)]

    rows = [one for one in seen(asked.since, asked.until) if one.number <= frozen]
    rows = _newest_first(rows, switches, turn)
    size = size_of(query, switches)
    if switches.paging == "page":
        offset = page_of(query, switches) * size
        if switches.past_end == "last" and offset >= len(rows) > 0:
            offset = (len(rows) - 1) // size * size
    page = [one for one in rows[offset : offset + size] if not one.failed]
    answer: dict[str, object] = {
        switches.list_name: [_row(books, one, switches, turn) for one in page],
        "page": offset // size + switches.first_page,
        "page_size": size,
    }
    if switches.total != "absent":
        counted = rows if switches.total == "range" else seen(0.0, float("inf"))
        answer["total"] = sum(not one.failed for one in counted)
    if switches.paging == "cursor":
        more = offset + size < len(rows)
        newest = frozen if frozen < float("inf") else len(books.calls) - 1
        answer["next_cursor"] = f"{newest:.0f}.{offset + size}" if more else None
    return answer


def _known(switches: Switches) -> set[str]:
    ranges = {"since": {"since", "until"}, "dates": {"start_date", "end_date"}, "nothing": set()}
    paging = "page" if switches.paging == "page" else "cursor"
    return {*switches.size_names, *ranges[switches.range_by], paging, "request_id", "api_key_id"}


def _cursor(query: Mapping[str, str]) -> tuple[float, int]:
    """The newest call that belongs to these pages, and how many rows have been given."""
    if "cursor" not in query:
        return float("inf"), 0
    newest, _, offset = query["cursor"].partition(".")
    if not newest.isdigit() or not offset.isdigit():
        raise BadRequestError("unknown cursor")
    return int(newest), int(offset)


def _visible(call: Call, key: Key, query: Mapping[str, str], switches: Switches) -> bool:
    """Whether a row is this client's: of its user, and where rows name no key, of its key."""
    mine = call.key == key.id if switches.row_key == "absent" else call.user == key.user.id
    return (
        mine
        and (not call.failed or switches.filters_after_limit)
        and query.get("request_id", call.request_id) == call.request_id
        and query.get("api_key_id", str(call.key)) == str(call.key)
    )


def _newest_first(rows: list[Call], switches: Switches, turn: int) -> list[Call]:
    if not switches.shuffles_seconds:
        return rows[::-1]
    random = Random(turn)
    mixed = [(-int(one.at), random.random(), place) for place, one in enumerate(rows)]
    return [rows[place] for _, _, place in sorted(mixed)]


def _row(books: Books, call: Call, switches: Switches, turn: int) -> dict[str, object]:
    stock = switches.tokens == "stock"
    row: dict[str, object] = {
        "request_id": call.request_id,
        "created_at": spell(call.at, switches.times, switches.zone_hours),
        "model": call.model,
        "input_tokens" if stock else "prompt_tokens": call.input_tokens,
        "output_tokens" if stock else "completion_tokens": call.output_tokens,
    }
    if stock:
        row["cache_read_tokens"] = call.cache_read_tokens
        row["cache_creation_tokens"] = call.cache_creation_tokens
    match switches.charge:
        case "micro":
            row["credits"] = int(call.usd * 1_000_000)
        case "usd":
            row["credits"] = number(call.usd)
        case "actual_cost":
            row["actual_cost"] = number(call.usd)
            row["total_cost"] = number(call.usd * 2)
    key = books.keys[call.key]
    named = key_name(key, switches.row_key, turn)
    if switches.row_key == "object":
        row["api_key"] = {"id": key.id, "name": key.name, "masked": key.masked}
    elif switches.row_key == "id_field":
        row["api_key_id"] = named
    elif named is not None:
        row["api_key"] = named
    return row
