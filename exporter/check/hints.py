"""What is usually wrong where an account does not work, and how it is put right.

Each hint is one function, which looks at one account and says nothing where it does not fit. Some
open a connection to see who is there; none of them sends a key.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import re
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Final
from urllib.parse import SplitResult, urlsplit

import msgspec

from exporter.check.tried import Hint
from exporter.config.types import Account
from exporter.errors import (
    AuthError,
    BadRequestError,
    BadResponseError,
    GatewayError,
    GatewayTimeoutError,
    NetworkError,
)
from exporter.gateway.exchange import tls_reason
from exporter.secrets import Secret

PATIENCE: Final = 2.0
"""Seconds that a connection may take which only sees who is there."""

_UNREACHED: Final = (OSError, TimeoutError, UnicodeError)
"""UnicodeError: a host whose name cannot be one."""

_PREFIX: Final = "sk-byts-"
_TOO_LONG: Final = re.compile(r"(/api/v1/me|/api/v1|/v1/me|/v1|/api)/?$")
_ASSIGNED: Final = re.compile(r"(export\s+)?[A-Za-z_][A-Za-z0-9_]*\s*=\s*[\"']?\S")
_QUOTES: Final = "\"'`“”‘’«»"
_PORTS: Final = {"http": 80, "https": 443, "socks5": 1080, "socks5h": 1080}


class Suspect(msgspec.Struct, frozen=True):
    """One account, as far as hints look at it.

    `written` is what stands where the key should, None where nothing does. `keys_listed`: how
    many keys the account's key can list.
    """

    base_url: str
    errors: tuple[GatewayError, ...]
    written: Secret | None
    keys_listed: int | None
    environ: Mapping[str, str]

    def met(self, *kinds: type[GatewayError]) -> bool:
        return any(isinstance(error, kinds) for error in self.errors)

    @property
    def url(self) -> SplitResult:
        return urlsplit(self.base_url)

    @property
    def port(self) -> int:
        return self.url.port or _PORTS[self.url.scheme]


async def base_url_is_too_long(suspect: Suspect) -> str | None:
    """The exporter adds `/api/v1/…` itself."""
    ending = _TOO_LONG.search(suspect.url.path)
    if ending is None or not suspect.met(BadRequestError, BadResponseError, AuthError):
        return None
    shorter = suspect.base_url.rstrip("/").removesuffix(ending[1])
    return (
        f"base_url ends in {ending[1]}, and the exporter adds /api/v1/… itself: "
        f"write base_url: {shorter}"
    )


async def key_is_written_wrong(suspect: Suspect) -> str | None:
    """One form of many in which a key gets from a shell, a Secret or a page into a file."""
    if suspect.written is None or not suspect.met(AuthError):
        return None
    text = suspect.written.reveal().strip()
    if text.lower().startswith("bearer"):
        return "the key has the word Bearer before it: write the key alone"
    if _from_base64(text).startswith(_PREFIX):
        return (
            "the key is in base64: decode it (in a Kubernetes Secret it was encoded twice; "
            "write it under stringData, or encode it once)"
        )
    if not text.startswith(_PREFIX) and _ASSIGNED.match(text):
        return "what stands there is NAME=key: write the key alone, without the name"
    if text[:1] in _QUOTES or text[-1:] in _QUOTES:
        return "the key stands in quotes: leave them out"
    if not text.startswith(_PREFIX):
        return (
            f"the key does not begin with {_PREFIX}, as the gateway's keys do: is it this "
            "gateway's, and all of it? (A key with a text of your own is fine.)"
        )
    return None


async def port_speaks_tls(suspect: Suspect) -> str | None:
    """Plain http was sent to a port of TLS. Servers answer 400 to that, or hang up."""
    failed = suspect.met(NetworkError, BadRequestError, BadResponseError, GatewayTimeoutError)
    if suspect.url.scheme != "http" or not failed or named_proxy(suspect):
        return None
    if await _tls_problem(suspect) is not None:
        return None
    secure = "https" + suspect.base_url.removeprefix(suspect.base_url[:4])
    return f"port {suspect.port} speaks TLS, and base_url says http: write base_url: {secure}"


async def port_speaks_plain_http(suspect: Suspect) -> str | None:
    """TLS was begun with a port that knows none."""
    failed = suspect.met(NetworkError, GatewayTimeoutError)
    if suspect.url.scheme != "https" or not failed or named_proxy(suspect):
        return None
    problem = await _tls_problem(suspect)
    if problem is None or not await _answers_plainly(suspect):
        return None
    return (
        f"port {suspect.port} speaks plain http, and base_url says https ({problem}): is it the "
        "right port? With http:// the key crosses the network in clear"
    )


async def proxy_is_dead(suspect: Suspect) -> str | None:
    """The environment names a proxy that nothing gets through."""
    if not suspect.met(NetworkError, GatewayTimeoutError):
        return None
    proxy = named_proxy(suspect)
    if proxy is None:
        return None
    variable, host, port = proxy
    try:
        async with _connected(host, port):
            return None
    except _UNREACHED as error:
        why = getattr(error, "strerror", None) or "no answer"
    return (
        f"the environment's {variable} names the proxy {host}:{port}, which cannot be reached "
        f"({why}): mend it, unset the variable, or add {suspect.url.hostname} to NO_PROXY"
    )


async def key_opens_the_account(suspect: Suspect) -> str | None:
    """Whoever lists keys can reveal them: the vendor says so of any active key."""
    if suspect.keys_listed is None:
        return None
    keys = (
        "the account's one key"
        if suspect.keys_listed == 1
        else (f"the account's {suspect.keys_listed:,} keys")
    )
    return (
        f"this key can list {keys}, and by the gateway's documentation reveal them: give it an "
        "IP allowlist at the gateway with the addresses that the exporter asks from"
    )


HINTS: Final[Mapping[str, Callable[[Suspect], Awaitable[str | None]]]] = {
    "base_url_too_long": base_url_is_too_long,
    "key_written_wrong": key_is_written_wrong,
    "port_speaks_tls": port_speaks_tls,
    "port_speaks_plain_http": port_speaks_plain_http,
    "proxy_dead": proxy_is_dead,
    "ip_allowlist": key_opens_the_account,
}
"""Every hint by its name, which `--format json` tells."""

_CONNECTING: Final = ("port_speaks_tls", "port_speaks_plain_http", "proxy_dead")


Looks = dict[object, "asyncio.Task[str | None]"]
"""What was looked at already: many accounts have one gateway, and who is there is seen once."""


async def hints(suspect: Suspect, looks: Looks) -> tuple[Hint, ...]:
    """All that fit. `looks` is shared by all accounts."""
    found = []
    met = frozenset(map(type, suspect.errors))
    for name, look in HINTS.items():
        if name in _CONNECTING:
            looked_at = name, suspect.base_url, met
            if looked_at not in looks:
                looks[looked_at] = asyncio.ensure_future(look(suspect))
            said = await looks[looked_at]
        else:
            said = await look(suspect)
        if said is not None:
            found.append(Hint(name, said))
    return tuple(found)


def written(account: Account, environ: Mapping[str, str]) -> Secret | None:
    """What stands where the account's key should, whatever it is."""
    if account.api_key_file is None:
        text = environ.get(account.api_key_env or "")
        return None if text is None else Secret(text)
    try:
        with account.api_key_file.open("rb") as file:
            return Secret(file.read(4096).decode("utf-8", "replace"))
    except OSError:
        return None


