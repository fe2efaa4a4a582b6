"""SIGTERM and SIGINT end the daemon with 0 in time, whatever hangs; SIGHUP never ends it."""

from __future__ import annotations

import signal
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from tests.commands.programs import LIMIT, Exporter, configured
from tests.e2e.gateway import Gateway
from tests.otlp.receivers import HttpReceiver, black_hole
from tests.peers.process import until

HANGING_LEDGER = """
import time
from exporter.ledger.ledger import Ledger
Ledger.commit_account = lambda *arguments: time.sleep(3600)
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["TERM", "INT"])
@pytest.mark.parametrize(
    "hanging",
    [(), ("gateway",), ("receiver",), ("gateway", "receiver", "ledger")],
    ids=lambda hanging: "+".join(hanging) or "nothing",
)
def test_it_ends_with_0_in_time_whatever_hangs(
    tmp_path: Path, gateway: Gateway, hanging: tuple[str, ...], number: signal.Signals
) -> None:
    with ExitStack() as stack:
        hole = f"http://127.0.0.1:{stack.enter_context(black_hole())}"
        fine = stack.enter_context(HttpReceiver())
        url = hole if "gateway" in hanging else gateway.url
        otlp = {"endpoint": hole if "receiver" in hanging else fine.url, "timeout": "30s"}
        config = configured(tmp_path, url, gateway.key, otlp=otlp, gateway={"timeout": "30s"})
        wrapper = HANGING_LEDGER if "ledger" in hanging else ""
        exporter = stack.enter_context(Exporter(config, wrapper=wrapper))
        if not hanging:
            until(lambda: httpx.get(f"{exporter.url}/readyz").status_code == 200, "readiness")
            until(lambda: fine.received, "an export")
        before = len(fine.received)
        code, seconds = exporter.end(number)
        assert code == 0, exporter.output()
        assert seconds < LIMIT - 1
        assert "Stopped" in exporter.output()
        assert "Traceback" not in exporter.output()
        if not hanging:
            assert len(fine.received) > before, "a last export"
            assert " warning " not in exporter.output()
            assert " error " not in exporter.output()


def test_sighup_reloads_and_an_invalid_file_changes_nothing(
    tmp_path: Path, gateway: Gateway
) -> None:
    config = configured(tmp_path, gateway.url, gateway.key)
    with Exporter(config) as exporter:
        configured(tmp_path, gateway.url, gateway.key, log={"level": "debug"})
        exporter.signal(signal.SIGHUP)
        exporter.logged("(Configuration reloaded)")
        exporter.logged("(debug .*polled in)")
        config.write_text("accounts: []\npoll: {usage: soon}\nlgo: 7\n")
        exporter.signal(signal.SIGHUP)
        exporter.logged("(the old one stays in force)")
        said = exporter.logged(r"(?s)(error +lgo: is not a setting.*)")
        assert "accounts: is empty" in exporter.output()
        assert "poll.usage:" in said or "poll.usage:" in exporter.output()
        config.unlink()
        exporter.signal(signal.SIGHUP)
        exporter.logged("(config.yaml: cannot be read: No such file)")
        assert httpx.get(f"{exporter.url}/livez").status_code == 200
        assert exporter.end()[0] == 0
