"""What `check` found, as a table that stays readable however many accounts there are."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import msgspec

from exporter.config.mistakes import printable

DETAILED = 20
"""With more accounts than this, endpoints that work are counted, and failures grouped."""

_NAMED = 5


class Tried(msgspec.Struct, frozen=True):
    """One thing that was tried. `account` is empty where it belongs to none."""

    account: str
    what: str
    worked: bool
    said: str


def table(tried: Sequence[Tried]) -> Iterator[str]:
    """The lines of the table, then a sum."""
    of_accounts = [one for one in tried if one.account]
    rows: list[Tried] = list(tried)
    if len({one.account for one in of_accounts}) > DETAILED:
        rows = [*_grouped(of_accounts), *(one for one in tried if not one.account)]
    whats = [f"{printable(one.account)}: {one.what}" if one.account else one.what for one in rows]
    width = max(map(len, whats), default=0)
    for what, one in zip(whats, rows, strict=True):
        yield f"  {'ok  ' if one.worked else 'FAIL'}  {what:{width}}  {printable(one.said)}"
    yield ""
    failed = sum(not one.worked for one in tried)
    if failed:
        yield f"{failed} of {len(tried)} failed; each line says what to do next."
    else:
        yield "All of it works."


def _grouped(tried: Sequence[Tried]) -> Iterator[Tried]:
    """What works is counted by endpoint; the same failure of many accounts is one row."""
    for what in dict.fromkeys(one.what for one in tried):
        of_what = [one for one in tried if one.what == what]
        worked = sum(one.worked for one in of_what)
        if worked:
            yield Tried("", what, True, f"{worked:,} of {len(of_what):,} accounts")
        yield from _failures(what, of_what)


def _failures(what: str, tried: Iterable[Tried]) -> Iterator[Tried]:
    groups: dict[str, list[str]] = {}
    for one in tried:
        if not one.worked:
            # An account's own name in a message would make a group of every account.
            said = one.said.replace(repr(one.account), "…")
            groups.setdefault(said, []).append(one.account)
    by_size = sorted(groups.items(), key=lambda group: -len(group[1]))
    for said, names in by_size[:DETAILED]:
        more = len(names) - _NAMED
        named = ", ".join(names[:_NAMED]) + (f" and {more:,} more" if more > 0 else "")
        yield Tried("", what, False, f"{named}: {said}")
    hidden = sum(len(names) for _, names in by_size[DETAILED:])
    if hidden:
        yield Tried("", what, False, f"{hidden:,} more accounts, for other reasons")
