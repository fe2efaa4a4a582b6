"""What the status page says, before it is HTML: words and shares, ready to be shown."""

from __future__ import annotations

from enum import StrEnum

import msgspec


class Tone(StrEnum):
    """How bad something is, worst first; also the CSS class that colours it."""

    BAD = "bad"
    WARN = "warn"
    WAIT = "wait"
    OK = "ok"


TONES = tuple(Tone)


def worst(tones: tuple[Tone, ...]) -> Tone:
    """The worst of several tones; nothing said is `OK`."""
    return min(tones, key=TONES.index, default=Tone.OK)


class Choice(msgspec.Struct, frozen=True):
    """What the visitor asked for: one account, a page of the overview, the page standing still."""

    account: str | None = None
    page: int = 1
    refresh: bool = True


class Figure(msgspec.Struct, frozen=True):
    """One number in words. `text` None = unknown, and `why`; `stale` is the age of an old one."""

    text: str | None = None
    why: str | None = None
    stale: str | None = None


class Bar(msgspec.Struct, frozen=True):
    """A share of a whole, 0 to 1; `mark` is a second share drawn as a line."""

    share: float
    label: str
    tone: Tone = Tone.OK
    mark: float | None = None


class Problem(msgspec.Struct, frozen=True):
    """Something is wrong: what, what to do, in what words it was reported, for which accounts."""

    tone: Tone
    title: str
    advice: str
    detail: str | None = None
    accounts: tuple[str, ...] = ()


class LimitRow(msgspec.Struct, frozen=True):
    """One cap or window: whose, what is left or used, and further words."""

    name: str
    what: str
    figure: Figure
    note: str | None = None
    bar: Bar | None = None


class SpendRow(msgspec.Struct, frozen=True):
    """One key or model. Counts are exact; `cost` in nano-USD."""

    name: str
    key_id: str | None
    cost: int
    requests: int
    input_tokens: int
    output_tokens: int
    share: float


class SpendTable(msgspec.Struct, frozen=True):
    """The most expensive keys or models; `hidden` more are in `rest`."""

    title: str
    rows: tuple[SpendRow, ...]
    hidden: int = 0
    rest: SpendRow | None = None


class Spend(msgspec.Struct, frozen=True):
    """What the ledger has counted; `since` in words."""

    total: SpendRow
    since: str
    tables: tuple[SpendTable, ...]


class MovementRow(msgspec.Struct, frozen=True):
    """Wallet movements of one kind in one direction."""

    kind: str
    count: str
    amount: str
    last: str


class TrafficRow(msgspec.Struct, frozen=True):
    """What the tap saw of one key."""

    key_id: str
    last: str
    responses: str
    refused: int


class EndpointRow(msgspec.Struct, frozen=True):
    """How one endpoint's polls go."""

    name: str
    tone: Tone
    state: str
    last_success: str
    next_poll: str
    polls: str
    duration: str
    error: str | None


class Note(msgspec.Struct, frozen=True):
    """A fact about the counting, and what it means."""

    label: str
    value: str
    meaning: str


class Summary(msgspec.Struct, frozen=True):
    """One account in a line. `urgency` sorts: the account that needs somebody first is least."""

    name: str
    tone: Tone
    state: str
    balance: Figure
    bar: Bar | None
    low: bool
    runway: Figure
    spent: Figure
    answered: str
    urgency: tuple[int, float, float, str]


class Detail(msgspec.Struct, frozen=True):
    """Everything about one account. `waiting`: nothing has been read yet."""

    summary: Summary
    waiting: bool
    who: str | None
    balance_note: str | None
    runway_note: str | None
    topup: Figure
    organization: Figure | None
    limits: tuple[LimitRow, ...]
    models: tuple[LimitRow, ...]
    models_hidden: int
    spend: Spend | None
    spend_missing: str | None
    movements: tuple[MovementRow, ...]
    traffic: tuple[TrafficRow, ...]
    endpoints: tuple[EndpointRow, ...]
    notes: tuple[Note, ...]


class Overview(msgspec.Struct, frozen=True):
    """Many accounts, the most urgent first: one page of `pages`."""

    accounts: int
    counts: tuple[tuple[Tone, int], ...]
    total: Figure
    shortest: Figure
    rows: tuple[Summary, ...]
    page: int
    pages: int


class Exports(msgspec.Struct, frozen=True):
    """How the OTLP exports go."""

    tone: Tone
    state: str
    endpoint: str
    last_success: str
    outcomes: tuple[tuple[str, int], ...]
    error: str | None


class About(msgspec.Struct, frozen=True):
    """Which exporter this is, and when the page was made."""

    version: str
    uptime: str
    instance_id: str
    made_at: str


class Page(msgspec.Struct, frozen=True):
    """The whole page: one of `detail`, `overview` and `missing` (an account that is not there)."""

    title: str
    tone: Tone
    choice: Choice
    many: bool
    problems: tuple[Problem, ...]
    exports: Exports
    about: About
    detail: Detail | None = None
    overview: Overview | None = None
    missing: str | None = None
