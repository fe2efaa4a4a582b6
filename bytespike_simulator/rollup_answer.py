"""`GET /me/usage` as a rollup: sums by bucket, model and key (gateway contract, section 3b)."""

from __future__ import annotations

import msgspec

from bytespike_simulator.account import Account
from bytespike_simulator.formats import timestamp, usd
from bytespike_simulator.query import Query, instant
from bytespike_simulator.refusals import bad_request
from bytespike_simulator.rows import HOUR, Sums

MAX_DAYS = 90
_DEFAULT_DAYS = 30
_DAY = 86_400
_GROUPS = ("day", "hour", "model", "api_key")
_HOUR_FORMS = {
    "seconds-z": lambda text: text,
    "minutes-z": lambda text: text[:16] + "Z",
    "seconds": lambda text: text[:19],
    "minutes": lambda text: text[:16],
}

Group = tuple[int, int, int]
"""Start of the bucket (Unix s), model index, key index; -1 where not grouped by."""


def buckets(account: Account, query: Query) -> bytes:
    """Every bucket of the asked range, oldest first."""
    groups = _groups(query)
    sums = _sums(account, query, groups)
    total = Sums()
    for part in sums.values():
        total.add(part)
    answer: dict[str, object] = {
        "buckets": [
            _names(account, group, "hour" in groups) | _amounts(sums[group])
            for group in sorted(sums)
        ],
        "totals": _amounts(total),
    }
    return msgspec.json.encode(answer)


def _groups(query: Query) -> set[str]:
    wanted = query.get("group_by")
    groups = {"day"} if not wanted else {part.strip() for part in wanted.split(",")}
    unknown = sorted(groups - set(_GROUPS))
    if unknown:
        raise bad_request(f"group_by: {unknown[0]} is not one of {', '.join(_GROUPS)}")
    return groups


def _sums(account: Account, query: Query, groups: set[str]) -> dict[Group, Sums]:
    since, until = _range(account, query)
    wanted_key, wanted_model = query.get("api_key"), query.get("model")
    width = HOUR if "hour" in groups else _DAY
    sums: dict[Group, Sums] = {}
    for (hour, key, model), part in account.sums(since, until):
        who = account.keys[key]
        if wanted_key not in (None, str(who.id), who.masked):
            continue
        if wanted_model not in (None, account.models[model].id):
            continue
        group = (
            hour // width * width if groups & {"day", "hour"} else -1,
            model if "model" in groups else -1,
            key if "api_key" in groups else -1,
        )
        sums.setdefault(group, Sums()).add(part)
    return sums


def _range(account: Account, query: Query) -> tuple[float, float]:
    """The asked range in Unix s; the last 30 days and whatever is there unless it says."""
    until = instant(query, "until")
    end = account.now if until is None else until / 1000
    since = instant(query, "since")
    start = end - _DEFAULT_DAYS * _DAY if since is None else since / 1000
    if end - start > MAX_DAYS * _DAY:
        raise bad_request(f"since, until: at most {MAX_DAYS} days")
    return start, end + _DAY if until is None else end


def _names(account: Account, group: Group, hourly: bool) -> dict[str, object]:
    start, model, key = group
    names: dict[str, object] = {}
    if start >= 0:
        text = timestamp(start)
        names["bucket"] = _HOUR_FORMS[account.options.hour](text) if hourly else text[:10]
    if model >= 0:
        names["model"] = account.models[model].id
    if key >= 0:
        names["api_key"] = account.keys[key].masked
    return names


def _amounts(sums: Sums) -> dict[str, object]:
    return {
        "total_usd": usd(sums.credits),
        "input_tokens": sums.prompt,
        "output_tokens": sums.completion,
        "call_count": sums.calls,
    }
