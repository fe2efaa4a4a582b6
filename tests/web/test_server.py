"""The server over real sockets: answers and bounds."""

from __future__ import annotations

import asyncio
import logging
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from exporter.config.types import Listen, Webhook
from exporter.errors import StateError
from exporter.ledger.totals import AccountTotals
from exporter.web.server import MAX_HEADER_BYTES, WebServer
from tests.web.fakes import configured, healthy
from tests.web.serving import (
    IMPATIENT,
    connect,
    ended,
    get,
    hanging,
    known,
    opened,
    running,
    serving,
    told,
    until,
)

pytestmark = pytest.mark.anyio


async def test_the_page_carries_its_security_headers() -> None:
    async with running() as server:
        response = await get(server, "/")
    policy = response.headers["content-security-policy"]
    assert response.status_code == 200
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "unsafe" not in policy
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.headers["referrer-policy"] == "no-referrer"
    assert response.headers["cache-control"] == "no-store"
    assert "server" not in response.headers
    assert "$31.40" in response.text


async def test_head_answers_the_headers_of_get_and_no_body() -> None:
    async with running() as server:
        got, head = await get(server, "/"), await get(server, "/", "HEAD")
    assert head.content == b""
    assert head.headers["content-length"] == got.headers["content-length"]


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PATCH"])
@pytest.mark.parametrize("hooked", [False, True])
async def test_nothing_can_be_written(method: str, hooked: bool, tmp_path: Path) -> None:
    view, totals = healthy("prod")
    view = configured(view, webhook=Webhook("/in", tmp_path / "secret" if hooked else None))
    async with running(serving(view, known(totals))) as server:
        for path in ("/", "/metrics", "/livez", "/readyz"):
            response = await get(server, path, method)
            assert response.status_code == 405
            assert response.headers["allow"] == "GET, HEAD"
        found = await get(server, "/in", method)
        assert (await get(server, "/hooks/bytespike", method)).status_code == 404
    wanted = 404 if not hooked else 503 if method == "POST" else 405
    assert found.status_code == wanted


async def test_other_paths_and_accounts_are_not_found() -> None:
    async with running() as server:
        assert (await get(server, "/favicon.ico")).status_code == 404
        assert (await get(server, "//metrics")).status_code == 404
        assert (await get(server, "/?account=nobody")).status_code == 404
        assert (await get(server, "/?account=prod&page=x&refresh=off")).status_code == 200
        assert (await get(server, "/?account=%ff%00%3Cscript%3E")).status_code == 404


async def test_a_state_that_fails_or_hangs_costs_only_what_was_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("exporter.web.app.TOTALS_SECONDS", 0.01)

    async def broken() -> Mapping[str, AccountTotals]:
        raise StateError("the disk is gone: repair it")

    view, _ = healthy("prod")
    for totals in (broken, hanging):
        async with running(serving(view, totals)) as server:
            metrics, page = await get(server, "/metrics"), await get(server, "/")
            assert (await get(server, "/livez")).status_code == 200
        assert (metrics.status_code, page.status_code) == (200, 200)
        assert "bytespike_wallet_balance_USD" in metrics.text
        assert "bytespike_exporter_polls_total" in metrics.text
        for counted in ("usage_cost", "wallet_spend", "series_folded", "usage_overcount"):
            assert counted not in metrics.text
        assert "The state cannot be read" in page.text


