"""The typed configuration: every setting once, with its default and what it means.

`exporter.config.load` reads it from YAML and the environment, by the table in
`exporter.config.settings`, from which `docs/configuration.md` is made too. Durations are in
seconds.
"""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path

import msgspec
from msgspec import field

from exporter.secrets import Secret


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


class Listen(msgspec.Struct, frozen=True):
    """An address to listen on. Port 0 takes a free one."""

    host: str
    port: int

    def __str__(self) -> str:
        """As it is written in the configuration: `host:port`, `[::1]:port`."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class Account(msgspec.Struct, frozen=True):
    """One account: exactly one of `api_key_env` and `api_key_file` is set."""

    name: str
    base_url: str
    api_key_env: str | None = None
    api_key_file: Path | None = None


class Gateway(msgspec.Struct, frozen=True):
    """How requests are made. `timeout` bounds one request, the budget counts per account.

    `base_url` is what accounts without one of their own have in `Account.base_url`.
    """

    timeout: float = 10.0
    max_requests_per_minute: int = 300
    base_url: str = "https://llm.bytespike.ai"


class Poll(msgspec.Struct, frozen=True):
    """Poll intervals, each with ±10 % jitter. `account_relaxed` while the tap is fresh."""

    account: float = 60.0
    usage: float = 60.0
    transactions: float = 300.0
    account_relaxed: float = 600.0


class UsageStart(msgspec.Struct, frozen=True):
    """Where counting begins on the first start: `at` (Unix s), or `back` seconds before it."""

    at: float | None = None
    back: float = 0.0

    def instant(self, now: float) -> float:
        """The start in Unix s on a first start at `now`: never later than `now`."""
        return min(now, self.at if self.at is not None else now - self.back)


class Usage(msgspec.Struct, frozen=True):
    """How usage is counted."""

    enabled: bool = True
    mode: UsageMode = UsageMode.AUTO
    start: UsageStart = field(default_factory=UsageStart)
    settle_window: float = 172_800.0
    credits_per_usd: int = 1_000_000
    max_series: int = 2000


class Otlp(msgspec.Struct, frozen=True):
    """Where metrics go.

    `endpoint` is the URL that is used, path included for HTTP, no path for gRPC; "" sends
    nothing. Names of `headers` are in lower case.
    """

    protocol: Protocol = Protocol.HTTP
    endpoint: str = "http://localhost:4318/v1/metrics"
    headers: dict[str, Secret] = field(default_factory=dict)
    compression: Compression = Compression.GZIP
    interval: float = 30.0
    timeout: float = 10.0
    certificate: Path | None = None
    client_certificate: Path | None = None
    client_key: Path | None = None


class Transactions(msgspec.Struct, frozen=True):
    """Whether wallet movements are polled."""

    enabled: bool = True


class Runway(msgspec.Struct, frozen=True):
    """The spend of `window` seconds makes the rate from which the runway is computed."""

    window: float = 21_600.0


class State(msgspec.Struct, frozen=True):
    """Where totals and cursors are kept."""

    path: Path = Path("state/bytespike.db")


class Http(msgspec.Struct, frozen=True):
    """The status page, health and `/metrics`; None turns them off.

    `allow_hosts`: further host names under which page and `/metrics` may be asked for.
    """

    listen: Listen | None = field(default_factory=lambda: Listen("127.0.0.1", 9464))
    allow_hosts: tuple[str, ...] = ()


class Thresholds(msgspec.Struct, frozen=True):
    """What the page calls low; the numbers of `deploy/alerts/thresholds.yaml`."""

    balance_floor_usd: float = 10
    runway_warning_hours: float = 24
    runway_critical_hours: float = 4
    spend_spike_factor: float = 4
    spend_spike_minimum_usd_per_hour: float = 1
    organization_balance_usd: float = 50
    rate_limit_remaining_ratio: float = 0.1
    key_quota_remaining_usd: float = 5
    model_quota_utilization_ratio: float = 0.9
    refused_calls_ratio: float = 0.05
    observations_rejected_ratio: float = 0.1
    webhook_unverified: float = 2
    ledger_drift_usd: float = 1
    stale_minutes: float = 20
    silent_minutes: float = 15
    export_failure_ratio: float = 0.5


class TapProxy(msgspec.Struct, frozen=True):
    """The proxy in front of the gateway. `allow_hosts`: further names by which it may be called."""

    listen: Listen | None = None
    allow_hosts: tuple[str, ...] = ()


class Tap(msgspec.Struct, frozen=True):
    """What is read off the applications' own traffic; everything is off by default.

    `account` owns the keys that are no account's own; None where there is only one account.
    """

    listen: Listen | None = None
    account: str | None = None
    proxy: TapProxy = field(default_factory=TapProxy)

    @property
    def enabled(self) -> bool:
        """Whether anything can be observed."""
        return self.listen is not None or self.proxy.listen is not None


class Webhook(msgspec.Struct, frozen=True):
    """Where the gateway may push events; off without `secret_file`."""

    path: str = "/hooks/bytespike"
    secret_file: Path | None = None
    signature_header: str = "X-ByteSpike-Signature"

    def takes(self, path: str) -> bool:
        """Whether deliveries come to this path."""
        return self.secret_file is not None and path == self.path


class Log(msgspec.Struct, frozen=True):
    """How the log is written. `format` is `text` or `json`."""

    level: str = "info"
    format: str = "text"


class Config(msgspec.Struct, frozen=True):
    """Everything that `run` needs.

    `resource_attributes` are the file's and the environment's together. `warnings` are lines
    for the log about what works but is probably not meant.
    """

    accounts: tuple[Account, ...]
    gateway: Gateway = field(default_factory=Gateway)
    poll: Poll = field(default_factory=Poll)
    usage: Usage = field(default_factory=Usage)
    transactions: Transactions = field(default_factory=Transactions)
    runway: Runway = field(default_factory=Runway)
    otlp: Otlp = field(default_factory=Otlp)
    state: State = field(default_factory=State)
    http: Http = field(default_factory=Http)
    tap: Tap = field(default_factory=Tap)
    webhook: Webhook = field(default_factory=Webhook)
    log: Log = field(default_factory=Log)
    thresholds: Thresholds = field(default_factory=Thresholds)
    resource_attributes: dict[str, str] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
