"""What `check` found, as a table for people."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from exporter.check.tried import Checked, Tried, last_answer
from exporter.check.words import recognition
from exporter.secrets import printable

DETAILED = 20
"""With more accounts than this, endpoints that work are counted, and failures grouped."""

_NAMED = 5


def report(accounts: Sequence[Checked], others: Sequence[Tried]) -> Iterator[str]:
    """All lines: what was tried, what was recognized, what can be done, and the sum."""
    tried = [*(one for account in accounts for one in account.tried), *others]
    yield from rows(tried)
    if len(accounts) <= DETAILED:
        for account in accounts:
            yield from _recognized(account)
    yield from _hints(accounts)
    yield ""
    yield sum_of(tried)


def rows(tried: Sequence[Tried]) -> Iterator[str]:
    """The lines of the table."""
    of_accounts = [one for one in tried if one.account]
    shown: list[Tried] = list(tried)
    if len({one.account for one in of_accounts}) > DETAILED:
        shown = [*_grouped(of_accounts), *(one for one in tried if not one.account)]
    whats = [f"{printable(one.account)}: {one.what}" if one.account else one.what for one in shown]
    width = max(map(len, whats), default=0)
    for what, one in zip(whats, shown, strict=True):
        mark = "WARN" if one.warns else "ok  " if one.worked else "FAIL"
        yield f"  {mark}  {what:{width}}  {printable(one.said)}"


def sum_of(tried: Sequence[Tried]) -> str:
    """All of it in one line."""
    failed = sum(not one.worked and not one.warns for one in tried)
    if not failed and any(one.warns for one in tried):
        return "It works, but for what the warning says."
    if failed:
        return f"{failed} of {len(tried)} failed; each line says what to do next."
    return "All of it works."


def named(names: Sequence[str]) -> str:
    """The first few of the names, and how many more there are."""
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more:,} more" if more > 0 else "")


def _recognized(account: Checked) -> Iterator[str]:
    yield ""
    yield printable(f"What was recognized of the gateway of {account.name}:")
    found: list[tuple[str, str]] = []
    for one in account.tried:
        answer = last_answer(one)
        if answer is not None:
            status = "no answer" if answer.status is None else f"answered {answer.status}"
            requests = len(one.exchanges)
            which = f", request {requests} of {requests}" if requests > 1 else ""
            took = f"{status} after {answer.seconds * 1000:,.0f} ms{which}"
            found.append((one.what, f"GET {answer.url} {took}"))
    found += recognition(account)
    width = max((len(what) for what, _ in found), default=0)
    for what, said in found:
        yield f"  {what:{width}}  {printable(said)}"


def _hints(accounts: Sequence[Checked]) -> Iterator[str]:
    """Each hint once, with the accounts that it is for."""
    of: dict[str, list[str]] = {}
    for account in accounts:
        for hint in account.hints:
            of.setdefault(hint.said, []).append(account.name)
    if of:
        yield ""
        yield "What to do:"
    for said, names in of.items():
        yield printable(f"  {named(names)}: {said}")


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
        yield Tried("", what, False, f"{named(names)}: {said}")
    hidden = sum(len(names) for _, names in by_size[DETAILED:])
    if hidden:
        yield Tried("", what, False, f"{hidden:,} more accounts, for other reasons")