async def test_a_defect_of_ours_is_logged_and_costs_one_answer(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def defective() -> Mapping[str, AccountTotals]:
        raise ZeroDivisionError

    async with running(serving(healthy("prod")[0], defective)) as server:
        assert (await get(server, "/metrics")).status_code == 500
        assert (await get(server, "/livez")).status_code == 200
    assert "/metrics could not be answered" in caplog.text


async def test_a_request_that_never_ends_is_cut_off() -> None:
    async with running(bounds=IMPATIENT) as server:
        reader, writer = await connect(server)
        for piece in (b"GET / HTTP/1.1\r\n", b"host: x\r\n", b"x-slow: "):
            writer.write(piece)
            await writer.drain()
        assert await ended(reader) == b""
        assert (await get(server, "/livez")).status_code == 200
        writer.close()


@pytest.mark.parametrize("last", [b"", b"GET / HTTP/1.0\r\n\r\n"])
async def test_a_client_that_does_not_read_its_answer_is_cut_off(last: bytes) -> None:
    async with running(bounds=IMPATIENT) as server:
        host, port = server.address.split(":")
        with socket.create_connection((host, int(port))) as deaf:
            deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            deaf.sendall(b"GET /livez HTTP/1.1\r\nhost: x\r\n\r\n" * 1000 + last)
            await until(lambda: opened(server) == 1)
            await until(lambda: opened(server) == 0)


async def test_a_flood_of_silent_connections_does_not_keep_a_probe_out() -> None:
    async with running(bounds=IMPATIENT) as server:
        silent = [await connect(server) for _ in range(12)]
        assert (await get(server, "/livez")).status_code == 200
        assert opened(server) <= IMPATIENT.connections
        for _, writer in silent:
            writer.close()


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"GET / HTTP/1.0\r\n\r\n", b"200"),
        (b"GET / HTTP/1.1\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\nhost: x\r\nx: " + b"a" * (2 * MAX_HEADER_BYTES), b"400"),
        (b"\x16\x03\x01\x02\x00 not http\r\n\r\n", b"400"),
        (b"GET http://x/metrics HTTP/1.1\r\nhost: localhost\r\n\r\n", b"404"),
    ],
    ids=["1.0", "no host", "a large header", "garbage", "a whole URL"],
)
async def test_what_no_browser_sends_is_answered_without_a_word_in_the_log(
    sent: bytes, status: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        async with running() as server:
            reader, writer = await connect(server)
            writer.write(sent)
            async with asyncio.timeout(5):
                assert (await reader.readline()).split()[1] == status
            writer.close()
    assert not [record for record in caplog.records if record.levelno > logging.DEBUG]


async def test_a_body_that_goes_wrong_after_the_answer_ends_only_its_connection(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with running() as server:
        reader, writer = await connect(server)
        writer.write(b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n")
        assert (await reader.readline()).startswith(b"HTTP/1.1 405")
        writer.write(b"this is no chunk\r\n")
        await ended(reader)
        assert (await get(server, "/livez")).status_code == 200
        writer.close()
    assert "Fatal error" not in caplog.text


async def test_requests_that_come_together_are_answered_in_their_order() -> None:
    lines = [
        b"GET /livez HTTP/1.1",
        b"CONNECT x:443 HTTP/1.1",
        b"GET /nowhere HTTP/1.1\r\nconnection: upgrade\r\nupgrade: h2c",
        b"PUT /livez HTTP/1.1\r\ncontent-length: 0",
        b"GET /livez HTTP/1.1\r\nconnection: close",
        b"GET /readyz HTTP/1.1",
    ]
    async with running() as server:
        answers = await told(server, b"".join(line + b"\r\nhost: x\r\n\r\n" for line in lines))
    assert re.findall(rb"HTTP/1\.1 (\d+)", answers) == [b"200", b"404", b"404", b"405", b"200"]


async def test_a_client_that_has_said_all_is_answered() -> None:
    async with running() as server:
        reader, writer = await connect(server)
        writer.write(b"GET /livez HTTP/1.1\r\nhost: x\r\n\r\n")
        writer.write_eof()
        assert (await ended(reader)).startswith(b"HTTP/1.1 200")
        writer.close()


async def test_health_is_small_json_with_a_date() -> None:
    async with running() as server:
        for path in ("/livez", "/readyz"):
            response = await get(server, path)
            assert response.status_code == 200
            assert response.headers["content-type"] == "application/json"
            assert response.json()["status"] in {"ok", "ready"}
            assert len(response.content) < 2000
        assert response.headers["date"] == "Thu, 21 May 2026 14:00:00 GMT"
        assert (await get(server, "/livez")).json()["uptime_seconds"] == 11_520
        ready = (await get(server, "/readyz")).json()
        assert ready["accounts"]["prod"]["usage"]["answered"] is True


async def test_the_page_is_compressed_for_those_who_take_it() -> None:
    async with running() as server:
        packed = await get(server, "/", **{"accept-encoding": "gzip"})
        plain = await get(server, "/", **{"accept-encoding": "identity"})
    assert packed.headers["content-encoding"] == "gzip"
    assert "content-encoding" not in plain.headers
    assert packed.text == plain.text
    assert packed.headers["vary"] == plain.headers["vary"] == "Accept-Encoding"


async def test_ipv6_and_names_can_be_listened_on() -> None:
    view, totals = healthy("prod")
    for host, shown in (("::1", r"\[::1\]:\d+"), ("localhost", r"(127\.0\.0\.1|\[::1\]):\d+")):
        server = WebServer(Listen(host, 0), serving(view, known(totals)))
        await server.start()
        assert re.fullmatch(shown, server.address)
        assert (await get(server, "/livez")).status_code == 200
        await server.stop()


async def test_neither_signals_nor_the_log_of_the_process_are_touched() -> None:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    handlers = list(logging.getLogger().handlers)
    async with running() as server:
        await get(server, "/livez")
        assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before
    assert logging.getLogger().handlers == handlers
    assert not logging.getLogger("uvicorn").handlers


def test_what_only_page_metrics_and_otlp_need_is_loaded_when_they_are_asked_for() -> None:
    names = "{'jinja2', 'prometheus_client', 'opentelemetry'}"
    look = f"import sys, exporter.daemon; print({names} & {{*sys.modules}})"
    assert subprocess.check_output([sys.executable, "-c", look], text=True) == "set()\n"
