"""Every knob of the simulated gateway, once: default, choices, help.

The command line and the control endpoint derive from this table. Durations are in seconds,
amounts in USD. Options marked "start" are read once, when the world is made; all others may
be changed at any time and hold from the next request on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import TypeVar

T = TypeVar("T", bool, int, float, str)

HEADERS = {
    "limit": "x-ratelimit-limit",
    "remaining": "x-ratelimit-remaining",
    "reset": "x-ratelimit-reset",
    "key": "x-quota-remaining-credits",
    "org": "x-org-quota-remaining-credits",
}
"""The five headers of the envelope, by the short names that `missing_headers` takes."""


def _option(default: T, text: str, *choices: str) -> T:
    return field(default=default, metadata={"help": text, "choices": choices})


@dataclass
class Options:
    seed: int = _option(1, "seed of everything random (start)")
    keys: int = _option(4, "number of API keys (start)")
    models: int = _option(6, "number of models (start)")
    rate: float = _option(30.0, "mean calls per minute, all keys together")
    speed: float = _option(1.0, "how many times faster than real life things happen")
    history: float = _option(86_400.0, "length of the history before the start (start)")
    history_rows: int = _option(0, "rows of that history; 0 = as many as `rate` gives (start)")
    history_limit: int = _option(2_000_000, "rows kept in the log; older ones are forgotten")
    traffic: bool = _option(True, "whether calls arrive by themselves (start)")
    errands: bool = _option(True, "whether rebates, credits and renewals happen by themselves")
    auto_topup: bool = _option(True, "whether somebody tops up a wallet that runs low")
    caps: bool = _option(True, "whether some keys and models have caps (start)")
    key_expiry: float = _option(7_776_000.0, "when the second key expires; 0 = never (start)")
    colliding_keys: bool = _option(False, "the second and third key share one masked form (start)")
    odd_names: bool = _option(False, "key names with quotes, newlines and odd Unicode (start)")
    balance_usd: float = _option(0.0, "balance at the start; 0 = five hours of spending (start)")
    threshold_usd: float = _option(5.0, "low balance threshold")
    org_wallet_usd: float = _option(500.0, "wallet of the org before its keys spent from it")

    dialect: str = _option(
        "documented",
        "how everything is spelled, and where: stock is what sub2api does",
        "documented",
        "wrapped",
        "stock",
    )
    usage: str = _option("log", "what /me/usage speaks", "log", "rollup")
    list_name: str = _option("items", "name of the log's list", "items", "data", "rows", "usage")
    paging: str = _option("page", "how the log's next page is asked for", "page", "cursor")
    max_page_size: int = _option(200, "largest page; larger wishes are cut to it")
    order: str = _option("newest", "which rows of the log come first", "newest", "oldest")
    total: str = _option(
        "honest", "what the log's `total` says", "honest", "zero", "page", "huge", "absent"
    )
    api_key: str = _option(
        "object", "how a row of the log names its key", "object", "masked", "id", "absent"
    )
    key_list: str = _option(
        "masked", "how the account's keys are listed", "masked", "full", "refused", "missing"
    )
    credits: str = _option("credits", "unit of a row's `credits`", "credits", "usd")
    balance: str = _option("object", "form of `balance`", "object", "number")
    org: str = _option("present", "the account's `org`", "present", "null", "absent")
    tier: str = _option("individual", "the user's tier", "individual", "enterprise")
    hour: str = _option(
        "seconds-z",
        "spelling of an hour bucket",
        "seconds-z",
        "minutes-z",
        "seconds",
        "minutes",
    )
    answer_tokens: int = _option(16, "tokens that a model call is answered with, at most")
    token_seconds: float = _option(0.0, "time between two tokens of a streamed answer")
    missing_headers: str = _option("", "headers left out, comma separated: " + " ".join(HEADERS))
    gzip: bool = _option(True, "compress for those who accept it")
    errors: str = _option(
        "openai", "shape of error bodies", "openai", "anthropic", "google", "wrapped"
    )
    rpm_limit: int = _option(600, "requests a minute for each key; 0 = unlimited")
    state: str = _option(
        "ok",
        "refuse every request for this reason",
        "ok",
        "revoked",
        "wallet_empty",
        "key_cap_reached",
        "ip_denied",
        "org_paused",
        "window_spent",
        "concurrency",
        "too_many",
        "challenge",
    )

    def __post_init__(self) -> None:
        for spec in fields(self):
            self._check(spec.name, getattr(self, spec.name))

    def set(self, changes: Mapping[str, object]) -> None:
        """Change options by name. Raises ValueError and changes nothing if any is wrong."""
        for name, value in changes.items():
            self._check(name, value)
        for name, value in changes.items():
            setattr(self, name, value)

    def _check(self, name: str, value: object) -> None:
        spec = next((spec for spec in fields(self) if spec.name == name), None)
        if spec is None:
            raise ValueError(f"{name}: no such option")
        wanted = type(spec.default)
        if type(value) is not wanted and not (wanted is float and type(value) is int):
            raise ValueError(f"{name}: must be a {wanted.__name__}")
        choices = spec.metadata["choices"]
        if choices and value not in choices:
            raise ValueError(f"{name}: must be one of {', '.join(choices)}")
        if isinstance(value, int | float) and not 0 <= value < float("inf"):
            raise ValueError(f"{name}: must be finite and not negative")
        if name == "missing_headers" and not set(str(value).split(",")) <= {"", *HEADERS}:
            raise ValueError(f"{name}: must be some of {', '.join(HEADERS)}")


def quiet(**changes: bool | int | float | str) -> Options:
    """Options of a world in which nothing happens unless a test makes it happen.

    No history, no traffic, no caps, no errands, a wallet of 100 USD.
    """
    still = Options(
        traffic=False, errands=False, auto_topup=False, caps=False, history=0.0, balance_usd=100.0
    )
    still.set(changes)
    return still
