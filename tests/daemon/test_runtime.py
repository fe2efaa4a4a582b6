"""The parts of one configuration: started together, kept running, handed over at a reload."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from msgspec.structs import replace

from exporter import runtime as runtime_module
from exporter.config.types import Account, Config, Keys, Otlp, Poll, Transactions, Usage, UsageStart
from exporter.errors import ConfigError, Outcome
from exporter.gateway.readings import Endpoint
from exporter.ledger.store import Store
from exporter.live import Live
from exporter.metrics.snapshot import Snapshot
from exporter.otlp.receiver import ExportResult, success
from exporter.runtime import (
    FIRST_POLLS,
    RESTART,
    Runtime,
    connect,
    intervals,
    resource,
)
from exporter.status import RowOutcome
from exporter.throttle import Throttle
from tests.clock import NOW, VirtualClock
from tests.daemon.fakes import DAY, FakeGateway, InlineWorker

pytestmark = pytest.mark.anyio

ACCOUNT, USAGE, TRANSACTIONS = Endpoint.ACCOUNT, Endpoint.USAGE, Endpoint.TRANSACTIONS


class Yard:
    """What outlives a reload, in simulated time; `gateways` by account name."""

    def __init__(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.clock = VirtualClock()
        self.worker = InlineWorker()
        self.store = Store(path / "state.db")
        self.store.db.execute("PRAGMA synchronous = OFF")
        self.gateways: dict[str, FakeGateway] = {}
        self.sent: list[tuple[float, Snapshot]] = []
        self.live = Live(NOW)
        monkeypatch.setattr(runtime_module, "GatewayClient", self._client)
        monkeypatch.setattr("exporter.otlp.OtlpExporter", lambda *arguments: self)

    def _client(self, http: object, account: Account, *rest: object) -> FakeGateway:
        return self.gateways.setdefault(account.name, FakeGateway(self.clock))

    def runtime(self, wanted: Config) -> Runtime:
        throttle = Throttle(logging.getLogger("exporter"), self.clock)
        return Runtime(wanted, self.live, self.store, self.worker, self.clock, throttle, {})

    # It is its own OTLP exporter.

    async def export(self, snapshot: Snapshot) -> ExportResult:
        self.sent.append((self.clock.now(), snapshot))
        return success()

    async def close(self) -> None:
        pass


@pytest.fixture
def yard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Yard]:
    made = Yard(tmp_path, monkeypatch)
    yield made
    made.store.close()


def config(*names: str, **changes: object) -> Config:
    accounts = tuple(Account(name, "https://gateway.test", api_key_env="KEY") for name in names)
    whole = Config(accounts=accounts, otlp=Otlp(endpoint=""))
    return replace(whole, **changes)


@asynccontextmanager
async def started(yard: Yard, wanted: Config) -> AsyncIterator[Runtime]:
    runtime = yard.runtime(wanted)
    await runtime.open()
    runtime.take_over()
    runtime.start()
    try:
        yield runtime
    finally:
        await runtime.stop()


async def test_first_polls_are_spread_over_the_accounts(yard: Yard) -> None:
    names = [f"a{number}" for number in range(50)]
    async with started(yard, config(*names)):
        await yard.clock.advance(5)
    firsts = [yard.gateways[name].of(ACCOUNT)[0][0] - NOW for name in names]
    assert firsts == pytest.approx([0.02 * number for number in range(50)])


async def test_a_mistake_in_one_part_is_logged_and_leaves_the_others_alone(
    yard: Yard, caplog: pytest.LogCaptureFixture
) -> None:
    async with started(yard, config("prod", "test")):
        yard.gateways["prod"].failing[USAGE] = RuntimeError("a mistake")
        await yard.clock.advance(200)
        statuses = yard.live.accounts["prod"].endpoints
        assert statuses[ACCOUNT].polls[Outcome.SUCCESS] >= 3
        assert statuses[USAGE].polls == {}
        assert yard.live.accounts["test"].endpoints[USAGE].polls[Outcome.SUCCESS] >= 3
        assert len(yard.gateways["prod"].of(ACCOUNT)) <= 5, "no loop was doubled"
        crashes = [record for record in caplog.records if record.exc_info]
        assert len(crashes) == pytest.approx(200 / RESTART, abs=2)
        assert "Please report it" in crashes[0].getMessage()
        del yard.gateways["prod"].failing[USAGE]
        await yard.clock.advance(RESTART)
        assert statuses[USAGE].up is True


@pytest.mark.parametrize(
    ("cost", "at", "back"),
    [(0.1, 0.3, 0.0), (3600.0, FIRST_POLLS, 0.0), (0.2, 0.2, 60 * DAY)],
    ids=["first answers", "a gateway that hangs", "history"],
)
async def test_the_first_export_comes_with_the_first_answers_or_soon(
    yard: Yard, cost: float, at: float, back: float
) -> None:
    yard.gateways["prod"] = FakeGateway(yard.clock)
    yard.gateways["prod"].cost = cost
    usage = Usage(start=UsageStart(back=back))
    async with started(yard, config("prod", otlp=Otlp(endpoint="http://receiver"), usage=usage)):
        await yard.clock.advance(at + 0.5)
        await asyncio.sleep(0.05)
    assert [when - NOW for when, _ in yard.sent] == pytest.approx([at], abs=0.35)
    shown = {point.metric.name for point in yard.sent[0][1].points}
    assert ("bytespike.wallet.balance" in shown) == (cost < 60)


async def test_an_account_that_stays_keeps_what_was_read_through_a_reload(yard: Yard) -> None:
    live = yard.live
    async with started(yard, config("prod", "old")):
        await yard.clock.advance(100)
        before = live.accounts["prod"]
        before.rows[RowOutcome.REJECTED] = 3
        polls = before.endpoints[ACCOUNT].polls[Outcome.SUCCESS]
        assert before.account is not None
    wanted = config("new", "prod", poll=Poll(account=7.0), transactions=Transactions(enabled=False))
    async with started(yard, wanted) as runtime:
        assert list(live.accounts) == ["new", "prod"]
        prod = live.accounts["prod"]
        assert prod.account is before.account
        assert prod.rows[RowOutcome.REJECTED] == 3
        assert list(prod.endpoints) == [ACCOUNT, USAGE, Endpoint.KEYS]
        await yard.clock.advance(70)
        assert prod.endpoints[ACCOUNT].interval == 7.0
        assert prod.endpoints[ACCOUNT].polls[Outcome.SUCCESS] >= polls + 9
        assert live.accounts["new"].endpoints[ACCOUNT].up is True
        assert set(runtime.ledger.totals()) == {"new", "prod"}
        asked = len(yard.gateways["old"].asked)
        await yard.clock.advance(100)
        assert len(yard.gateways["old"].asked) == asked


def test_what_is_turned_off_is_not_polled() -> None:
    off = config(
        "prod",
        usage=Usage(enabled=False),
        transactions=Transactions(enabled=False),
        keys=Keys(enabled=False),
    )
    assert list(intervals(off)) == [ACCOUNT]


@pytest.mark.parametrize("outside", [{}, {"service.instance.id": "a-pod"}])
def test_resource_attributes_of_the_configuration_win_but_for_the_identity(
    outside: dict[str, str],
) -> None:
    named = config("prod", resource_attributes={"service.name": "mine", "team": "ml", **outside})
    made = resource(named, "the-id")
    assert (made["service.name"], made["team"]) == ("mine", "ml")
    assert made["service.instance.id"] == "the-id"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SSL_CERT_FILE", "/nowhere/ca.pem"),
        ("HTTPS_PROXY", "gopher://user:secret@proxy.test"),
        ("HTTPS_PROXY", "http://user:secret@proxy.test:port"),
    ],
)
async def test_an_environment_that_spoils_every_connection_is_a_problem_of_configuration(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigError, match="check SSL_CERT_FILE") as caught:
        await connect(config("prod")).aclose()
    assert "secret" not in str(caught.value)
