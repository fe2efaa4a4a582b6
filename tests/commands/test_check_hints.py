"""What `check` advises: each hint where it fits, and none where all works."""

from __future__ import annotations

import asyncio
import base64
import socket
import ssl
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from exporter.check import hints as module
from exporter.check.hints import HINTS, Looks, Suspect, hints
from exporter.check.tried import Hint
from exporter.errors import (
    AuthError,
    BadRequestError,
    BadResponseError,
    GatewayError,
    NetworkError,
    ServerError,
)
from exporter.secrets import Secret
from tests.commands.programs import KEY, configured, finished
from tests.commands.sockets import listening
from tests.e2e.gateway import Gateway
from tests.otlp.certificates import OPENSSL, Certificates, make
from tests.peers.process import free_port

PLAIN = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


def suspect(
    base_url: str = "https://gateway.example",
    error: type[GatewayError] = ServerError,
    written: str | None = KEY,
    keys_listed: int | None = None,
    environ: Mapping[str, str] | None = None,
) -> Suspect:
    key = None if written is None else Secret(written)
    return Suspect(base_url, (error("it failed"),), key, keys_listed, environ or {})


def said(*accounts: Suspect) -> dict[str, str]:
    async def advice() -> list[Hint]:
        looks: Looks = {}
        return [hint for of in accounts for hint in await hints(of, looks)]

    return {hint.name: hint.said for hint in asyncio.run(advice())}


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    if OPENSSL is None:
        pytest.skip("needs openssl")
    return make(tmp_path_factory.mktemp("certificates"))


def tls_only(context: ssl.SSLContext) -> Callable[[socket.socket], None]:
    """Hangs up on whoever speaks plainly, as most servers do."""

    def serve(connection: socket.socket) -> None:
        with context.wrap_socket(connection, server_side=True) as secure:
            secure.recv(65536)
            secure.sendall(PLAIN)

    return serve


def tls_that_explains(context: ssl.SSLContext) -> Callable[[socket.socket], None]:
    """Answers plain http with 400, as nginx and Go do."""

    def serve(connection: socket.socket) -> None:
        if connection.recv(1, socket.MSG_PEEK) == b"\x16":
            tls_only(context)(connection)
        else:
            connection.recv(65536)
            connection.sendall(PLAIN)

    return serve


def plain(connection: socket.socket) -> None:
    connection.recv(65536)
    connection.sendall(PLAIN)


def silent(connection: socket.socket) -> None:
    connection.recv(65536)
    connection.recv(65536)


# -- how the key and the address are written ------------------------------------------------


@pytest.mark.parametrize(
    ("base_url", "shorter"),
    [
        ("https://gateway.example/v1", "https://gateway.example"),
        ("https://gateway.example/v1/", "https://gateway.example"),
        ("https://gateway.example/api/v1", "https://gateway.example"),
        ("https://gateway.example/api/v1/me", "https://gateway.example"),
        ("https://gateway.example:8443/llm/v1", "https://gateway.example:8443/llm"),
    ],
)
@pytest.mark.parametrize("error", [BadRequestError, BadResponseError, AuthError])
def test_a_base_url_with_a_path_of_the_api_is_told_without_it(
    base_url: str, shorter: str, error: type[GatewayError]
) -> None:
    told = said(suspect(base_url, error))["base_url_too_long"]
    assert told.endswith(f"write base_url: {shorter}")


@pytest.mark.parametrize(
    ("written", "told"),
    [
        (f'"{KEY}"', "stands in quotes"),
        (f"'{KEY}'\n", "stands in quotes"),
        (f"“{KEY}”", "stands in quotes"),
        (f"BYTESPIKE_API_KEY={KEY}", "NAME=key"),
        (f"export BYTESPIKE_API_KEY='{KEY}'", "NAME=key"),
        (f"export BYTESPIKE_API_KEY={KEY}\n", "NAME=key"),
        (f"Bearer {KEY}", "the word Bearer"),
        (base64.b64encode(KEY.encode()).decode(), "in base64"),
        (base64.b64encode(f"{KEY}\n".encode()).decode().rstrip("="), "in base64"),
        ("sk-proj-0123456789abcdef", "does not begin with sk-byts-"),
        (KEY[3:], "does not begin with sk-byts-"),
    ],
)
def test_a_key_that_is_refused_is_looked_at(written: str, told: str) -> None:
    hint = said(suspect(error=AuthError, written=written))["key_written_wrong"]
    assert told in hint
    assert KEY[8:] not in hint
    assert written.strip("\"'\n") not in hint


def test_a_key_that_lists_keys_is_worth_an_allowlist() -> None:
    told = said(suspect(keys_listed=6))
    assert list(told) == ["ip_allowlist"]
    assert "the account's 6 keys" in told["ip_allowlist"]


def test_where_nothing_fits_nothing_is_said() -> None:
    assert said(suspect(error=ServerError)) == {}
    assert said(suspect("https://gateway.example/v1", ServerError, "any-text-that-is-mine")) == {}
    assert said(suspect(error=AuthError)) == {}, "a key in the right form may be revoked"
    assert said(suspect(error=AuthError, written=None)) == {}


