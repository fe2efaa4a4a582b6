"""What a group, a recorded series and an alert are.

Every rule aggregates exporters away before it compares: several on one account must give one
page, and a series that one of them shows may come and go with it. What is left of something is
the least that any of them reads, what has grown the most. A rate is taken of each exporter's own
counter, and only then the greatest: the greatest of several counters falls when its exporter
stops, and `rate()` would take that for a reset.

Expressions and texts hold `<<name>>` for a threshold. Texts hold besides:

============== ============================================================
`<account>`    the account's name; `<key>`, `<model>`, `<endpoint>` likewise
`<usd>`        the alert's value as USD
`<duration>`   the alert's value, seconds, as `3h 20m 0s`
`<percent>`    the alert's value, a share, as `12%`
============== ============================================================
"""

from __future__ import annotations

import re
from enum import StrEnum

import msgspec

ACCOUNT = "bytespike_account_name"
KEY = "bytespike_key_id"

WORDS = {
    "account": "{{ $labels.bytespike_account_name }}",
    "key": "{{ $labels.bytespike_key_id }}",
    "model": "{{ $labels.gen_ai_request_model }}",
    "endpoint": "{{ $labels.bytespike_endpoint }}",
    "usd": '{{ printf "%.2f" $value }} USD',
    "duration": "{{ humanizeDuration $value }}",
    "percent": "{{ humanizePercentage $value }}",
}
"""What a text may hold, and the Prometheus template that it stands for."""


class Severity(StrEnum):
    """What an alert asks for: `critical` somebody now, `warning` somebody today."""

    CRITICAL = "critical"
    WARNING = "warning"


class Record(msgspec.Struct, frozen=True):
    """A series that is recorded because several rules, or a person, read it."""

    name: str
    expr: str


class Alert(msgspec.Struct, frozen=True, kw_only=True):
    """One alert. `wait` is Prometheus' `for`, `linger` its `keep_firing_for`, in seconds.

    `summary` is what stands in somebody's pocket: account, value, unit. Its section of the
    runbook has the alert's name.
    """

    name: str
    expr: str
    wait: int
    severity: Severity
    summary: str
    description: str
    linger: int = 0

    @property
    def anchor(self) -> str:
        """The runbook's anchor, as Markdown viewers make it of the heading."""
        return self.name.lower()


class Group(msgspec.Struct, frozen=True):
    """Rules on one topic, in the order in which they are evaluated.

    Of one account and topic, a critical alert makes the warnings superfluous.
    """

    topic: str
    records: tuple[Record, ...]
    alerts: tuple[Alert, ...]


def text(words: str) -> str:
    """The words with every `<word>` as a Prometheus template. Raises KeyError for another one."""
    return re.sub(r"(?<!<)<([a-z]+)>(?!>)", lambda found: WORDS[found[1]], words)


def looked_up(aggregate: str, metric: str, *labels: str, show: str) -> str:
    """A template that shows the `aggregate` of a metric's series with the alert's own `labels`.

    `show` is the template function that words the value; where there is none, it is `unknown`.
    The metric itself is asked: where recording goes by way of a store, as with vmalert, what was
    recorded is older than the alert.
    """
    pairs = ",".join(f"{label}=%q" for label in labels)
    values = " ".join(f"$labels.{label}" for label in labels)
    return (
        f'{{{{ with query (printf "{aggregate}({metric}{{{pairs}}})" {values}) }}}}'
        f"{{{{ . | first | value | {show} }}}}{{{{ else }}}}unknown{{{{ end }}}}"
    )
