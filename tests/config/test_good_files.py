"""What a file may say, what it means, and how it is shown again."""

import json
from pathlib import Path

import pytest
import yaml
from msgspec.structs import replace

from exporter.config import types
from exporter.config.load import describe, load, parse
from exporter.config.reference import markdown
from exporter.config.settings import SETTINGS
from exporter.config.types import Account, Config, Listen, UsageStart
from exporter.secrets import Secret

ROOT = Path(__file__).parents[2]
ENVIRON = {"BYTESPIKE_API_KEY": "sk-byts-0123456789abcdef"}
LEAST = "accounts: [{name: prod, api_key_env: BYTESPIKE_API_KEY}]\n"
PEM = Path(__file__).parent / "client.pem"
EVERYTHING = f"""
gateway: {{base_url: "https://gw.example:8443/spike/", timeout: 250ms, max_requests_per_minute: 7}}
accounts:
  - {{name: no, api_key_env: BYTESPIKE_API_KEY}}
  - {{name: "2", api_key_file: {PEM}, base_url: "https://[::1]:9"}}
poll: {{account: 1s, usage: 2m, transactions: 3h}}
usage:
  enabled: false
  mode: rollup
  start: 2026-05-01T02:00:00+02:00
  settle_window: 3d
  credits_per_usd: 1e+06
  max_series: 1_000
transactions: {{enabled: No}}
runway: {{window: 1h}}
otlp:
  protocol: grpc
  endpoint: https://otlp.example:4317/
  headers: {{X-Team: 17, authorization: Bearer abc}}
  compression: none
  interval: 1s
  timeout: 2s
  certificate: {PEM}
  client_certificate: {PEM}
  client_key: {PEM}
state: {{path: /var/lib/state.db}}
http: {{listen: "[::1]:0", allow_hosts: [Spike.example, "[::2]"]}}
tap:
  listen: 127.0.0.1:8789
  account: "2"
thresholds: {{balanceFloorUsd: 2.5, staleMinutes: 30, refusedCallsRatio: 5e-02}}
webhook: {{path: /in, secret_file: {PEM}, signature_header: X-Signature}}
log: {{level: debug, format: json}}
resource_attributes: {{deployment.environment: yes, team: Grün}}
"""
PROD = Account("prod", "https://llm.bytespike.ai", api_key_env="BYTESPIKE_API_KEY")


def with_settings(text: str) -> Config:
    return parse(LEAST + text, ENVIRON)


def test_everything_but_the_accounts_has_the_default_of_the_types() -> None:
    assert parse(LEAST, ENVIRON) == Config(accounts=(PROD,))


def test_the_example_file_says_the_defaults() -> None:
    config = load(ROOT / "config.yaml", ENVIRON)
    assert config == Config(accounts=(PROD,))
    assert config.warnings == ()


def test_the_example_file_names_every_setting() -> None:
    text = (ROOT / "config.yaml").read_text(encoding="utf-8")
    assert [key for settings in SETTINGS.values() for key in settings if key not in text] == []


def test_every_setting_reaches_its_place() -> None:
    config = parse(EVERYTHING, ENVIRON)
    gateway = "https://gw.example:8443/spike"
    assert replace(config, warnings=()) == Config(
        accounts=(
            Account("no", gateway, api_key_env="BYTESPIKE_API_KEY"),
            Account("2", "https://[::1]:9", api_key_file=PEM),
        ),
        gateway=types.Gateway(0.25, 7, gateway),
        poll=types.Poll(1.0, 120.0, 10_800.0),
        usage=types.Usage(
            enabled=False,
            mode=types.UsageMode.ROLLUP,
            start=UsageStart(at=1_777_593_600.0),
            settle_window=259_200.0,
            credits_per_usd=1_000_000,
            max_series=1000,
        ),
        transactions=types.Transactions(enabled=False),
        runway=types.Runway(window=3600.0),
        otlp=types.Otlp(
            protocol=types.Protocol.GRPC,
            endpoint="https://otlp.example:4317",
            headers={"x-team": Secret("17"), "authorization": Secret("Bearer abc")},
            compression=types.Compression.NONE,
            interval=1.0,
            timeout=2.0,
            certificate=PEM,
            client_certificate=PEM,
            client_key=PEM,
        ),
        state=types.State(path=Path("/var/lib/state.db")),
        http=types.Http(listen=Listen("::1", 0), allow_hosts=("spike.example", "::2")),
        tap=types.Tap(listen=Listen("127.0.0.1", 8789), account="2"),
        thresholds=types.Thresholds(2.5, stale_minutes=30, refused_calls_ratio=0.05),
        webhook=types.Webhook("/in", PEM, "X-Signature"),
        log=types.Log("debug", "json"),
        resource_attributes={"deployment.environment": "yes", "team": "Grün"},
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("poll:\nusage: {}\notlp: ~\nresource_attributes:\n", Config((PROD,))),
        ('http: {listen: ""}\n', Config((PROD,), http=types.Http(listen=None))),
        ('otlp: {endpoint: ""}\n', Config((PROD,), otlp=types.Otlp(endpoint=""))),
    ],
)
def test_what_is_empty_leaves_out_a_section_and_turns_off_what_has_an_address(
    text: str, expected: Config
) -> None:
    assert with_settings(text) == expected