# -- who is there -------------------------------------------------------------------------------


@pytest.mark.parametrize("server", [tls_only, tls_that_explains])
@pytest.mark.parametrize("error", [NetworkError, BadRequestError])
def test_http_to_a_port_of_tls_is_told(
    certificates: Certificates,
    server: Callable[[ssl.SSLContext], Callable[[socket.socket], None]],
    error: type[GatewayError],
) -> None:
    with listening(server(certificates.context())) as port:
        told = said(suspect(f"http://127.0.0.1:{port}/llm", error))
    assert list(told) == ["port_speaks_tls"]
    assert told["port_speaks_tls"].endswith(f"write base_url: https://127.0.0.1:{port}/llm")


def test_a_gateway_of_many_accounts_is_looked_at_once() -> None:
    seen: list[bytes] = []

    def serve(connection: socket.socket) -> None:
        seen.append(connection.recv(65536))
        connection.sendall(PLAIN)

    with listening(serve) as port:
        url = f"https://127.0.0.1:{port}"
        assert said(*(suspect(url, NetworkError) for _ in range(50)))
    assert len(seen) == 2, "TLS, then plain http"


def test_https_to_a_port_of_plain_http_is_told_with_the_reason_of_openssl() -> None:
    with listening(plain) as port:
        told = said(suspect(f"https://127.0.0.1:{port}", NetworkError))
    assert list(told) == ["port_speaks_plain_http"]
    assert f"port {port} speaks plain http" in told["port_speaks_plain_http"]
    assert "OpenSSL: " in told["port_speaks_plain_http"]


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_port_that_speaks_what_it_should_is_not_blamed(
    certificates: Certificates, scheme: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PATIENCE", 0.5)
    right = plain if scheme == "http" else tls_that_explains(certificates.context())
    for serve in (right, silent):
        with listening(serve) as port:
            assert said(suspect(f"{scheme}://127.0.0.1:{port}", NetworkError)) == {}
    assert said(suspect(f"{scheme}://127.0.0.1:{free_port()}", NetworkError)) == {}


@pytest.mark.parametrize(
    ("scheme", "variable"),
    [("https", "HTTPS_PROXY"), ("http", "http_proxy"), ("https", "ALL_PROXY")],
)
def test_a_proxy_that_is_named_and_dead_is_told_by_its_variable(scheme: str, variable: str) -> None:
    port = free_port()
    proxy = {variable: f"http://ada:password@127.0.0.1:{port}"}
    told = said(suspect(f"{scheme}://gateway.example", NetworkError, environ=proxy))
    assert list(told) == ["proxy_dead"]
    assert f"{variable} names the proxy 127.0.0.1:{port}" in told["proxy_dead"]
    assert "add gateway.example to NO_PROXY" in told["proxy_dead"]
    assert "password" not in told["proxy_dead"]


def test_a_proxy_that_lives_or_is_not_asked_is_not_blamed() -> None:
    dead = f"http://127.0.0.1:{free_port()}"
    with listening(plain) as port:
        alive = {"HTTPS_PROXY": f"http://127.0.0.1:{port}"}
        assert said(suspect(error=NetworkError, environ=alive)) == {}
        url = f"http://127.0.0.1:{port}"
        for spared in ("127.0.0.1", "*", "a.example,127.0.0.1"):
            environ = {"HTTP_PROXY": dead, "NO_PROXY": spared}
            assert said(suspect(url, NetworkError, environ=environ)) == {}
        assert said(suspect(url, NetworkError, environ={"HTTPS_PROXY": dead})) == {}


# -- all the way --------------------------------------------------------------------------------


def advised(folder: Path, url: str, key: str = KEY, **variables: str) -> str:
    """What `check` advises where it fails."""
    config = configured(folder, url, key)
    ended = finished("check", "--config", config, folder=folder, variables=variables)
    assert ended.returncode == 1
    assert ended.stderr == ""
    assert key not in ended.stdout
    return ended.stdout.partition("What to do:\n")[2]


def test_check_says_what_to_do(
    tmp_path: Path, gateway: Gateway, certificates: Certificates
) -> None:
    assert "write base_url: " + gateway.url in advised(tmp_path, f"{gateway.url}/v1", gateway.key)
    assert "stands in quotes" in advised(tmp_path, gateway.url, f'"{gateway.key}"')
    dead = f"http://127.0.0.1:{free_port()}"
    assert dead[7:] in advised(tmp_path, gateway.url, gateway.key, HTTP_PROXY=dead)
    secure = gateway.url.replace("http:", "https:")
    assert "speaks plain http" in advised(tmp_path, secure, gateway.key)
    with listening(tls_that_explains(certificates.context())) as port:
        assert "speaks TLS" in advised(tmp_path, f"http://127.0.0.1:{port}")


def test_each_hint_has_a_case_here_and_a_row_in_its_document() -> None:
    here = Path(__file__)
    document = here.parents[2] / "docs" / "check.md"
    for path, quoted in ((here, '"{}"'), (document, "| `{}` |")):
        text = path.read_text(encoding="utf-8")
        assert [name for name in HINTS if quoted.format(name) not in text] == []
