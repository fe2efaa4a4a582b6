"""`GET /me/usage` as a rollup: sums by bucket, model and key (gateway contract, section 3b)."""

from __future__ import annotations

import msgspec

from bytespike_simulator.account import Account
from bytespike_simulator.formats import cents, number, timestamp, usd
from bytespike_simulator.query import Query
from bytespike_simulator.refusals import bad_request
from bytespike_simulator.rollup import Sums

MAX_DAYS = 90
_DEFAULT_DAYS = 30
_DAY = 86_400
_GROUPS = ("day", "hour", "model", "api_key")
_PARAMETERS = ("since", "until", "group_by", "model", "api_key")
_HOUR_FORMS = {
    "seconds-z": lambda text: text,
    "minutes-z": lambda text: text[:16] + "Z",
    "seconds": lambda text: text[:19],
    "minutes": lambda text: text[:16],
}

Group = tuple[int, int, int]
"""Start of the bucket (Unix s), model index, key index; -1 where not grouped by."""


class RollupAnswer:
    """Answers sums in the form that the options ask for."""

    def __init__(self, account: Account) -> None:
        self._account = account

    def buckets(self, query: Query) -> bytes:
        """The body for one request: every bucket of the asked range, oldest first."""
        options = self._account.options
        if options.strict_parameters:
            query.only(_PARAMETERS)
        groups = _groups(query)
        sums = self._sums(query, groups)
        total = Sums()
        for part in sums.values():
            total.add(part)
        answer: dict[str, object] = {
            "buckets": [self._bucket(group, sums[group], groups) for group in sorted(sums)],
            "totals": self._amounts(total),
        }
        if options.extra_fields:
            answer |= {"currency": "USD", "meta": {"cached": False}}
        return msgspec.json.encode(answer)

    def _sums(self, query: Query, groups: set[str]) -> dict[Group, Sums]:
        since, until = self._range(query)
        keys, models = self._keys(query.text("api_key")), self._models(query.text("model"))
        width = 3600 if "hour" in groups else _DAY
        sums: dict[Group, Sums] = {}
        for (hour, key, model), part in self._account.sums(since, until):
            if key in keys and model in models:
                group = (
                    hour // width * width if groups & {"day", "hour"} else -1,
                    model if "model" in groups else -1,
                    key if "api_key" in groups else -1,
                )
                sums.setdefault(group, Sums()).add(part)
        return sums

    def _range(self, query: Query) -> tuple[float, float]:
        """The asked range in Unix s; the last 30 days and whatever is there unless it says."""
        until = query.instant("until")
        end = self._account.now if until is None else until / 1000
        since = query.instant("since")
        start = end - _DEFAULT_DAYS * _DAY if since is None else since / 1000
        if end - start > MAX_DAYS * _DAY:
            raise bad_request(f"since, until: at most {MAX_DAYS} days")
        return start, end + _DAY if until is None else end

    def _keys(self, wanted: str | None) -> set[int]:
        """Indexes of the keys with this id or masked form."""
        return {
            index
            for index, key in enumerate(self._account.keys)
            if wanted in (None, str(key.id), key.masked)
        }

    def _models(self, wanted: str | None) -> set[int]:
        return {
            index for index, model in enumerate(self._account.models) if wanted in (None, model.id)
        }

    def _bucket(self, group: Group, sums: Sums, groups: set[str]) -> dict[str, object]:
        start, model, key = group
        bucket: dict[str, object] = {}
        if start >= 0:
            text = timestamp(start)
            hourly = "hour" in groups
            bucket["bucket"] = (
                _HOUR_FORMS[self._account.options.hour](text) if hourly else text[:10]
            )
        if model >= 0:
            bucket["model"] = self._account.models[model].id
        if key >= 0:
            bucket["api_key"] = self._account.keys[key].masked
        return bucket | self._amounts(sums)

    def _amounts(self, sums: Sums) -> dict[str, object]:
        spell = cents if self._account.options.sums == "cents" else usd
        return {
            "total_usd": number(spell(sums.credits)),
            "input_tokens": sums.prompt,
            "output_tokens": sums.completion,
            "call_count": sums.calls,
        }


def _groups(query: Query) -> set[str]:
    wanted = query.text("group_by")
    groups = {"day"} if not wanted else {part.strip() for part in wanted.split(",")}
    unknown = sorted(groups - set(_GROUPS))
    if unknown:
        raise bad_request(f"group_by: {unknown[0]} is not one of {', '.join(_GROUPS)}")
    return groups
