"""The table of settings: key path, kind of value, what it means.

It drives reading, the search for unknown keys, `describe` and `docs/configuration.md`.
Defaults are those of the types in `exporter.config.types`.
"""

from __future__ import annotations

from dataclasses import dataclass

from exporter.config import values
from exporter.config.kinds import (
    FLAG,
    INTERVAL,
    LISTEN,
    PEM,
    TIMEOUT,
    URL,
    Kind,
    Pairs,
    Setting,
    Words,
    attribute,
    bounded,
    endpoint,
    enum,
    header,
    one_of,
    whole,
)
from exporter.config.types import Compression, Protocol, UsageMode

_MAX_COUNT = 1_000_000_000

SETTINGS = (
    Setting(
        "gateway.base_url",
        URL,
        "The gateway, without `/api/v1/me`. Plain http to another machine sends keys in clear and "
        "is warned about.",
    ),
    Setting("gateway.timeout", TIMEOUT, "The longest that one request may take."),
    Setting(
        "gateway.max_requests_per_minute",
        whole(1, 100_000),
        "Request budget of each account; the gateway allows about 600.",
    ),
    Setting("poll.account", INTERVAL, "Between two polls of `/me/account`, with ±10 % jitter."),
    Setting(
        "poll.account_relaxed",
        INTERVAL,
        "The same while the tap sees the account's own key in use and the balance is far from its "
        "threshold; see [tap.md](tap.md).",
    ),
    Setting("poll.usage", INTERVAL, "Between two polls of `/me/usage`, with ±10 % jitter."),
    Setting(
        "poll.transactions",
        INTERVAL,
        "Between two polls of `/me/billing/transactions`, with ±10 % jitter.",
    ),
    Setting("usage.enabled", FLAG, "Whether usage is polled."),
    Setting(
        "usage.mode",
        enum(UsageMode),
        "Which of the two documented shapes of usage to ask for; `auto` follows the answers.",
    ),
    Setting(
        "usage.start",
        Kind("`now`, ISO time, or `-` and a duration", values.start, values.show_start),
        "Where counting begins on the first start, transactions too: `now`, a date or time (UTC "
        "unless it says otherwise), or a duration back such as `-24h`, at most 90 days. Later "
        "starts continue where the state file says.",
    ),
    Setting(
        "usage.settle_window",
        bounded(3600.0, values.MAX_BACK),
        "How long a row or bucket may still change or appear late.",
    ),
    Setting(
        "usage.credits_per_usd",
        whole(1, _MAX_COUNT),
        "Credits that make one USD in usage rows; 1 where the rows carry USD.",
    ),
    Setting(
        "usage.max_series",
        whole(1, 1_000_000),
        "Pairs of key and model kept apart for each account; further ones count under `other`.",
    ),
    Setting(
        "transactions.enabled", FLAG, "Whether transactions are polled.", "transactions.enabled"
    ),
    Setting(
        "runway.window",
        bounded(1.0, values.MAX_BACK),
        "The spend of this long makes the rate from which the runway is computed.",
        "runway.window",
    ),
    Setting("otlp.protocol", enum(Protocol), "How metrics are sent."),
    Setting(
        "otlp.endpoint",
        Kind('http or https URL, or `""`', endpoint, lambda value: value or '""'),
        "The receiver. For HTTP, `/v1/metrics` is added unless the URL has a path; gRPC takes "
        'none and defaults to `http://localhost:4317`. `""` sends nothing, for those who only '
        "collect from `/metrics`.",
    ),
    Setting(
        "otlp.headers",
        Pairs("mapping of names to texts", header, secret=True),
        "Sent with each request; the values are treated as secrets. Better given by "
        "`OTEL_EXPORTER_OTLP_HEADERS`, from which headers that are not here are taken.",
    ),
    Setting("otlp.compression", enum(Compression), "How requests are compressed."),
    Setting("otlp.interval", INTERVAL, "Between two exports."),
    Setting("otlp.timeout", TIMEOUT, "The longest that one export may take."),
    Setting("otlp.certificate", PEM, "Trusted to sign the receiver's certificate."),
    Setting("otlp.client_certificate", PEM, "Shown to the receiver; needs `client_key`."),
    Setting("otlp.client_key", PEM, "The key of `client_certificate`."),
    Setting(
        "state.path",
        Kind("path of a file", values.file_path),
        "Where totals and cursors are kept. It must survive a restart.",
        "state.path",
    ),
    Setting(
        "http.listen",
        LISTEN,
        'Serves the status page, `/livez`, `/readyz` and `/metrics`; `""` turns them off.',
        "http.listen",
    ),
    Setting(
        "tap.listen",
        LISTEN,
        "Where observations come in as datagrams (UDP), from the hook and from other proxies.",
    ),
    Setting(
        "tap.account",
        Kind('name of an account, or `""`', values.account_or_none, lambda value: value or '""'),
        "Whose keys are those that are no account's own. With one account it is that one; with "
        "several, observations of such keys are rejected where this is not set.",
    ),
    Setting(
        "tap.proxy.listen",
        LISTEN,
        "Where applications find the proxy in front of the gateway (HTTP).",
    ),
    Setting(
        "tap.proxy.allow_hosts",
        Words("list of host names", Kind("host name", values.host)),
        "Further names by which applications may address the proxy, such as its Service's. Its "
        "own address, names of this machine's loopback and the gateway's name are always allowed.",
    ),
    Setting(
        "webhook.path",
        Kind("path of a URL", values.url_path),
        "Where `http.listen` takes the gateway's events.",
    ),
    Setting(
        "webhook.secret_file",
        Kind("path of a file", values.file_path),
        "The secret that signs deliveries, alone on one line; read again when it changes. "
        "Without it there is no webhook.",
    ),
    Setting(
        "webhook.signature_header",
        Kind("name of a header", values.header_name),
        "The header that carries the signature, in hex, with or without `sha256=` before it.",
    ),
    Setting(
        "log.level",
        one_of(("debug", "info", "warning", "error"), str),
        "The least serious lines to write.",
    ),
    Setting("log.format", one_of(("text", "json"), str), "Lines for people or for machines."),
    Setting(
        "resource_attributes",
        Pairs("mapping of names to texts", attribute),
        "Added to the OTLP resource. `OTEL_RESOURCE_ATTRIBUTES` adds those that are not here.",
    ),
)


@dataclass(frozen=True, slots=True)
class AccountKey:
    """One key of an entry of `accounts`."""

    key: str
    kind: Kind
    about: str
    default: str = ""


ACCOUNT_KEYS = (
    AccountKey(
        "name",
        Kind("text, 1 to 100 characters", values.account_name),
        "Becomes `bytespike.account.name`; no two accounts share one.",
        "required",
    ),
    AccountKey(
        "api_key_env",
        Kind("name of an environment variable", values.variable_name),
        "The variable that holds the account's key.",
        "this or `api_key_file`",
    ),
    AccountKey(
        "api_key_file",
        Kind("path of a file", values.file_path),
        "The file that holds the account's key; read again when it changes.",
        "this or `api_key_env`",
    ),
    AccountKey("base_url", URL, "Another gateway for this account.", "`gateway.base_url`"),
)
