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


class _Row(msgspec.Struct, frozen=True):
    worked: bool
    what: str
    said: str


def table(tried: Sequence[Tried]) -> Iterator[str]:
    """The lines of the table, then a sum."""
    accounts = {one.account for one in tried if one.account}
    rows = list(_each(tried) if len(accounts) <= DETAILED else _grouped(tried))
    width = max((len(row.what) for row in rows), default=0)
    for row in rows:
        yield f"  {'ok  ' if row.worked else 'FAIL'}  {row.what:{width}}  {printable(row.said)}"
    yield ""
    yield _sum(tried)


def _sum(tried: Sequence[Tried]) -> str:
    failed = sum(not one.worked for one in tried)
    if not failed:
        return "All of it works."
    return f"{failed} of {len(tried)} failed; each line says what to do next."


def _each(tried: Iterable[Tried]) -> Iterator[_Row]:
    for one in tried:
        what = f"{printable(one.account)}: {one.what}" if one.account else one.what
        yield _Row(one.worked, what, one.said)


def _grouped(tried: Sequence[Tried]) -> Iterator[_Row]:
    """What works is counted by endpoint; the same failure of many accounts is one row."""
    whats = dict.fromkeys(one.what for one in tried if one.account)
    for what in whats:
        of_what = [one for one in tried if one.account and one.what == what]
        worked = sum(one.worked for one in of_what)
        if worked:
            yield _Row(True, what, f"{worked:,} of {len(of_what):,} accounts")
        yield from _failures(what, of_what)
    yield from _each(one for one in tried if not one.account)


def _failures(what: str, tried: Iterable[Tried]) -> Iterator[_Row]:
    groups: dict[str, list[str]] = {}
    for one in tried:
        if not one.worked:
            # An account's own name in a message would make a group of every account.
            said = one.said.replace(repr(one.account), "…")
            groups.setdefault(said, []).append(one.account)
    shown = sorted(groups.items(), key=lambda group: -len(group[1]))[:DETAILED]
    for said, names in shown:
        yield _Row(False, what, f"{_names(names)}: {said}")
    hidden = sum(map(len, groups.values())) - sum(len(names) for _, names in shown)
    if hidden:
        yield _Row(False, what, f"{hidden:,} more accounts, for other reasons")


def _names(names: Sequence[str]) -> str:
    text = ", ".join(names[:_NAMED])
    more = len(names) - _NAMED
    return f"{text} and {more:,} more" if more > 0 else text
