"""SIGHUP: the daemon changes over to another configuration, or stays as it is."""

from __future__ import annotations

import logging
from pathlib import Path

import httpx
import pytest
from msgspec.structs import replace

from bytespike_simulator.wallet import CREDITS
from exporter.config.types import Http, Listen, Otlp, State, Tap
from exporter.gateway.readings import Endpoint
from exporter.status import ExportOutcome
from tests.daemon.live import Live, daemon, polled, said, shows, taken, until
from tests.otlp.receivers import HttpReceiver, black_hole
from tests.peers.process import free_port

pytestmark = pytest.mark.anyio

ACCOUNT = Endpoint.ACCOUNT


async def test_a_reload_changes_accounts_and_intervals_and_says_so(
    running: Live, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "exporter")
    wanted = replace(
        running.config,
        accounts=(running.account("test"), running.account("prod")),
        poll=replace(running.config.poll, account=0.3),
        warnings=("poll: this is not what you want",),
    )
    running.reload(wanted)
    await until(lambda: polled(running, "test"))
    shown = running.daemon._live
    assert list(shown.accounts) == ["test", "prod"]
    assert shown.accounts["prod"].endpoints[ACCOUNT].interval == 0.3
    await until(lambda: said(caplog, "Configuration reloaded"))
    assert said(caplog, "this is not what you want")
    running.reload(replace(wanted, accounts=wanted.accounts[:1]))
    await until(lambda: list(shown.accounts) == ["test"])
    assert 'account_name="prod"' not in (await running.get("/metrics")).text


async def test_an_account_that_comes_back_goes_on_counting_where_it_was(live: Live) -> None:
    live.simulator.world.bill(credits=CREDITS)
    async with daemon(live):
        await until(lambda: polled(live))
        live.reload(replace(live.config, accounts=(live.account("other"),)))
        await until(lambda: polled(live, "other"))
        live.simulator.world.bill(credits=CREDITS)
        live.reload(live.config)
        await until(lambda: polled(live))
        await shows(live, "bytespike_usage_cost_USD_total", "2.0")


async def test_a_changed_listen_address_is_moved_to(live: Live) -> None:
    async with daemon(live):
        before = live.daemon.address
        assert before is not None
        live.reload(replace(live.config, http=Http(listen=Listen("localhost", 0))))
        await until(lambda: live.daemon.address not in (before, None))
        assert (await live.get("/livez")).status_code == 200
        with pytest.raises(httpx.ConnectError):
            await live.get("/livez", before)
        live.reload(replace(live.config, http=Http(listen=None)))
        await until(lambda: live.daemon.address is None)
        live.reload(replace(live.config, http=Http(listen=Listen("127.0.0.1", 0))))
        await until(lambda: live.daemon.address is not None)
        assert (await live.get("/livez")).status_code == 200


@pytest.mark.parametrize("setting", ["http", "tap"])
async def test_an_address_that_cannot_be_had_leaves_the_listener_where_it_was(
    live: Live, caplog: pytest.LogCaptureFixture, setting: str
) -> None:
    live.change(http=Http(listen=Listen("127.0.0.1", free_port())), tap=Tap(Listen("127.0.0.1", 0)))
    async with daemon(live):
        before = live.daemon.address
        with taken(setting) as busy:
            live.reload(replace(live.config, **busy))
            await until(lambda: said(caplog, f"{setting}.listen stays as it was"))
            await until(lambda: live.daemon.address and live.daemon.tap)
        assert live.daemon.address == before
        assert (await live.get("/livez")).status_code == 200


async def test_readiness_outlives_a_reload_during_an_outage(running: Live) -> None:
    assert (await running.get("/readyz")).status_code == 200
    running.fail("status", status=503)
    before = running.daemon.address
    wanted = replace(running.config, accounts=(running.account("other"),))
    running.reload(replace(wanted, http=Http(listen=Listen("localhost", 0))))
    await until(lambda: running.daemon.address not in (before, None))
    assert (await running.get("/readyz")).status_code == 200


async def test_another_state_path_is_left_to_a_restart(
    tmp_path: Path, live: Live, caplog: pytest.LogCaptureFixture
) -> None:
    async with daemon(live):
        live.reload(replace(live.config, state=State(path=tmp_path / "other.db")))
        await until(lambda: said(caplog, "opened by a restart only"))
        await until(lambda: polled(live))
        assert not (tmp_path / "other.db").exists()


async def test_a_reload_while_the_receiver_hangs_keeps_polling_and_its_word(live: Live) -> None:
    with black_hole() as port, HttpReceiver() as receiver:
        hanging = Otlp(endpoint=f"http://127.0.0.1:{port}/", interval=0.2, timeout=3.0)
        live.change(otlp=hanging)
        async with daemon(live):
            await until(lambda: polled(live))
            exports = live.daemon._runtime.exports
            assert exports is not None
            await until(exports._exporting.locked)
            live.reload(replace(live.config, otlp=replace(hanging, endpoint=receiver.url)))
            await until(lambda: receiver.received)
            assert live.daemon._retiring, "nothing waited for the old receiver"
            outcomes = live.daemon._live.exports.outcomes
            await until(lambda: outcomes[ExportOutcome.SUCCESS])
            await until(lambda: not live.daemon._retiring)