@pytest.mark.parametrize(
    ("text", "start"),
    [
        ("now", UsageStart()),
        ("-24h", UsageStart(back=86_400.0)),
        ("2026-05-01", UsageStart(at=1_777_593_600.0)),
        ("2026-05-01 00:00:00", UsageStart(at=1_777_593_600.0)),
        ('"2026-05-01T00:00:00Z"', UsageStart(at=1_777_593_600.0)),
    ],
)
def test_a_start_is_now_a_way_back_or_a_time_in_utc(text: str, start: UsageStart) -> None:
    assert with_settings(f"usage: {{start: {text}}}\n").usage.start == start


def test_a_start_is_never_later_than_now() -> None:
    assert UsageStart().instant(1000.0) == 1000.0
    assert UsageStart(back=60.0).instant(1000.0) == 940.0
    assert UsageStart(at=500.0).instant(1000.0) == 500.0
    assert UsageStart(at=2000.0).instant(1000.0) == 1000.0


def test_doubtful_settings_are_warned_about(tmp_path: Path) -> None:
    config = parse(
        f"""
gateway: {{base_url: "http://gw.example", max_requests_per_minute: 60}}
accounts:
  - {{name: a, api_key_file: {tmp_path}/later}}
  - {{name: b, api_key_env: BYTESPIKE_API_KEY, base_url: "http://10.0.0.1"}}
poll: {{account: 500ms}}
otlp: {{endpoint: "http://otlp.example:4317", headers: {{a: b}}}}
webhook: {{secret_file: {tmp_path}/secret}}
""",
        ENVIRON,
    )
    assert config.warnings == (
        "gateway.base_url: is not https, so keys cross the network in clear",
        f"accounts[0].api_key_file: {tmp_path}/later is not there yet; polls of a fail until it is",
        "accounts[1].base_url: is not https, so the key crosses the network in clear",
        "poll: asks for 121 requests a minute, more than gateway.max_requests_per_minute allows; "
        "polls will come later than configured",
        "otlp.endpoint: is not https, so otlp.headers cross the network in clear",
        "otlp.endpoint: port 4317 is usually for grpc, and otlp.protocol is http/protobuf",
        f"webhook.secret_file: {tmp_path}/secret is not there yet; deliveries are answered 503 "
        "until it is",
    )


@pytest.mark.parametrize("host", ["localhost", "127.0.0.5", "[::1]", "gw.localhost"])
def test_plain_http_on_this_machine_is_fine(host: str) -> None:
    assert with_settings(f'gateway: {{base_url: "http://{host}:1"}}\n').warnings == ()


def test_the_description_reads_back_as_the_same_configuration() -> None:
    config = with_settings(
        'resource_attributes: {"a: b": \'"no"\', e: "{é}"}\ntap: {listen: "[::1]:0"}\n'
        "poll: {usage: 1500ms}\nhttp: {allow_hosts: [a.example, b]}\n"
        "usage: {start: -90m}\nlog: {level: debug}\n"
    )
    assert parse(describe(config), ENVIRON) == config


def test_the_description_hides_headers() -> None:
    shown = describe(with_settings("otlp: {headers: {authorization: SECRET-MARK}}\n"))
    assert "  headers: {authorization: (hidden)}\n" in shown
    assert "SECRET-MARK" not in shown


def test_the_reference_is_the_one_in_the_repository() -> None:
    assert markdown() == (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")


def test_thresholds_have_the_names_and_values_of_the_alerts() -> None:
    alerts = yaml.safe_load((ROOT / "deploy/alerts/thresholds.yaml").read_text(encoding="utf-8"))
    defaults = {key: one.default for key, one in SETTINGS["thresholds"].items()}
    assert defaults == alerts["thresholds"]


@pytest.mark.parametrize("pretty", [False, True])
def test_a_file_may_hold_json(pretty: bool) -> None:
    tree = {
        "accounts": [{"name": "prod 🚀", "api_key_env": "BYTESPIKE_API_KEY"}],
        "usage": {"max_series": 7, "enabled": False},
        "thresholds": {"balanceFloorUsd": 0.5},
        "otlp": None,
    }
    text = json.dumps(tree, indent="\t" if pretty else None, ensure_ascii=not pretty)
    assert parse(text, ENVIRON) == Config(
        accounts=(replace(PROD, name="prod 🚀"),),
        usage=types.Usage(enabled=False, max_series=7),
        thresholds=types.Thresholds(0.5),
    )


@pytest.mark.parametrize(
    ("written", "per_usd"), [("auto", None), ('"auto"', None), ("1", 1), ("1_000_000", 1_000_000)]
)
def test_the_unit_of_credits_is_told_by_the_answers_or_a_number(
    written: str, per_usd: int | None
) -> None:
    assert with_settings(f"usage: {{credits_per_usd: {written}}}\n").usage == types.Usage(
        credits_per_usd=per_usd
    )
