"""Where requests go, and under which names the proxy may be addressed."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

_REMEMBERED: Final = 64


@dataclass(frozen=True, slots=True)
class ProxyTarget:
    """The gateway's base URL, and further `Host` names under which applications call the proxy."""

    base_url: str
    allow_hosts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Address:
    """A base URL taken apart. `authority` is the `Host` to send, `prefix` precedes each target."""

    tls: bool
    host: str
    port: int
    authority: bytes
    prefix: bytes


def address_of(base_url: str) -> Address:
    """Take a base URL apart, which the configuration has checked."""
    parts = urlsplit(base_url)
    host = (parts.hostname or "").encode("idna").decode()
    tls = parts.scheme == "https"
    usual = 443 if tls else 80
    port = parts.port or usual
    shown = f"[{host}]" if ":" in host else host
    authority = shown if port == usual else f"{shown}:{port}"
    return Address(tls, host, port, authority.encode(), parts.path.rstrip("/").encode())


class Hosts:
    """The names by which the proxy answers: its own, loopback's, the gateway's, allowed ones.

    A page in a browser cannot use the proxy by having its own name resolve to 127.0.0.1. Ports
    are not compared: a forwarded port is another one.
    """

    def __init__(self, listen: str, target: ProxyTarget) -> None:
        names = (listen, address_of(target.base_url).host, *target.allow_hosts)
        self._names = {name_of(name.encode()) for name in names} - {""}
        self._known: set[bytes] = set()

    def allow(self, value: bytes, local: str) -> bool:
        """Whether a `Host` (or an authority) is ours. `local` is where the connection came in."""
        if value in self._known:
            return True
        name = name_of(value)
        if name not in self._names and not _is_local(name, local):
            return False
        if len(self._known) < _REMEMBERED:
            self._known.add(value)
        return True


def name_of(value: bytes) -> str:
    """The host in `host:port`, in lower case; empty if that is not what it is."""
    text = value.decode("latin-1").lower()
    if text.startswith("["):
        name, _, port = text[1:].partition("]")
        port = port.removeprefix(":")
    elif text.count(":") > 1:  # an address as the configuration writes it
        name, port = text, ""
    else:
        name, _, port = text.partition(":")
    if port and not port.isdigit():
        return ""
    return name.removesuffix(".")


def is_address(name: str) -> bool:
    """Whether it is an IP address, and no name."""
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


def _is_local(name: str, local: str) -> bool:
    if name == "localhost" or name.endswith(".localhost"):
        return True
    return is_address(name) and (ip_address(name).is_loopback or str(ip_address(name)) == local)
