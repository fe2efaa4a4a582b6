"""The typed configuration: every setting once, with what may be written, default and meaning.

`exporter.config.load` reads it from YAML and the environment; `exporter.config.reference` makes
the document and the schema of it. A field is `Annotated` with the kind of its value and what it
means; a field that is not cannot be set in the file. Durations are in seconds.
"""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

from msgspec import Struct, field

from exporter.config import kinds
from exporter.config.kinds import duration, one_of, whole
from exporter.config.thresholds import Thresholds
from exporter.config.values import Listen, UsageStart
from exporter.secrets import Secret

__all__ = ["Listen", "Thresholds", "UsageStart"]

Interval = Annotated[float, duration("100ms", "7d")]
Timeout = Annotated[float, duration("100ms", "10m")]
Flag = Annotated[bool, kinds.FLAG]
Url = Annotated[str, kinds.URL]
FilePath = Annotated[Path | None, kinds.FILE]
PemPath = Annotated[Path | None, kinds.PEM]
Address = Annotated[Listen | None, kinds.LISTEN]


class UsageMode(StrEnum):
    """Which shape of `/me/usage` to ask for."""

    AUTO = "auto"
    LOG = "log"
    ROLLUP = "rollup"


class Protocol(StrEnum):
    """How OTLP is carried."""

    HTTP = "http/protobuf"
    GRPC = "grpc"


class Compression(StrEnum):
    """How OTLP requests are compressed."""

    GZIP = "gzip"
    NONE = "none"


class Account(Struct, frozen=True):
    """A list with one entry for each account. Exactly one of the two sources of the key is set."""

    name: Annotated[
        str, kinds.ACCOUNT_NAME, "Becomes `bytespike.account.name`; no two accounts share one."
    ]
    base_url: Annotated[Url, "Another gateway for this account; `gateway.base_url` where left out."]
    api_key_env: Annotated[
        str | None, kinds.VARIABLE, "The variable that holds the account's key."
    ] = None
    api_key_file: Annotated[
        FilePath, "The file that holds the account's key; read again when it changes."
    ] = None
    webhook_secret_file: Annotated[
        FilePath,
        "The secret that signs the deliveries about this account, as `webhook.secret_file` is for "
        "all accounts: each of several users of the gateway has one of its own.",
    ] = None


class Gateway(Struct, frozen=True):
    """How the gateway is asked."""

    timeout: Annotated[Timeout, "The longest that one request may take."] = 10.0
    max_requests_per_minute: Annotated[
        int, whole(1, 100_000), "Request budget of each account; the gateway allows about 600."
    ] = 300
    base_url: Annotated[
        Url,
        "The gateway, without `/api/v1/me`. Plain http to another machine sends keys in clear and "
        "is warned about.",
    ] = "https://llm.bytespike.ai"


class Poll(Struct, frozen=True):
    """How often, each with ±10 % jitter. More polls than the request budget allows come late."""

    account: Annotated[Interval, "Between two polls of `/me/account`."] = 60.0
    usage: Annotated[Interval, "Between two polls of `/me/usage`."] = 60.0
    transactions: Annotated[Interval, "Between two polls of `/me/billing/transactions`."] = 300.0
    keys: Annotated[Interval, "Between two polls of `/keys`, the list of the account's keys."] = (
        600.0
    )


class Usage(Struct, frozen=True):
    """How usage is read and counted."""

    enabled: Annotated[Flag, "Whether usage is polled."] = True
    mode: Annotated[
        UsageMode,
        one_of(*UsageMode, convert=UsageMode),
        "Which of the two documented shapes of usage to ask for; `auto` follows the answers.",
    ] = UsageMode.AUTO
    start: Annotated[
        UsageStart,
        kinds.START,
        "Where counting begins on the first start, transactions too; a time is UTC unless it says "
        "otherwise. Later starts continue where the state file says.",
    ] = field(default_factory=UsageStart)
    settle_window: Annotated[
        float, duration("1h", "90d"), "How long a row or bucket may still change or appear late."
    ] = 172_800.0
    credits_per_usd: Annotated[
        int,
        whole(1, 1_000_000_000),
        "Credits that make one USD in usage rows; 1 where the rows carry USD.",
    ] = 1_000_000
    max_series: Annotated[
        int,
        whole(1, 1_000_000),
        "Pairs of key and model kept apart for each account; further ones count under `other`.",
    ] = 2000


class Transactions(Struct, frozen=True):
    """How wallet movements are read."""

    enabled: Annotated[Flag, "Whether transactions are polled."] = True


class Keys(Struct, frozen=True):
    """How the list of the account's keys is read: names, caps, expiry."""

    enabled: Annotated[
        Flag,
        "Whether the list is polled. A gateway may refuse it; then only what it tells is missing.",
    ] = True


class Runway(Struct, frozen=True):
    """How long the balance lasts."""

    window: Annotated[
        float,
        duration("1s", "90d"),
        "The spend of this long, in whole hours, makes the rate from which the runway is computed; "
        "until all of it was watched, that of what was.",
    ] = 21_600.0


