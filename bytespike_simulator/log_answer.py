"""`GET /me/usage` as a log: one row per billed call (gateway contract, section 3a)."""

from __future__ import annotations

from bisect import bisect_left

import msgspec

from bytespike_simulator.account import Account
from bytespike_simulator.formats import quoted, timestamp_ms, usd
from bytespike_simulator.options import Options
from bytespike_simulator.query import Query
from bytespike_simulator.refusals import bad_request
from bytespike_simulator.rows import Row, request_id

DEFAULT_SIZE = 20
_HUGE = 10**12
_EXTRA = ',"status":"ok","trace":{"region":"eu-1","hops":[1,null,2.5]}'


class LogAnswer:
    """Answers pages of the log in the form that the options ask for."""

    def __init__(self, account: Account) -> None:
        self._account = account

    def page(self, query: Query, asking: int) -> bytes:
        """The body for one request of the key with index `asking`.

        Rows without a key belong to the key that asked, so that form shows no others.
        """
        options = self._account.options
        if options.strict_parameters:
            query.only(_parameters(options))
        places = self._places(query, asking)
        size = min(_size(query, options), options.max_page_size)
        start, number = self._start(query, places, size)
        page = self._slice(places, start, size)
        fields = [
            f'"{options.list_name}":[{",".join(self._rows(page))}]',
            *_total(options, len(places), len(page)),
        ]
        if options.paging == "page":
            fields += [f'"page":{number}', f'"page_size":{size}']
        else:
            more = start + len(page) < len(places)
            fields.append(f'"next_cursor":{self._cursor(page[-1]) if page and more else "null"}')
        if options.extra_fields:
            fields.append('"server_time":"now","links":{"self":null}')
        return f"{{{','.join(fields)}}}".encode()

    def _places(self, query: Query, asking: int) -> range | list[int]:
        """Indexes of all rows that the query is about, oldest first."""
        rows = self._account.rows
        wanted = query.text("request_id")
        if wanted is not None:
            index = rows.find(wanted)
            places: range | list[int] = [] if index is None else [index]
        else:
            places = range(*rows.span(query.instant("since"), query.instant("until")))
        if self._account.options.api_key == "absent":
            return [index for index in places if rows.key_at(index) == asking]
        return places

    def _start(self, query: Query, places: range | list[int], size: int) -> tuple[int, int]:
        """How many rows come before the asked page, and its number."""
        if self._account.options.paging == "page":
            number = query.integer("page", 1)
            return (number - 1) * size, number
        cursor = query.text("cursor")
        if cursor is None:
            return 0, 1
        created, _, serial = cursor.partition(".")
        try:
            place = self._account.rows.place(int(created), int(serial))
        except ValueError:
            raise bad_request("cursor: not one of ours") from None
        # The cursor names the last row that was shown. Rows before it are older.
        older = bisect_left(places, place)
        if self._account.options.order == "oldest":
            shown = older < len(places) and places[older] == place
            return older + shown, 1
        return len(places) - older, 1

    def _slice(self, places: range | list[int], start: int, size: int) -> list[Row]:
        """Rows `start` to `start + size` in the order of the answer."""
        if self._account.options.order == "oldest":
            return self._account.rows.take(places[start : start + size])
        high = max(0, len(places) - start)
        return self._account.rows.take(places[max(0, high - size) : high])[::-1]

    def _cursor(self, row: Row) -> str:
        return f'"{row.created}.{row.serial}"'

    def _rows(self, page: list[Row]) -> list[str]:
        """Each row as JSON text."""
        options, models = self._account.options, self._account.models
        keys = {key: self._key(key) for key in {row.key for row in page}}
        names = {model: quoted(models[model].id) for model in {row.model for row in page}}
        extra = _EXTRA if options.extra_fields else ""
        credits = usd if options.credits == "usd" else str
        return [
            f'{{"request_id":"{request_id(row.created, row.serial)}"'
            f',"created_at":"{timestamp_ms(row.created)}"'
            f',"model":{names[row.model]}{keys[row.key]},"prompt_tokens":{row.prompt}'
            f',"completion_tokens":{row.completion},"credits":{credits(row.credits)}{extra}}}'
            for row in page
        ]

    def _key(self, index: int) -> str:
        """The `api_key` of a row, its comma included."""
        key = self._account.keys[index]
        match self._account.options.api_key:
            case "object":
                whole = {"id": key.id, "name": key.name, "masked": key.masked}
                return f',"api_key":{msgspec.json.encode(whole).decode()}'
            case "masked":
                return f',"api_key":{quoted(key.masked)}'
            case "id":
                return f',"api_key":{key.id}'
        return ""


def _parameters(options: Options) -> list[str]:
    sizes = {"both": ["limit", "page_size"]}.get(options.size_parameter, [options.size_parameter])
    paging = "page" if options.paging == "page" else "cursor"
    return ["request_id", "since", "until", paging, *sizes]


def _size(query: Query, options: Options) -> int:
    """The asked page size; parameters that this gateway does not know are ignored."""
    for name in ("limit", "page_size"):
        if options.size_parameter in ("both", name) and query.text(name) is not None:
            return query.integer(name, DEFAULT_SIZE)
    return DEFAULT_SIZE


def _total(options: Options, honest: int, on_page: int) -> list[str]:
    totals = {"honest": honest, "zero": 0, "page": on_page, "huge": _HUGE}
    return [f'"total":{totals[options.total]}'] if options.total in totals else []
