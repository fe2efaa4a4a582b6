"""What `check` found, as a table that stays readable however many accounts there are."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import msgspec

from exporter.configuration.problems import printable

DETAILED = 20
"""With more accounts than this, endpoints that work are counted, and failures grouped."""

_NAMED = 5


class Finding(msgspec.Struct, frozen=True):
    """One thing that was tried. `account` is empty where it belongs to none."""

    account: str
    what: str
    worked: bool
    said: str


class _Row(msgspec.Struct, frozen=True):
    worked: bool
    what: str
    said: str


def table(findings: Sequence[Finding]) -> Iterator[str]:
    """The lines of the table, then a sum."""
    accounts = {finding.account for finding in findings if finding.account}
    rows = list(_each(findings) if len(accounts) <= DETAILED else _grouped(findings))
    width = max((len(row.what) for row in rows), default=0)
    for row in rows:
        yield f"  {'ok  ' if row.worked else 'FAIL'}  {row.what:{width}}  {printable(row.said)}"
    yield ""
    yield _sum(findings)


def _sum(findings: Sequence[Finding]) -> str:
    failed = sum(not finding.worked for finding in findings)
    if not failed:
        return "All of it works."
    return f"{failed} of {len(findings)} failed; each line says what to do next."


def _each(findings: Iterable[Finding]) -> Iterator[_Row]:
    for finding in findings:
        what = f"{printable(finding.account)}: {finding.what}" if finding.account else finding.what
        yield _Row(finding.worked, what, finding.said)


def _grouped(findings: Sequence[Finding]) -> Iterator[_Row]:
    """What works is counted by endpoint; the same failure of many accounts is one row."""
    whats = dict.fromkeys(finding.what for finding in findings if finding.account)
    for what in whats:
        of_what = [finding for finding in findings if finding.account and finding.what == what]
        worked = sum(finding.worked for finding in of_what)
        if worked:
            yield _Row(True, what, f"{worked:,} of {len(of_what):,} accounts")
        yield from _failures(what, of_what)
    yield from _each(finding for finding in findings if not finding.account)


def _failures(what: str, findings: Iterable[Finding]) -> Iterator[_Row]:
    groups: dict[str, list[str]] = {}
    for finding in findings:
        if not finding.worked:
            # An account's own name in a message would make a group of every account.
            said = finding.said.replace(repr(finding.account), "…")
            groups.setdefault(said, []).append(finding.account)
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