class Otlp(Struct, frozen=True):
    """Where metrics are sent."""

    protocol: Annotated[Protocol, one_of(*Protocol, convert=Protocol), "How metrics are sent."] = (
        Protocol.HTTP
    )
    endpoint: Annotated[
        str,
        kinds.ENDPOINT,
        "The receiver. For HTTP, `/v1/metrics` is added to a path that does not end in it; gRPC "
        'takes no path and defaults to `http://localhost:4317`. `""` sends nothing, for those who '
        "only collect from `/metrics`.",
    ] = "http://localhost:4318/v1/metrics"
    headers: Annotated[
        dict[str, Secret],
        kinds.HEADERS,
        "Sent with each request; the values are treated as secrets. Better given by "
        "`OTEL_EXPORTER_OTLP_HEADERS`, from which headers that are not here are taken.",
    ] = field(default_factory=dict)
    compression: Annotated[
        Compression, one_of(*Compression, convert=Compression), "How requests are compressed."
    ] = Compression.GZIP
    interval: Annotated[Interval, "Between two exports."] = 30.0
    timeout: Annotated[Timeout, "The longest that one export may take."] = 10.0
    certificate: Annotated[PemPath, "Trusted to sign the receiver's certificate."] = None
    client_certificate: Annotated[PemPath, "Shown to the receiver; needs `client_key`."] = None
    client_key: Annotated[PemPath, "The key of `client_certificate`."] = None


class State(Struct, frozen=True):
    """What has been counted."""

    path: Annotated[
        Path, kinds.FILE, "Where totals and cursors are kept. It must survive a restart."
    ] = Path("state/bytespike.db")


class Http(Struct, frozen=True):
    """The status page, `/livez`, `/readyz` and `/metrics`."""

    listen: Annotated[Address, 'Where they are served; `""` turns them off.'] = field(
        default_factory=lambda: Listen("127.0.0.1", 9464)
    )
    allow_hosts: Annotated[
        tuple[str, ...],
        kinds.HOSTS,
        "Further names by which the page and `/metrics` may be called, such as a Service's; other "
        "names are answered 421. IP addresses and this machine's loopback names always pass; "
        "webhook, `/livez` and `/readyz` ask nobody.",
    ] = ()


class Tap(Struct, frozen=True):
    """What is read off the applications' own traffic; off by default: [tap.md](tap.md)."""

    listen: Annotated[
        Address, "Where observations come in as datagrams (UDP), from the hook and from proxies."
    ] = None
    account: Annotated[
        str | None,
        kinds.ACCOUNT_OR_NONE,
        "Whose keys are those that are no account's own. With one account it is that one; with "
        "several, observations of such keys are rejected where this is not set.",
    ] = None

    @property
    def enabled(self) -> bool:
        """Whether anything can be observed."""
        return self.listen is not None


class Webhook(Struct, frozen=True):
    """Events that the gateway pushes: [tap.md](tap.md)."""

    path: Annotated[str, kinds.URL_PATH, "Where `http.listen` takes the gateway's events."] = (
        "/hooks/bytespike"
    )
    secret_file: Annotated[
        FilePath,
        "The secret that signs deliveries, alone on one line; while it is rotated, old and new, "
        "each on a line. Read again when it changes. Without it, and without any account's "
        "`webhook_secret_file`, there is no webhook.",
    ] = None
    signature_header: Annotated[
        str,
        kinds.HEADER_NAME,
        "The header that carries the signature, in hex, with or without `sha256=` before it.",
    ] = "X-ByteSpike-Signature"


class Log(Struct, frozen=True):
    """How the log is written."""

    level: Annotated[
        str, one_of("debug", "info", "warning", "error"), "The least serious lines to write."
    ] = "info"
    format: Annotated[str, one_of("text", "json"), "Lines for people or for machines."] = "text"


class Config(Struct, frozen=True):
    """Everything that `run` needs.

    `resource_attributes` are the file's and the environment's together. `warnings` are lines
    for the log about what works but is probably not meant.
    """

    accounts: tuple[Account, ...]
    gateway: Gateway = field(default_factory=Gateway)
    poll: Poll = field(default_factory=Poll)
    usage: Usage = field(default_factory=Usage)
    transactions: Transactions = field(default_factory=Transactions)
    keys: Keys = field(default_factory=Keys)
    runway: Runway = field(default_factory=Runway)
    otlp: Otlp = field(default_factory=Otlp)
    state: State = field(default_factory=State)
    http: Http = field(default_factory=Http)
    tap: Tap = field(default_factory=Tap)
    webhook: Webhook = field(default_factory=Webhook)
    thresholds: Thresholds = field(default_factory=Thresholds)
    log: Log = field(default_factory=Log)
    resource_attributes: Annotated[
        dict[str, str],
        kinds.ATTRIBUTES,
        "Added to the OTLP resource. `OTEL_RESOURCE_ATTRIBUTES` adds those that are not here. "
        "`service.instance.id` is always that of the state file.",
    ] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
