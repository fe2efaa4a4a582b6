"""What a gateway may do: one switch for each thing that the contract leaves open."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal

Shape = Literal["log", "rollup", "stock", "none"]
Spelling = Literal["millis", "whole", "micros", "no_zone", "utc_word", "offset"]
Naming = Literal["object", "masked", "listed", "id", "id_field", "absent", "in_turn"]


@dataclass(frozen=True, slots=True)
class Switches:
    """A gateway as the documentation's first reading has it, until a switch is turned."""

    # Where usage is, and in which shape (§3). "stock" is the account of one key (§2).
    me_usage: Shape = "log"
    api_usage: Shape = "none"
    v1_usage: Shape = "none"

    # How ranges are asked for (§3a: stock knows whole days only), and which are refused or slow.
    range_by: Literal["since", "dates", "nothing"] = "since"
    longest_range_days: float = 90
    oldest_days: float | None = None
    slow_beyond_hours: float | None = None
    largest_answer: int | None = None
    refuses_future: bool = False
    refuses_unknown: bool = False

    # The log's pages.
    list_name: str = "items"
    paging: Literal["page", "cursor"] = "page"
    size_names: tuple[str, ...] = ("limit", "page_size")
    default_size: int = 20
    largest_size: int = 200
    too_large: Literal["largest", "default", "refused"] = "largest"
    first_page: int = 1
    past_end: Literal["empty", "last"] = "empty"
    filters_after_limit: bool = False
    total: Literal["range", "ever", "absent"] = "range"
    shuffles_seconds: bool = False

    # The log's rows.
    times: Spelling = "millis"
    zone_hours: int = 0
    row_key: Naming = "object"
    tokens: Literal["openai", "stock"] = "openai"
    charge: Literal["micro", "usd", "actual_cost"] = "micro"

    # The rollup's buckets.
    rollup_size: Literal["ignored", "obeyed"] = "ignored"
    most_buckets: int | None = None
    rollup_pages: bool = False
    totals: Literal["exact", "absent", "noisy", "zero", "cents"] = "exact"
    cents: bool = False
    knows_hours: bool = True
    day_buckets: Literal["date", "midnight"] = "date"
    hour_buckets: Literal["full", "no_seconds", "no_zone"] = "full"
    cuts_first_bucket: bool = True
    bucket_key: Naming = "masked"

    # A rollup's bad moments: what is left out, renamed, or multiplied.
    empty: bool = False
    hidden: frozenset[str] = frozenset()
    hidden_in_totals: bool = True
    renamed: Mapping[str, str] = field(default_factory=dict)
    factor: Decimal = Decimal(1)

    # The account.
    account: Literal["object", "number", "none"] = "object"
    lifetime: Literal["moves", "stands", "absent"] = "moves"
    balance_says: Mapping[str, object] = field(default_factory=dict)
    """Members of `balance`, in place of what is so."""
    lists_keys: bool = True
    keys_in_full: bool = False

    # Every answer.
    wrap: Literal["", "code", "success"] = ""
    date_header: bool = True
    clock_offset: float = 0.0
    uncapped_tells_wallet: bool = False
    extra_headers: Mapping[str, str] = field(default_factory=dict)
    seconds_an_answer: float = 0.0
    error_body: Literal["openai", "anthropic", "google", "wrapped", "html", "nothing"] = "openai"
    failing: Mapping[str, int] = field(default_factory=dict)
    """Paths, or `*` for all, and the status that they answer."""
    refusing: Mapping[str, str] = field(default_factory=dict)
    """Paths, or `*` for all, and why they are refused: a name of `REASONS`."""
    requests_a_minute: int | None = None
