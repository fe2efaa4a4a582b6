"""SIGHUP: the daemon changes over to another configuration, or stays as it is."""

from __future__ import annotations

import asyncio
import logging
import time
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest
from msgspec.structs import replace

from bytespike_simulator.wallet import CREDITS
from exporter import daemon as daemon_module
from exporter.config.types import Http, Listen, Otlp, State
from exporter.errors import ConfigError, StateError
from exporter.gateway.readings import Endpoint
from exporter.ledger.store import Store
from exporter.live import ExportOutcome
from tests.daemon.live import daemon, gateway, hanging_ledger, polled, said, until
from tests.otlp.receivers import HttpReceiver, black_hole, free_port

pytestmark = pytest.mark.anyio

ACCOUNT, USAGE = Endpoint.ACCOUNT, Endpoint.USAGE


async def test_a_reload_changes_accounts_and_intervals_and_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "exporter")
    async with gateway(tmp_path) as live, daemon(live):
        await until(lambda: polled(live))
        wanted = replace(
            live.config,
            accounts=(live.account("test"), live.account("prod")),
            poll=replace(live.config.poll, account=0.3),
            warnings=("poll: this is not what you want",),
        )
        live.reload(wanted)
        await until(lambda: polled(live, "test"))
        shown = live.daemon._live
        assert list(shown.accounts) == ["test", "prod"]
        assert shown.accounts["prod"].endpoints[ACCOUNT].interval == 0.3
        assert said(caplog, "Configuration reloaded")
        assert said(caplog, "this is not what you want")
        live.reload(replace(wanted, accounts=wanted.accounts[:1]))
        await until(lambda: list(shown.accounts) == ["test"])
        assert 'account_name="prod"' not in (await live.get("/metrics")).text


async def test_an_account_that_comes_back_goes_on_counting_where_it_was(tmp_path: Path) -> None:
    async with gateway(tmp_path) as live:
        live.simulator.world.bill(credits=CREDITS)
        async with daemon(live):
            await until(lambda: polled(live))
            live.reload(replace(live.config, accounts=(live.account("other"),)))
            await until(lambda: polled(live, "other"))
            live.simulator.world.bill(credits=CREDITS)
            live.reload(live.config)
            await until(lambda: polled(live))
            text = (await live.get("/metrics")).text
            (line,) = [x for x in text.splitlines() if x.startswith("bytespike_usage_cost_USD_t")]
            assert line.endswith(" 2.0")


async def test_an_invalid_configuration_changes_nothing_and_every_problem_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with gateway(tmp_path) as live, daemon(live):
        await until(lambda: polled(live))
        runtime = live.daemon._runtime
        live.reload(ConfigError(("poll.usage: is too short", "accounts: is missing")))
        await until(lambda: said(caplog, "accounts: is missing"))
        assert said(caplog, "poll.usage: is too short")
        assert said(caplog, "the old one stays in force")
        assert live.daemon._runtime is runtime
        polls = live.simulator.requests["account"]
        await until(lambda: live.simulator.requests["account"] > polls + 2)


async def test_a_reload_that_the_state_file_spoils_changes_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with gateway(tmp_path) as live, daemon(live):
        await until(lambda: polled(live))
        with monkeypatch.context() as patch:
            patch.setattr(Store, "transaction", _full)
            live.reload(replace(live.config, accounts=(live.account("other"),)))
            await until(lambda: said(caplog, "send SIGHUP again"))
        assert list(live.daemon._live.accounts) == ["prod"]
        live.daemon.reload()
        await until(lambda: polled(live, "other"))


def _full(self: Store) -> None:
    raise StateError("the disk is full")


async def test_a_changed_listen_address_is_moved_to(tmp_path: Path) -> None:
    async with gateway(tmp_path) as live, daemon(live):
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


async def test_a_listen_address_that_cannot_be_had_leaves_the_old_one(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with black_hole() as taken:
        async with gateway(tmp_path) as live:
            port = free_port()
            live.change(http=Http(listen=Listen("127.0.0.1", port)))
            async with daemon(live):
                live.reload(replace(live.config, http=Http(listen=Listen("127.0.0.1", taken))))
                await until(lambda: said(caplog, "http.listen stays as it was"))
                await until(lambda: live.daemon.address is not None)
                assert live.daemon.address == f"127.0.0.1:{port}"
                assert (await live.get("/livez")).status_code == 200


async def test_readiness_outlives_a_reload_during_an_outage(tmp_path: Path) -> None:
    async with gateway(tmp_path) as live, daemon(live):
        await until(lambda: polled(live))
        assert (await live.get("/readyz")).status_code == 200
        live.fail("status", status=503)
        before = live.daemon.address
        wanted = replace(live.config, accounts=(live.account("other"),))
        live.reload(replace(wanted, http=Http(listen=Listen("localhost", 0))))
        await until(lambda: live.daemon.address not in (before, None))
        assert (await live.get("/readyz")).status_code == 200


async def test_another_state_path_is_left_to_a_restart(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with gateway(tmp_path) as live, daemon(live):
        live.reload(replace(live.config, state=State(path=tmp_path / "other.db")))
        await until(lambda: said(caplog, "opened by a restart only"))
        await until(lambda: polled(live))
        assert not (tmp_path / "other.db").exists()


async def test_a_reload_while_the_receiver_hangs_keeps_polling_and_its_word(
    tmp_path: Path,
) -> None:
    with black_hole() as port:
        async with gateway(tmp_path) as live:
            hanging = Otlp(endpoint=f"http://127.0.0.1:{port}/", interval=0.2, timeout=3.0)
            live.change(otlp=hanging)
            async with daemon(live):
                await until(lambda: polled(live))
                exports = live.daemon._runtime.exports
                assert exports is not None
                await until(exports._exporting.locked)
                with HttpReceiver() as receiver:
                    otlp = replace(hanging, endpoint=receiver.url)
                    live.reload(replace(live.config, otlp=otlp))
                    await until(lambda: receiver.received)
                    assert live.daemon._retiring, "nothing waited for the old receiver"
                    outcomes = live.daemon._live.exports.outcomes
                    await until(lambda: outcomes[ExportOutcome.SUCCESS])
                    await until(lambda: not live.daemon._retiring)


async def test_it_ends_in_the_middle_of_a_reload(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(daemon_module, "CLOSE_STATE", 0.2)
    async with gateway(tmp_path) as live:
        with ExitStack() as stack:
            async with daemon(live):
                await until(lambda: polled(live))
                stack.enter_context(hanging_ledger(live))
                live.reload(replace(live.config, accounts=(live.account("other"),)))
                await asyncio.sleep(0.2)
                began = time.monotonic()
            assert time.monotonic() - began < 6