def named_proxy(suspect: Suspect) -> tuple[str, str, int] | None:
    """The proxy that the environment names for this URL: by which variable, host and port."""
    environ, url = suspect.environ, suspect.url
    if _is_spared(url, environ.get("no_proxy") or environ.get("NO_PROXY") or ""):
        return None
    for name in (f"{url.scheme}_proxy", "all_proxy"):
        for variable in (name, name.upper()):
            value = environ.get(variable)
            if value:
                proxy = urlsplit(value if "://" in value else f"http://{value}")
                try:
                    port = proxy.port or _PORTS.get(proxy.scheme, 80)
                except ValueError:
                    return None
                return (variable, proxy.hostname, port) if proxy.hostname else None
    return None


def _is_spared(url: SplitResult, no_proxy: str) -> bool:
    """Whether NO_PROXY names this URL's host, one of its domains, or every host."""
    host = url.hostname or ""
    for entry in no_proxy.lower().replace(",", " ").split():
        name = entry.partition("://")[2] or entry
        domain = name.removeprefix("*").removeprefix(".")
        if name == "*" or host == domain or host.endswith(f".{domain}") or name == url.netloc:
            return True
    return False


def _from_base64(text: str) -> str:
    """What the text means in base64; empty where it means nothing."""
    try:
        padded = text + "=" * (-len(text) % 4)
        return base64.b64decode(padded, validate=True).decode("ascii").strip()
    except (binascii.Error, ValueError):
        return ""


@asynccontextmanager
async def _connected(
    host: str, port: int, tls: ssl.SSLContext | None = None
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A connection, given up after `PATIENCE`. Raises OSError, TimeoutError."""
    async with asyncio.timeout(PATIENCE):
        reader, writer = await asyncio.open_connection(host, port, ssl=tls)
        try:
            yield reader, writer
        finally:
            writer.transport.abort()


async def _tls_problem(suspect: Suspect) -> str | None:
    """Why TLS cannot be spoken with the port, whoever's certificate it has; None if it can."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        async with _connected(suspect.url.hostname or "", suspect.port, context):
            return None
    except ssl.SSLError as error:
        return f"OpenSSL: {tls_reason(error)}"
    except _UNREACHED as error:
        return getattr(error, "strerror", None) or "no answer to TLS"


async def _answers_plainly(suspect: Suspect) -> bool:
    try:
        async with _connected(suspect.url.hostname or "", suspect.port) as (reader, writer):
            writer.write(f"HEAD / HTTP/1.1\r\nHost: {suspect.url.netloc}\r\n\r\n".encode())
            return await reader.readexactly(5) == b"HTTP/"
    except (*_UNREACHED, asyncio.IncompleteReadError):
        return False
